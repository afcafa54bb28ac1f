"""The scheduler in virtual time: its own pure functions decide, events take the place of workers,
vCenters and the database. `tests/scheduler` compares the pure functions with their SQL.

What must hold at every moment is checked at every moment, and raises Broken.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
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
from replication.scheduler.foresight import (
    Outlook,
    Queue,
    breach_expected_at,
    ends_at,
    outage_ends_at,
)
from replication.scheduler.next_job import EndedJob
from replication.scheduler.when import Schedule
from replication.selectors.health import DEAD_AFTER
from replication.selectors.protection import AWAY_AFTER
from replication.services.finish import BACK_OFF, MAX_ATTEMPTS
from replication.services.leases import DURATION
from replication.states import JobStatus, PolicyPriority, ReplicationType, RPOKind
from vmrep.bench.virtual_estate import (
    DAY,
    VM,
    WORKER_AWAY_SECONDS,
    Attempt,
    Plan,
    Troubles,
    attempt,
    estate,
    moment,
)

TICK_SECONDS = 10.0
LOAD_EVERY_SECONDS = 60.0
RECOVERY_SECONDS = 1800.0


class Broken(AssertionError):
    """A rule that must hold at every moment did not."""


@dataclass(eq=False)
class Job:
    """`worker`: that works at it, since `began_at`; it is lost since `lost_at` if that worker
    died."""

    vm: VM
    created_at: float
    started_at: float | None = None
    began_at: float | None = None
    attempt: int = 1
    next_attempt_at: float = 0.0
    worker: int | None = None
    lost_at: float | None = None


@dataclass
class Breach:
    """A VM was over its target. `told_at`: when that was foretold, if it was."""

    vm: VM
    begin: float
    end: float
    told_at: float | None


@dataclass
class Told:
    """What happened. `longest_wait`: of a VM that was due and could have been started."""

    jobs: int = 0
    failed: int = 0
    taken_over: int = 0
    breaches: list[Breach] = field(default_factory=list)
    taken_back: int = 0
    most_ready: int = 0
    most_active: int = 0
    most_due: int = 0
    most_running: Counter[tuple[str, int]] = field(default_factory=Counter)
    longest_wait: defaultdict[Lane, float] = field(default_factory=lambda: defaultdict(float))
    busy_seconds: float = 0.0
    live_seconds: float = 0.0


class World:
    """`run` it to its end; then `told` says what happened."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._random = Random(plan.seed)  # noqa: S311
        self.troubles = Troubles(plan, self._random)
        self.vms = estate(plan, self._random)
        self.told = Told()
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._stale: deque[VM] = deque()
        self._dates: list[tuple[float, int]] = []
        self._due: dict[int, VM] = {}
        self._active: dict[Job, None] = {}  # in their order
        self._waiting: dict[tuple[int, int], deque[Job]] = {}
        self._running: Counter[tuple[str, int]] = Counter()
        self._free = dict.fromkeys(range(plan.workers), plan.places)
        self._died: dict[int, float] = {}
        self._load_at, self._load = -math.inf, 0.0
        self._ticks = 0

    def run(self, at_midnight: Callable[[int], None] = lambda day: None) -> Told:
        self._after(self._random.uniform(0, TICK_SECONDS), self._tick)
        for died_at, worker in self.troubles.deaths:
            self._after(died_at, partial(self._die, worker))
        if not self.plan.calm:
            self._after(self.troubles.night.begin, self._die_all)
        for vm in self.vms:
            if vm.taken_at <= 0.0:
                self._work_out(vm)
            else:
                self._after(vm.taken_at, partial(self._stale.append, vm))
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

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), what))

    # -- the tick: replication.scheduler.tick

    def _tick(self) -> None:
        self._after(TICK_SECONDS, self._tick)
        if self.troubles.is_night(self.now):
            return
        self._take_over_expired()
        for _ in range(min(AT_ONCE, len(self._stale))):
            self._work_out(self._stale.popleft())
        while self._dates and self._dates[0][0] <= self.now:
            due_at, number = heapq.heappop(self._dates)
            vm = self.vms[number]
            if vm.due_at == due_at and not vm.is_active:
                self._due[number] = vm
        self._start_due()
        self._claim()
        self._ticks += 1
        if self._ticks % self.plan.look_ahead_every == 0:
            self._look_ahead()
        alive = self.plan.workers - len(self._died)
        self.told.live_seconds += TICK_SECONDS * self.plan.places * alive

    def _take_over_expired(self) -> None:
        for job in [job for job in self._active if job.lost_at is not None]:
            if self.now - (job.lost_at or 0.0) >= DURATION.total_seconds():
                self._leave(job)
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
        vm.due_moment = found.due.at
        vm.due_at = (found.due.at - moment(0.0)).total_seconds()
        vm.failing_since = found.failing_since
        # As replication.scheduler.dates keeps them.
        vm.keeps_until = latest_start_seconds(found.known, vm.target_seconds)
        vm.use = Use(
            vm.vcenter_id,
            vm.repository_id,
            lane=lane(vm.first_bytes, seconds, found.failures_in_a_row),
            seconds=UNKNOWN_SECONDS if seconds is None else seconds,
        )
        heapq.heappush(self._dates, (vm.due_at, vm.number))

    def _start_due(self) -> None:
        away = {number for number in self.troubles.outages if self._is_known_away(number)}
        startable = [vm for vm in self._due.values() if vm.vcenter_id not in away]
        self.told.most_due = max(self.told.most_due, len(startable))
        for vm in startable:
            vm.waited_seconds += TICK_SECONDS
        room = self._capacity()
        if is_full(room):
            return
        now = moment(self.now)
        startable.sort(key=lambda vm: (-self._risk(vm, now), vm.number))
        for chosen in choose([Candidate(vm.context_id, vm.use) for vm in startable], room):
            self._start(self.vms[VM.number_of(chosen.context_id)])
        ready = sum(self._stand(job) == Stand.READY for job in self._active)
        self.told.most_ready = max(self.told.most_ready, ready)
        self.told.most_active = max(self.told.most_active, len(self._active))
        if ready > MOST_AHEAD * self.plan.slots:
            raise Broken(f"{ready} jobs at once, for {self.plan.slots} that can run")

    @staticmethod
    def _risk(vm: VM, now: datetime) -> float:
        return risk(vm.newest, vm.due_moment, vm.target_seconds, PolicyPriority.NORMAL, now)

    def _capacity(self) -> Capacity:
        dead = DEAD_AFTER.total_seconds()
        gone = sum(self.now - died_at > dead for died_at in self._died.values())
        return Capacity(
            slots=self.plan.places * (self.plan.workers - gone),
            active=[job.vm.use._replace(stand=self._stand(job)) for job in self._active],
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

    # -- looking ahead: replication.scheduler.outlook

    def _look_ahead(self) -> None:
        """Who is expected to get over the target: of those with a job, those that are due, and all
        others of a vCenter that is away."""
        queue = Queue(self._capacity())
        waiting = [job for job in self._active if job.worker is None]
        for job in self._active:
            if job.worker is not None:
                left = self._note_running(job)
                queue.run(job.vm.use._replace(seconds=left))
        for job in sorted(waiting, key=lambda job: job.created_at):
            begins_at = max(self.now + queue.add(job.vm.use), job.next_attempt_at)
            self._expect(job.vm, begins_at=begins_at)
        now = moment(self.now)
        for vm in sorted(self._due.values(), key=lambda vm: -self._risk(vm, now)):
            is_away = self._is_known_away(vm.vcenter_id)
            self._expect(vm, begins_at=self.now + (0.0 if is_away else queue.add(vm.use)))
        for vcenter_id in self.troubles.outages:
            if self._is_known_away(vcenter_id):
                for vm in self.vms:
                    if vm.vcenter_id == vcenter_id and not vm.is_active:
                        self._expect(vm, begins_at=max(self.now, vm.due_at))

    def _note_running(self, job: Job) -> float:
        """Returns how many seconds it is expected to last."""
        now = moment(self.now)
        began = moment(self.now if job.began_at is None else job.began_at)
        ends = ends_at(began, job.vm.use.seconds, None, None, now)
        self._expect(job.vm, ends_at=ends)
        return (ends - now).total_seconds()

    def _expect(
        self, vm: VM, *, begins_at: float | None = None, ends_at: datetime | None = None
    ) -> None:
        if vm.point_at is None or vm.over_since is not None:
            return
        now = moment(self.now)
        found = breach_expected_at(
            Outlook(
                breaks_at=moment(vm.point_at + vm.target_seconds),
                latest_start_at=moment(vm.point_at + vm.keeps_until),
                due_at=None if begins_at is None else moment(begins_at),
                free_at=self._free_at(vm, now),
                ends_at=ends_at,
            ),
            now,
        )
        if found is None and vm.told_at is not None and now < moment(vm.over_from):
            vm.told_at = None
            self.told.taken_back += 1
        elif found is not None and vm.told_at is None:
            vm.told_at = self.now

    def _free_at(self, vm: VM, now: datetime) -> datetime | None:
        """Until when something keeps it from starting, by what is known."""
        since = [vm.failing_since] if vm.failing_since else []
        if self._is_known_away(vm.vcenter_id):
            since.append(moment(self.troubles.away_since(vm.vcenter_id, self.now)))
        return max((outage_ends_at(each, now) for each in since), default=None)

    def _stand(self, job: Job) -> Stand:
        if job.worker is not None:
            return Stand.READY
        is_held_up = job.next_attempt_at > self.now or self._is_known_away(job.vm.vcenter_id)
        return Stand.HELD_UP if is_held_up else Stand.READY

    def _is_known_away(self, vcenter_id: int) -> bool:
        before = self.now - AWAY_AFTER.total_seconds()
        is_away = self.troubles.is_away
        return is_away(vcenter_id, self.now) and is_away(vcenter_id, before)

    def _start(self, vm: VM) -> None:
        if vm.is_active:
            raise Broken(f"{vm.context_id} would have two jobs")
        told, waited = self.told, vm.waited_seconds
        told.longest_wait[vm.use.lane] = max(told.longest_wait[vm.use.lane], waited)
        vm.waited_seconds, vm.is_active = 0.0, True
        del self._due[vm.number]
        job = Job(vm, self.now)
        self._active[job] = None
        told.jobs += 1
        self._wait(job)

    # -- the queue: replication.services.queue

    def _wait(self, job: Job) -> None:
        line = self._waiting.setdefault((job.vm.vcenter_id, job.vm.repository_id), deque())
        is_oldest = bool(line) and line[0].created_at > job.created_at
        (line.appendleft if is_oldest else line.append)(job)

    def _claim(self) -> None:
        """Every free worker takes the oldest job for which there are places."""
        if self.troubles.is_night(self.now):
            return
        for worker in self._free:
            while worker not in self._died and self._free[worker] and (job := self._next()):
                self._begin(job, worker)

    def _next(self) -> Job | None:
        plan, running = self.plan, self._running
        lines = [
            line
            for (vcenter, repository), line in self._waiting.items()
            if line
            and running["vcenter", vcenter] < plan.vcenter_jobs
            and running["repository", repository] < plan.repository_jobs
        ]
        return min(lines, key=lambda line: line[0].created_at).popleft() if lines else None

    def _begin(self, job: Job, worker: int) -> None:
        job.worker, self._free[worker] = worker, self._free[worker] - 1
        job.began_at = self.now
        job.started_at = self.now if job.started_at is None else job.started_at
        self._take_part(job.vm, 1)
        goes = attempt(job.vm, self.now, self.troubles, self._random)
        self._after(goes.seconds, partial(self._end, job, job.attempt, self.now, goes))

    def _take_part(self, vm: VM, more: int) -> None:
        """The limits hold at every moment."""
        limits = {"vcenter": self.plan.vcenter_jobs, "repository": self.plan.repository_jobs}
        for kind, number in (("vcenter", vm.vcenter_id), ("repository", vm.repository_id)):
            self._running[kind, number] += more
            running = self._running[kind, number]
            if running > limits[kind]:
                raise Broken(f"{running} jobs of {kind} {number}")
            self.told.most_running[kind, 0] = max(self.told.most_running[kind, 0], running)

    def _leave(self, job: Job) -> None:
        if job.worker is not None:
            self._free[job.worker] += 1
            self._take_part(job.vm, -1)
        job.worker = job.lost_at = None

    def _end(self, job: Job, number: int, began: float, goes: Attempt) -> None:
        if job not in self._active or job.attempt != number or job.lost_at is not None:
            return  # its worker died meanwhile
        vm = job.vm
        self.told.busy_seconds += self.now - began
        self._leave(job)
        if goes.outcome == "again" or self.troubles.is_away(vm.vcenter_id, self.now):
            self._try_again(job)
        else:
            self._finish(job, began, goes)
        self._claim()

    def _try_again(self, job: Job, *, at_once: bool = False) -> None:
        if job.attempt >= MAX_ATTEMPTS:
            self._finish(job, self.now, None)
            return
        delay = 0.0 if at_once else BACK_OFF[min(job.attempt, len(BACK_OFF)) - 1].total_seconds()
        job.attempt += 1
        job.next_attempt_at = self.now + delay
        # Nobody claims it before the next tick wakes a worker.
        self._after(delay + TICK_SECONDS / 2, partial(self._wait_again, job))

    def _wait_again(self, job: Job) -> None:
        self._wait(job)
        self._claim()

    def _finish(self, job: Job, began: float, goes: Attempt | None) -> None:
        vm = job.vm
        is_done = goes is not None and goes.outcome == "done"
        is_first = vm.point_at is None
        read = goes.read_bytes if goes is not None and is_done else 0
        usual = ReplicationType.INITIAL if is_first else ReplicationType.INCREMENTAL
        vm.jobs.appendleft(
            EndedJob(
                status=JobStatus.COMPLETED if is_done else JobStatus.FAILED,
                error_code=None if is_done else "vcenter_unreachable",
                replication_type=usual if is_done else None,
                bytes_transferred=read,
                transfer_speed_bps=int(vm.bytes_per_second) if read else None,
                created_at=moment(job.created_at),
                started_at=moment(self.now if job.started_at is None else job.started_at),
                completed_at=moment(self.now),
            )
        )
        if goes is not None and is_done:
            self._new_point(vm, began + goes.snapshot_seconds)
        else:
            self.told.failed += 1
        vm.is_active = False
        del self._active[job]
        self._stale.append(vm)

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
        if worker in self._died:
            return
        self._died[worker] = self.now
        for job in self._active:
            if job.worker == worker:
                self._lose(job)
        self._after(WORKER_AWAY_SECONDS, partial(self._come_back, worker))

    def _come_back(self, worker: int) -> None:
        del self._died[worker]

    def _die_all(self) -> None:
        for job in self._active:
            if job.worker is not None:
                self._lose(job)

    def _lose(self, job: Job) -> None:
        if job.lost_at is None:
            job.lost_at = self.now
            if job.vm.point_at is None:
                job.vm.copied_seconds += self.now - (job.began_at or self.now)

    # -- what it comes to

    def cause_of(self, breach: Breach) -> str:
        """What kept the VM from a new recovery point, or had kept others just before."""
        vm, night = breach.vm, self.troubles.night
        since = breach.begin - vm.target_seconds
        if night.begin < breach.end and since < night.end + RECOVERY_SECONDS:
            return "a night without vmrep"
        if vm.sick and vm.sick.begin < breach.end and since < vm.sick.end + RECOVERY_SECONDS:
            return "the VM failed again and again"
        outages = self.troubles.outages[vm.vcenter_id]
        if any(it.begin < breach.end and since < it.end + RECOVERY_SECONDS for it in outages):
            return "its vCenter was away"
        everyone = [span for spans in self.troubles.outages.values() for span in spans]
        if any(it.begin < breach.end and since < it.end + RECOVERY_SECONDS for it in everyone):
            return "another vCenter was away"
        return "other"

    def share_within(self) -> float:
        """Of the time since each VM's first recovery point: all had one but the new ones."""
        over = sum(breach.end - breach.begin for breach in self.told.breaches)
        return 1.0 - over / (self.plan.vms * self.plan.end)

    def began_at_night(self, breach: Breach) -> bool:
        """While nobody was there to tell anything."""
        return self.troubles.is_night(breach.begin)

    def share_foretold(self) -> float:
        """Of the breaches that began while somebody could tell."""
        ahead = self._ahead()
        return sum(seconds > 0 for seconds in ahead) / len(ahead) if ahead else 1.0

    def told_ahead(self) -> dict[str, int]:
        """How many seconds before they began, at least: nine of ten, half of them, one of ten."""
        ahead = sorted(self._ahead()) or [0.0]
        shares = {"9 of 10": 0.1, "half": 0.5, "1 of 10": 0.9}
        return {name: round(ahead[int(len(ahead) * share)]) for name, share in shares.items()}

    def _ahead(self) -> list[float]:
        return [
            0.0 if breach.told_at is None else breach.begin - breach.told_at
            for breach in self.told.breaches
            if not self.began_at_night(breach)
        ]
