"""Looking ahead in a simulation, as `replication.scheduler.outlook` does it: who is expected to
exceed the target before there is a newer recovery point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from replication.scheduler.decide import Use
from replication.scheduler.foresight import (
    Outlook,
    Queue,
    breach_expected_at,
    ends_at,
    outage_ends_at,
)
from replication.scheduler.outlook import A_WHILE
from vmrep.bench.virtual_estate import VM, moment

if TYPE_CHECKING:
    from vmrep.bench.virtual_time import World
    from vmrep.bench.virtual_workers import Job


class LookAhead:
    """`look` at each tick; then `told_at` of the VMs says since when it is expected."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: dict[int, VM] = {}
        self._places: defaultdict[tuple[int, int], list[VM]] = defaultdict(list)
        for vm in world.vms:
            self._places[vm.vcenter_id, vm.repository_id].append(vm)
        self._away: dict[int, datetime] = {}
        self._now = moment(0.0)

    def look(self) -> None:
        now = self._world.now
        expected = {vm.number: vm for vm in self._expected()}
        for number, vm in self._told.items():
            # Of what is over its target by now stays known that it was foretold.
            if number not in expected and vm.told_at is not None and now < vm.over_from:
                vm.told_at = None
                self._world.told.taken_back += 1
        for vm in expected.values():
            if vm.told_at is None:
                vm.told_at = now
        self._told = expected

    def _expected(self) -> Iterator[VM]:
        world = self._world
        self._now = moment(world.now)
        self._away = {
            number: outage_ends_at(moment(world.troubles.away_since(number, world.now)), self._now)
            for number in world.troubles.outages
            if world.is_known_away(number)
        }
        queue = Queue(world.capacity())
        places = set()
        waiting = []
        for job in world.active:
            if job.is_running:
                yield from self._running(job, queue)
            else:
                waiting.append(job)
        for job in sorted(waiting, key=lambda job: job.created_at):
            places.add((job.vm.vcenter_id, job.vm.repository_id))
            begins_at = max(world.now + queue.add(job.vm.use), job.next_attempt_at)
            yield from self._late(job.vm, begins_at, self._away.get(job.vm.vcenter_id))
        for vm in sorted(world.due.values(), key=lambda vm: -world.risk(vm, self._now)):
            free_at, begins_at = self._free_at(vm), world.now
            if free_at is None:
                places.add((vm.vcenter_id, vm.repository_id))
                begins_at += queue.add(vm.use)
            yield from self._late(vm, begins_at, free_at)
        for vm in world.resting.values():
            yield from self._late(vm, max(world.now, vm.due_at), self._free_at(vm))
        yield from self._due_later(queue, places)

    def _due_later(self, queue: Queue, places: set[tuple[int, int]]) -> Iterator[VM]:
        """Of a vCenter that is away, and where they will have to wait for a while."""
        for (vcenter_id, repository_id), vms in self._places.items():
            seconds = 0.0
            if (vcenter_id, repository_id) in places:
                seconds = queue.begins(Use(vcenter_id, repository_id))
            if vcenter_id not in self._away and seconds <= A_WHILE:
                continue
            free_from = self._world.now + (seconds if seconds > A_WHILE else 0.0)
            for vm in vms:
                if not vm.is_active and vm.number not in self._world.due:
                    begins_at = max(free_from, vm.due_at)
                    yield from self._late(vm, begins_at, self._away.get(vcenter_id))

    def _running(self, job: Job, queue: Queue) -> Iterator[VM]:
        began = self._now if job.began_at is None else moment(job.began_at)
        ends = ends_at(began, job.vm.use.seconds, None, None, self._now)
        queue.run(job.vm.use._replace(seconds=(ends - self._now).total_seconds()))
        vm = job.vm
        if vm.point_at is None or vm.over_since is not None:
            return
        if ends > moment(vm.over_from) > self._now:
            yield vm

    def _late(self, vm: VM, begins_at: float, free_at: datetime | None) -> Iterator[VM]:
        """The VM, if it is expected to exceed its target."""
        if vm.point_at is None or vm.over_since is not None:
            return
        outlook = Outlook(
            breaks_at=moment(vm.point_at + vm.target_seconds),
            latest_start_at=moment(vm.point_at + vm.keeps_until),
            due_at=moment(begins_at),
            free_at=free_at,
        )
        if breach_expected_at(outlook, self._now) is not None:
            yield vm

    def _free_at(self, vm: VM) -> datetime | None:
        """Until when something keeps it from starting, by what is known."""
        found = [self._away[vm.vcenter_id]] if vm.vcenter_id in self._away else []
        if vm.failing_since is not None:
            found.append(outage_ends_at(vm.failing_since, self._now))
        return max(found, default=None)
