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
        waiting: list[tuple[VM, float, datetime | None]] = []
        for job in world.active:
            if job.is_running and job.run is None:
                yield from self._running(job, queue)
        for job in sorted(world.active, key=lambda job: job.created_at):
            if not job.is_running or job.run is not None:
                waiting.append((job.vm, job.next_attempt_at, self._away.get(job.vm.vcenter_id)))
        for vm in sorted(world.due.values(), key=lambda vm: -world.risk(vm, self._now)):
            waiting.append((vm, world.now, self._free_at(vm)))
        numbers: dict[int, int] = {}
        places: set[tuple[int, int]] = set()
        for vm, not_before, free_at in waiting:
            if free_at is None:
                numbers[vm.number] = queue.add(_usual(vm), max(0.0, not_before - world.now))
                places.add((vm.vcenter_id, vm.repository_id))
        last = {place: queue.add(Use(*place, seconds=0.0)) for place in places}
        begins = queue.begins()
        for vm, not_before, free_at in waiting:
            seconds = begins[numbers[vm.number]] if free_at is None else 0.0
            yield from self._late(vm, not_before, free_at, seconds)
        for vm in world.resting.values():
            yield from self._late(vm, max(world.now, vm.due_at), self._free_at(vm))
        yield from self._due_later({place: begins[number] for place, number in last.items()})

    def _due_later(self, queues: dict[tuple[int, int], float]) -> Iterator[VM]:
        """Of a vCenter that is away, and where they will have to wait for a while."""
        for place, vms in self._places.items():
            vcenter_id, seconds = place[0], queues.get(place, 0.0)
            if vcenter_id not in self._away and seconds <= A_WHILE:
                continue
            for vm in vms:
                if not vm.is_active and vm.number not in self._world.due:
                    free_at = self._away.get(vcenter_id)
                    yield from self._late(vm, vm.due_at, free_at, seconds)

    def _running(self, job: Job, queue: Queue) -> Iterator[VM]:
        began = self._now if job.began_at is None else moment(job.began_at)
        usual = _usual(job.vm)
        ends = ends_at(began, usual.seconds, None, None, self._now)
        queue.run(usual._replace(seconds=(ends - self._now).total_seconds()))
        vm = job.vm
        if vm.point_at is None or vm.over_since is not None:
            return
        if ends > moment(vm.over_from) > self._now:
            yield vm

    def _late(
        self, vm: VM, due_at: float, free_at: datetime | None, queue_seconds: float = 0.0
    ) -> Iterator[VM]:
        """The VM, if it is expected to exceed its target."""
        if vm.point_at is None or vm.over_since is not None:
            return
        outlook = Outlook(
            breaks_at=moment(vm.point_at + vm.target_seconds),
            latest_start_at=moment(vm.point_at + vm.keeps_until),
            usual_start_at=moment(vm.point_at + vm.target_seconds - _late_seconds(vm)),
            due_at=moment(due_at),
            free_at=free_at,
        )
        if breach_expected_at(outlook, self._now, queue_seconds) is not None:
            yield vm

    def _free_at(self, vm: VM) -> datetime | None:
        """Until when something keeps it from starting, by what is known."""
        found = [self._away[vm.vcenter_id]] if vm.vcenter_id in self._away else []
        if vm.failing_since is not None:
            found.append(outage_ends_at(vm.failing_since, self._now))
        return max(found, default=None)


def _usual(vm: VM) -> Use:
    return vm.use if vm.usual is None else vm.use._replace(seconds=vm.usual.seconds)


def _late_seconds(vm: VM) -> float:
    return vm.use.seconds if vm.usual is None else vm.usual.late_seconds
