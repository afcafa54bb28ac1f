"""The scheduler in virtual time: its own pure functions decide, events take the place of workers,
vCenters and the database. `tests/scheduler` compares the pure functions with their SQL.

What must hold at every moment is checked at every moment, and raises Broken.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import count
from random import Random

from replication.policies.settle import AT_ONCE
from replication.scheduler import next_job
from replication.scheduler.decide import (
    LONG_SECONDS,
    MOST_AHEAD,
    UNKNOWN_SECONDS,
    Candidate,
    Capacity,
    Lane,
    Stand,
    Use,
    choose,
    is_full,
    lane,
    risk,
)
from replication.scheduler.estimate import latest_start_seconds
from replication.scheduler.next_job import EndedJob
from replication.scheduler.when import Schedule
from replication.selectors.protection import AWAY_AFTER
from replication.services.finish import BACK_OFF, MAX_ATTEMPTS
from replication.services.leases import DURATION
from replication.states import DueWhy, JobStatus, PolicyPriority, ReplicationType, RPOKind
from vmrep.bench.virtual_estate import (
    DAY,
    VM,
    WORKER_AWAY_SECONDS,
    Attempt,
    Plan,
    Troubles,
    attempt,
    estate,
    groups,
    moment,
)
from vmrep.bench.virtual_groups import Gatherings, Run
from vmrep.bench.virtual_outlook import LookAhead
from vmrep.bench.virtual_told import Breach, Figures, Told
from vmrep.bench.virtual_workers import Broken, Job, Workers

TICK_SECONDS = 10.0
LOAD_EVERY_SECONDS = 60.0


class World:
    """`run` it to its end; then `told` says what happened, and `figures` what it comes to.

    `due`: the VMs that are due and have no job, by number; `resting`: those without a job that are
    due too late for their targets, or that have failed several times. `active`: the jobs that run
    or wait, in their order."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = Random(plan.seed)  # noqa: S311
        self.troubles = Troubles(plan, self.random)
        self.vms = estate(plan, self.random)
        self.groups = groups(plan, self.vms)
        self.told = Told()
        self.figures = Figures(plan, self.troubles, self.told)
        self.now = 0.0
        self.due: dict[int, VM] = {}
        self.resting: dict[int, VM] = {}
        self.active: dict[Job, None] = {}
        self.workers = Workers(plan, self.told)
        self._gatherings = Gatherings(self)
        self._look_ahead = LookAhead(self)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._stale: deque[VM] = deque()
        self._dates: list[tuple[float, int]] = []
        self._load_at, self._load = -math.inf, 0.0
        self._ticks = 0

    def run(self, at_midnight: Callable[[int], None] = lambda day: None) -> Told:
        self.after(self.random.uniform(0, TICK_SECONDS), self._tick)
        for died_at, worker in self.troubles.deaths:
            self.after(died_at, partial(self._die, worker))
        if not self.plan.calm:
            self.after(self.troubles.night.begin, self._die_all)
        for vm in self.vms:
            if vm.taken_at <= 0.0:
                self._work_out(vm)
            else:
                self.after(vm.taken_at, partial(self._stale.append, vm))
        day = 1
        while self._events and self._events[0][0] < self.plan.end:
            self.now, _, what = heapq.heappop(self._events)
            what()
            if self.now >= day * DAY:
                at_midnight(day)
                day += 1
        self.now = self.plan.end
        for vm in self.vms:
            self._note_breach(vm)
        return self.told

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), what))

    # -- the tick: replication.scheduler.tick

    def _tick(self) -> None:
        self.after(TICK_SECONDS, self._tick)
        if self.troubles.is_night(self.now):
            return
        self._take_over_expired()
        self._gatherings.settle()
        for _ in range(min(AT_ONCE, len(self._stale))):
            self._work_out(self._stale.popleft())
        while self._dates and self._dates[0][0] <= self.now:
            due_at, number = heapq.heappop(self._dates)
            vm = self.vms[number]
            if vm.due_at == due_at and vm.is_fresh and not vm.is_active:
                self.due[number] = vm
                self.resting.pop(number, None)
        self._start_due()
        self.claim()
        self._ticks += 1
        if self._ticks % self.plan.look_ahead_every == 0:
            self._look_ahead.look()
        self.told.live_seconds += TICK_SECONDS * self.plan.places * self.workers.living

    def _take_over_expired(self) -> None:
        for job in [job for job in self.active if job.lost_at is not None]:
            if self.now - (job.lost_at or 0.0) >= DURATION.total_seconds():
                self.workers.leave(job)
                self.told.taken_over += 1
                self._try_again(job, at_once=job.attempt == 1)

    def _work_out(self, vm: VM) -> None:
        wanted = Schedule(RPOKind.TARGET, vm.target_seconds)
        vm.newest = newest = None if vm.point_at is None else moment(vm.point_at)
        known = next_job.VM(vm.context_id, moment(vm.taken_at), newest)
        found = next_job.next_job(wanted, known, vm.jobs, moment(self.now))
        if found.due is None:
            raise Broken(f"{vm.context_id} is never due")
        seconds = found.expected_seconds
        vm.due_moment, vm.due_why = found.due.at, found.due.why
        vm.due_at = (found.due.at - moment(0.0)).total_seconds()
        vm.failing_since = found.failing_since
        # As replication.scheduler.dates keeps them.
        vm.usual = found.usual
        vm.keeps_until = latest_start_seconds(found.known, vm.target_seconds)
        vm.use = Use(
            vm.vcenter_id,
            vm.repository_id,
            lane=lane(vm.first_bytes, seconds, found.failures_in_a_row),
            seconds=UNKNOWN_SECONDS if seconds is None else seconds,
        )
        vm.is_fresh = True
        heapq.heappush(self._dates, (vm.due_at, vm.number))
        if vm.failing_since or vm.due_at > (vm.point_at or math.inf) + vm.keeps_until:
            self.resting[vm.number] = vm

    def _start_due(self) -> None:
        startable = [vm for vm in self.due.values() if self._could_start(vm)]
        self.told.most_due = max(self.told.most_due, len(startable))
        for vm in startable:
            vm.waited_seconds += TICK_SECONDS
        room = self.capacity()
        if is_full(room):
            return
        now = moment(self.now)
        startable.sort(key=lambda vm: (-self.risk(vm, now), vm.number))
        candidates = [
            Candidate(vm.context_id, vm.use, group_id=self._group_id(vm)) for vm in startable
        ]
        for chosen in choose(candidates, room):
            if chosen.group_id is None:
                self.start(self.vms[VM.number_of(chosen.context_id)])
            elif not self._gatherings.concern(self.groups[chosen.group_id]):
                self._gatherings.start(self.groups[chosen.group_id])
        ready = sum(stand == Stand.READY for _, stand in self._stands())
        self.told.most_ready = max(self.told.most_ready, ready)
        self.told.most_active = max(self.told.most_active, len(self.active))
        if ready > MOST_AHEAD * self.plan.slots + self._of_groups():
            raise Broken(f"{ready} jobs at once, for {self.plan.slots} that can run")

    def _could_start(self, vm: VM) -> bool:
        if self.is_known_away(vm.vcenter_id):
            return False
        return vm.group is None or not self._gatherings.concern(vm.group)

    @staticmethod
    def _group_id(vm: VM) -> int | None:
        """As `candidates.starts_its_group` has it."""
        if vm.group is None or vm.due_why == DueWhy.RETRY or vm.is_copied_for_long:
            return None
        return vm.group.number

    def _of_groups(self) -> int:
        """How many jobs there are of groups: those of VMs that were not due themselves are started
        whether there is room for them or not."""
        return sum(job.vm.group is not None for job in self.active)

    def may_start(self, vm: VM) -> bool:
        """Together with its group: unless it is replicated already, rests after a failure, or is
        to be copied first."""
        rests = vm.due_why == DueWhy.RETRY and vm.due_at > self.now
        waits = rests or vm.is_copied_for_long
        return not vm.is_active and vm.taken_at <= self.now and not waits

    @staticmethod
    def risk(vm: VM, now: datetime) -> float:
        return risk(vm.newest, vm.due_moment, vm.target_seconds, PolicyPriority.NORMAL, now)

    def capacity(self) -> Capacity:
        return Capacity(
            slots=self.workers.slots(self.now),
            active=[job.vm.use._replace(stand=stand) for job, stand in self._stands()],
            vcenter_jobs={},
            of_other_vcenters=self.plan.vcenter_jobs,
            repository_jobs={},
            of_other_repositories=self.plan.repository_jobs,
            usual_load=self._usual_load(),
        )

    def _usual_load(self) -> float:
        """Looked at less often than the tick does, for the time that it takes."""
        if self.now - self._load_at >= LOAD_EVERY_SECONDS:
            soon = self.now + LONG_SECONDS
            usual = (vm for vm in self.vms if vm.due_at <= soon and vm.use.lane == Lane.USUAL)
            self._load = sum(vm.use.seconds / min(LONG_SECONDS, vm.target_seconds) for vm in usual)
            self._load_at = self.now
        return self._load

    def _stands(self) -> Iterator[tuple[Job, Stand]]:
        """One worker gathers all the VMs of a run: it counts once."""
        led: set[Run] = set()
        for job in self.active:
            stand = self._stand(job)
            if stand == Stand.GATHERED and job.run is not None and job.run not in led:
                led.add(job.run)
                stand = Stand.READY
            yield job, stand

    def _stand(self, job: Job) -> Stand:
        rests = job.next_attempt_at > self.now or self.is_known_away(job.vm.vcenter_id)
        if rests and not job.is_running:
            return Stand.HELD_UP
        return Stand.READY if job.run is None else Stand.GATHERED

    def is_known_away(self, vcenter_id: int) -> bool:
        before = self.now - AWAY_AFTER.total_seconds()
        is_away = self.troubles.is_away
        return is_away(vcenter_id, self.now) and is_away(vcenter_id, before)

    def start(self, vm: VM, run: Run | None = None) -> Job:
        if vm.is_active:
            raise Broken(f"{vm.context_id} would have two jobs")
        told, waited = self.told, vm.waited_seconds
        told.longest_wait[vm.use.lane] = max(told.longest_wait[vm.use.lane], waited)
        vm.waited_seconds, vm.is_active = 0.0, True
        self.due.pop(vm.number, None)
        self.resting.pop(vm.number, None)
        job = Job(vm, self.now, run=run)
        self.active[job] = None
        told.jobs += 1
        if run is None:
            self.workers.wait(job)
        return job

    # -- what workers do: replication.tasks, replication.services.finish

    def claim(self) -> None:
        """Every free worker gathers a group, or else takes the oldest job for which there are
        places."""
        if self.troubles.is_night(self.now):
            return
        for worker in self.workers.free():
            if run := self._gatherings.next():
                self._gatherings.begin(run, worker)
            elif job := self.workers.next():
                self._begin(job, worker)
            else:
                return

    def _begin(self, job: Job, worker: int) -> None:
        self.workers.begin(job, worker)
        self.begins_now(job)
        goes = job.left or attempt(job.vm, self.now, self.troubles, self.random)
        self.after(goes.seconds, partial(self._end, job, job.attempt, self.now, goes))

    def begins_now(self, job: Job) -> None:
        job.began_at = self.now
        job.started_at = self.now if job.started_at is None else job.started_at

    def _end(self, job: Job, number: int, began: float, goes: Attempt) -> None:
        if job not in self.active or job.attempt != number or job.lost_at is not None:
            return  # its worker died meanwhile
        self.told.busy_seconds += self.now - began
        self.workers.leave(job)
        taken_at = began + goes.snapshot_seconds if job.snapshot_at is None else job.snapshot_at
        self.end_attempt(job, taken_at, goes)
        self.claim()

    def end_attempt(self, job: Job, taken_at: float, goes: Attempt) -> None:
        """`taken_at`: its snapshot."""
        if goes.outcome == "again" or self.troubles.is_away(job.vm.vcenter_id, self.now):
            self._try_again(job)
        else:
            self._finish(job, taken_at, goes)

    def _try_again(self, job: Job, *, at_once: bool = False) -> None:
        if job.attempt >= MAX_ATTEMPTS:
            self._finish(job, self.now, None)
            return
        delay = 0.0 if at_once else BACK_OFF[min(job.attempt, len(BACK_OFF)) - 1].total_seconds()
        job.attempt += 1
        job.next_attempt_at = self.now + delay
        # Nobody claims it before the next tick wakes a worker.
        self.after(delay + TICK_SECONDS / 2, partial(self._wait_again, job))

    def _wait_again(self, job: Job) -> None:
        if job.run is None:
            self.workers.wait(job)
        self.claim()

    def _finish(self, job: Job, taken_at: float, goes: Attempt | None) -> None:
        vm = job.vm
        is_done = goes is not None and goes.outcome == "done"
        vm.jobs.appendleft(self._ended(job, goes.read_bytes if goes and is_done else 0, is_done))
        if is_done:
            self._new_point(vm, taken_at)
        else:
            self.told.failed += 1
        vm.is_active = vm.is_fresh = False
        del self.active[job]
        self._stale.append(vm)

    def _ended(self, job: Job, read: int, is_done: bool) -> EndedJob:
        is_first = job.vm.point_at is None
        usual = ReplicationType.INITIAL if is_first else ReplicationType.INCREMENTAL
        return EndedJob(
            status=JobStatus.COMPLETED if is_done else JobStatus.FAILED,
            error_code=None if is_done else "vcenter_unreachable",
            replication_type=usual if is_done else None,
            bytes_transferred=read,
            transfer_speed_bps=int(job.vm.bytes_per_second) if read else None,
            created_at=moment(job.created_at),
            started_at=moment(self.now if job.started_at is None else job.started_at),
            completed_at=moment(self.now),
        )

    def _new_point(self, vm: VM, consistent_at: float) -> None:
        begin = vm.over_from
        if self.now - consistent_at > vm.target_seconds:
            vm.over_since = begin  # the new one is too old already
        else:
            self._note_breach(vm)
            if vm.told_at is not None and vm.over_from >= self.now:
                self.told.taken_back += 1
            vm.over_since = vm.told_at = None
        vm.point_at = consistent_at

    def _note_breach(self, vm: VM) -> None:
        if vm.over_from < self.now:
            self.told.breaches.append(Breach(vm, vm.over_from, self.now, vm.told_at))

    # -- what goes wrong

    def _die(self, worker: int) -> None:
        """It and its jobs are gone; their leases last for a while."""
        if worker in self.workers.died:
            return
        self.workers.died[worker] = self.now
        self._gatherings.lose(worker)
        for job in self.active:
            if job.worker == worker:
                self.lose(job)
        self.after(WORKER_AWAY_SECONDS, partial(self._come_back, worker))

    def _come_back(self, worker: int) -> None:
        del self.workers.died[worker]

    def _die_all(self) -> None:
        self._gatherings.lose(None)
        for job in self.active:
            if job.worker is not None:
                self.lose(job)

    def lose(self, job: Job) -> None:
        if job.lost_at is None:
            job.lost_at = self.now
            if job.vm.point_at is None:
                job.vm.copied_seconds += self.now - (job.began_at or self.now)
