"""What a simulation replicates, and what goes wrong meanwhile; everything follows from a seed.

Times are seconds since the simulation began, at midnight of a Monday.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import cycle
from random import Random
from typing import NamedTuple

from replication.models.groups import MOST_MEMBERS
from replication.scheduler.decide import Lane, Use, lane
from replication.scheduler.estimate import FEW, Usual
from replication.scheduler.next_job import LOOK_BACK, EndedJob
from replication.states import JobStatus, ReplicationType

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HOUR, DAY = 3600.0, 86_400.0
MIB = float(1 << 20)

TRANSFER_SHARE = 0.4  # of a job's time, when it is neither night nor day
TARGETS = (1.0, 1.0, 1.0, 2.0, 4.0)
SLOW_HOURS = (1.0, 3.0)
SLOWER = 1.6  # backups of something else run then
FAILS = 0.005  # of the attempts
FAILS_FOR_GOOD = 0.2  # of those: the job ends
SICK_SHARE = 0.01  # of the VMs, each day
SICK_SECONDS = 6 * HOUR
SICK_ATTEMPT_SECONDS = 60.0
BURST_SHARE, BURST = 0.0005, 20.0
GROUP_SIZES = (2, 3, 5, MOST_MEMBERS)
NEW_SHARE, NEW_AFTER = (
    0.02,
    0.15,
)  # are taken under management together, after that part of the time
FIRST_COPY_SECONDS = HOUR
OUTAGES_A_DAY, OUTAGE_SECONDS = 2, 20 * 60.0
REFUSED_SECONDS = 10.0  # an attempt while the vCenter is away
NIGHT = (3, 22 * HOUR, 8 * HOUR)  # without vmrep: the day, from when, how long
WORKER_AWAY_SECONDS = 120.0


@dataclass(frozen=True)
class Plan:
    """`places`: how many jobs a worker runs at once. `load`: which part of the workers' time the
    jobs need, on average. `target_seconds`: the shortest target; `same_target`: of all VMs.
    `grouped`: which share of the VMs is in groups. `look_ahead_every`: so many ticks; the real one
    looks each time. `calm`: nothing goes wrong."""

    vms: int = 10_000
    days: float = 7.0
    workers: int = 20
    places: int = 8
    target_seconds: int = 900
    same_target: bool = True
    load: float = 0.6
    vcenters: int = 4
    repositories: int = 8
    grouped: float = 0.2
    look_ahead_every: int = 1
    seed: int = 1
    calm: bool = False

    @cached_property
    def slots(self) -> int:
        return self.workers * self.places

    @cached_property
    def vcenter_jobs(self) -> int:
        """The limit: some more than its share, so that no vCenter takes all workers."""
        return math.ceil(1.5 * self.slots / self.vcenters)

    @cached_property
    def repository_jobs(self) -> int:
        return math.ceil(2.0 * self.slots / self.repositories)

    @cached_property
    def end(self) -> float:
        return self.days * DAY


class Span(NamedTuple):
    begin: float
    end: float


@dataclass
class VM:
    """A VM and its jobs. `overhead_seconds`: of a job in which nothing is read. `keeps_until`: how
    long after a recovery point the next job has to begin, to keep the target. `copied_seconds`: of
    its first copy, which goes on where a worker that died had come to."""

    number: int
    vcenter_id: int
    repository_id: int
    target_seconds: int
    overhead_seconds: float
    changed_per_second: float
    bytes_per_second: float
    point_at: float | None
    taken_at: float = 0.0
    sick: Span | None = None
    group: Group | None = None
    jobs: deque[EndedJob] = field(default_factory=lambda: deque(maxlen=LOOK_BACK))
    newest: datetime | None = None
    due_moment: datetime = BEGIN
    due_why: str = ""
    is_fresh: bool = False
    failing_since: datetime | None = None
    keeps_until: float = 0.0
    usual: Usual | None = None
    copied_seconds: float = 0.0
    due_at: float = math.inf
    use: Use = field(default_factory=lambda: Use(0, 0))
    is_active: bool = False
    waited_seconds: float = 0.0
    over_since: float | None = None
    told_at: float | None = None

    @cached_property
    def context_id(self) -> str:
        return f"ctx-{self.number:05}"

    @property
    def first_bytes(self) -> int | None:
        """What its first copy reads; None if it has been made."""
        if self.point_at is not None:
            return None
        return int(FIRST_COPY_SECONDS * self.bytes_per_second)

    @property
    def is_copied_for_long(self) -> bool:
        """It has no recovery point yet, and its first copy will take long."""
        return lane(self.first_bytes, None, 0) == Lane.LONG

    @staticmethod
    def number_of(context_id: str) -> int:
        return int(context_id.removeprefix("ctx-"))

    @property
    def over_from(self) -> float:
        """Since when it is over its target, or will be if nothing is done."""
        if self.over_since is not None:
            return self.over_since
        return math.inf if self.point_at is None else self.point_at + self.target_seconds

    def is_sick(self, at: float) -> bool:
        return self.sick is not None and self.sick.begin <= at < self.sick.end


@dataclass(eq=False)
class Group:
    """VMs of one vCenter whose snapshots are taken together."""

    number: int
    vms: list[VM] = field(default_factory=list, repr=False)


class Troubles:
    """When what does not work: vCenters, vmrep itself, one worker after the other."""

    def __init__(self, plan: Plan, random: Random) -> None:
        self.outages: dict[int, list[Span]] = {n: [] for n in range(1, plan.vcenters + 1)}
        self.night, self.deaths = Span(0.0, 0.0), list[tuple[float, int]]()
        self.calm = plan.calm
        if not plan.calm:
            self._begin(plan, random)

    def _begin(self, plan: Plan, random: Random) -> None:
        for day in range(math.ceil(plan.days)):
            for _ in range(OUTAGES_A_DAY):
                begin = day * DAY + random.uniform(4 * HOUR, 20 * HOUR)
                spans = self.outages[random.randint(1, plan.vcenters)]
                spans.append(Span(begin, begin + OUTAGE_SECONDS))
        for spans in self.outages.values():
            spans.sort()
        day, begin, seconds = NIGHT
        night = min(day, math.ceil(plan.days) - 1) * DAY + begin
        self.night = Span(night, min(night + seconds, plan.end))
        self.deaths = [
            (hour * HOUR + random.uniform(0, HOUR), random.randrange(plan.workers))
            for hour in range(int(plan.days * 24))
        ]

    def is_away(self, vcenter_id: int, at: float) -> bool:
        spans = self.outages[vcenter_id]
        found = bisect_right(spans, Span(at, math.inf)) - 1
        return found >= 0 and spans[found].end > at

    def away_since(self, vcenter_id: int, at: float) -> float:
        """Of one that is away."""
        return max(span.begin for span in self.outages[vcenter_id] if span.begin <= at)

    def is_night(self, at: float) -> bool:
        return self.night.begin <= at < self.night.end


def estate(plan: Plan, random: Random) -> list[VM]:
    """Their change rates and speeds differ by orders of magnitude."""
    spread_of_changes, spread_of_overheads = 1.0, 0.5
    mean_target = plan.target_seconds * (1.0 if plan.same_target else 1 / _mean_of_inverse())
    seconds = plan.load * plan.slots * mean_target * 0.9 / plan.vms
    vms = []
    for number in range(plan.vms):
        times = 1.0 if plan.same_target else random.choice(TARGETS)
        target = int(plan.target_seconds * times)
        speed = 40 * MIB * random.lognormvariate(0, 0.4)
        changes = _around(random, spread_of_changes) * TRANSFER_SHARE * seconds * speed
        sick = None
        if not plan.calm and random.random() < SICK_SHARE * plan.days:
            begin = random.uniform(0, plan.end)
            sick = Span(begin, begin + SICK_SECONDS)
        is_new = not plan.calm and random.random() < NEW_SHARE
        vms.append(
            VM(
                number,
                vcenter_id=1 + number % plan.vcenters,
                repository_id=1 + number // plan.vcenters % plan.repositories,
                target_seconds=target,
                overhead_seconds=_around(random, spread_of_overheads)
                * (1 - TRANSFER_SHARE)
                * seconds,
                changed_per_second=changes / (0.9 * target),
                bytes_per_second=speed,
                point_at=None if is_new else -random.uniform(0, 0.9) * target,
                taken_at=plan.end * NEW_AFTER if is_new else -2 * target,
                sick=sick,
            )
        )
    for vm in vms:
        vm.jobs.extend(_before(vm, number) for number in range(FEW + 1) if vm.point_at is not None)
    return vms


def groups(plan: Plan, vms: list[VM]) -> list[Group]:
    """Of all sizes in turn, each of one vCenter."""
    sizes, found = cycle(GROUP_SIZES), list[Group]()
    for vcenter_id in range(1, plan.vcenters + 1):
        of_vcenter = [vm for vm in vms if vm.vcenter_id == vcenter_id]
        of_vcenter = of_vcenter[: round(plan.grouped * len(of_vcenter))]
        while of_vcenter:
            group, size = Group(len(found)), next(sizes)
            group.vms, of_vcenter = of_vcenter[:size], of_vcenter[size:]
            for vm in group.vms:
                vm.group = group
            found.append(group)
    return found


def _before(vm: VM, number: int) -> EndedJob:
    """One of its jobs before the simulation begins."""
    began = (vm.point_at or 0.0) - number * 0.9 * vm.target_seconds
    read = int(vm.changed_per_second * 0.9 * vm.target_seconds)
    ended = began + vm.overhead_seconds + read / vm.bytes_per_second
    return EndedJob(
        status=JobStatus.COMPLETED,
        error_code=None,
        replication_type=ReplicationType.INCREMENTAL,
        bytes_transferred=read,
        transfer_speed_bps=int(vm.bytes_per_second),
        created_at=moment(began),
        started_at=moment(began),
        completed_at=moment(ended),
    )


def _mean_of_inverse() -> float:
    return sum(1 / times for times in TARGETS) / len(TARGETS)


def _around(random: Random, spread: float) -> float:
    """Log-normal, 1 on average."""
    return random.lognormvariate(-spread * spread / 2, spread)


class Attempt(NamedTuple):
    """How an attempt goes: how long it takes, what it reads, and when its snapshot is taken.
    `outcome`: "done", "again" (a later attempt may help) or "failed"."""

    seconds: float
    read_bytes: int
    snapshot_seconds: float
    outcome: str


def attempt(vm: VM, at: float, troubles: Troubles, random: Random) -> Attempt:
    if troubles.is_away(vm.vcenter_id, at):
        return Attempt(REFUSED_SECONDS, 0, 0.0, "again")
    if vm.is_sick(at):
        return Attempt(SICK_ATTEMPT_SECONDS, 0, 0.0, "again")
    hour = at % DAY / HOUR
    busy = 1.5 if 8 <= hour < 18 else 0.75
    burst = BURST if random.random() < BURST_SHARE and not troubles.calm else 1.0
    snapshot = 0.3 * vm.overhead_seconds * random.uniform(0.6, 1.4)
    if vm.point_at is None:
        seconds = max(1.0, FIRST_COPY_SECONDS * random.uniform(0.5, 1.5) - vm.copied_seconds)
        return Attempt(seconds, int(seconds * vm.bytes_per_second), snapshot, "done")
    interval = at + snapshot - vm.point_at
    read = vm.changed_per_second * interval * busy * burst * random.uniform(0.5, 1.5)
    slower = SLOWER if SLOW_HOURS[0] <= hour < SLOW_HOURS[1] else 1.0
    rest = 0.7 * vm.overhead_seconds * random.uniform(0.6, 1.4)
    seconds = max(0.5, snapshot + rest + read / vm.bytes_per_second * slower)
    if troubles.calm or random.random() >= FAILS:
        return Attempt(seconds, int(read), snapshot, "done")
    outcome = "failed" if random.random() < FAILS_FOR_GOOD else "again"
    return Attempt(seconds * random.random(), 0, 0.0, outcome)


def longest_seconds(vm: VM) -> float:
    """How long a job of the VM takes at worst, two targets after its last one; without a burst."""
    read = vm.changed_per_second * 2 * vm.target_seconds * 1.5 * 1.5
    return 1.4 * vm.overhead_seconds + read / vm.bytes_per_second * SLOWER


def moment(at: float) -> datetime:
    return BEGIN + timedelta(seconds=at)
