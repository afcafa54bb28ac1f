"""Looking ahead, in the tick: why VMs that are due have not been started, and which will go over
their targets before their next recovery points."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import (
    BooleanField,
    Case,
    F,
    Q,
    QuerySet,
    Value,
    When,
)

from contexts.models import VMContext
from contexts.services.transactions import lock_free, one_transaction
from replication.models import ReplicationJob, VMSchedule
from replication.scheduler import candidates, foretelling
from replication.scheduler.decide import Capacity, Lane, Room, Use
from replication.scheduler.foresight import (
    Outlook,
    Queue,
    breach_expected_at,
    ends_at,
    queue_ends_at,
)
from replication.scheduler.hindrances import VM, Hindrance, Hindrances
from replication.services.queue import in_order
from replication.states import ACTIVE_JOB_STATUSES, GroupMemberState, JobStatus, Trigger

MOST_AT_ONCE = 5000
"""Of one tick: whose outlook changes, and whose reasons do."""
A_WHILE = 60.0
BUSY = "all workers are busy, and other VMs are more at risk"
TAKES_LONG = "it takes long, and workers are kept free for other VMs"
FAILS = "it fails again and again, and other VMs come first"


OUTLOOK = ("breaks_at", "latest_start_at", "usual_start_at", "usual_seconds")


class _Row(NamedTuple):
    """What is read of every VM: what its job takes part in, and until when its target is kept."""

    pk: str
    vcenter_id: int
    repository_id: int | None
    limits_policy: int | None
    most_running: int
    lane: str
    seconds: float
    policy_id: int | None
    breaks_at: datetime | None
    latest_start_at: datetime | None
    usual_start_at: datetime | None
    usual_seconds: float | None

    @property
    def use(self) -> Use:
        return Use(
            self.vcenter_id,
            self.repository_id or 0,
            self.limits_policy,
            self.most_running,
            Lane(self.lane),
            self.seconds,
        )

    @property
    def usually(self) -> Use:
        """As a queue adds it up."""
        usual = self.usual_seconds
        return self.use if usual is None else self.use._replace(seconds=usual)


class _Idle(NamedTuple):
    """A VM that is due and not started, or that something of its own keeps from being."""

    vm: _Row
    is_asked: bool
    vcenter: str
    repository: str | None
    limits_name: str | None
    due_at: datetime | None
    failing_since: datetime | None


class _Active(NamedTuple):
    """A job that runs or waits, with what its VM's outlook depends on."""

    vm: _Row
    is_of_schedule: bool
    is_gathered: bool
    started_at: datetime | None
    acquired_at: datetime | None  # by the worker that is at it
    next_attempt_at: datetime | None
    status: str
    total_bytes: int | None
    bytes_transferred: int
    transfer_speed_bps: int | None


def look_ahead() -> None:
    """A part of the tick. As many statements however many VMs there are, and some for each batch of
    VMs whose outlook has changed."""
    now = candidates.moment()
    room = candidates.capacity(now)
    hindrances = Hindrances(now)
    idle = [_Idle(*_split(row)) for row in _idle(now)]
    seen = _Seen(now, room, hindrances)
    for row in _active():
        seen.active(_Active(*_split(row)))
    for each in idle:
        seen.idle(each)
    seen.reckon()
    _keep_reasons(seen.reasons)
    _foretell(seen)


class _Seen:
    """What the rows that were read tell. `late`: the VMs among them that are expected to go over
    their targets, with why; `reasons`: why those that are due were passed over; `queues`: where
    others wait, in how many seconds one more would begin."""

    def __init__(self, now: datetime, capacity: Capacity, hindrances: Hindrances) -> None:
        self.now, self.hindrances = now, hindrances
        self.late: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.queues: dict[Use, float] = {}
        self._queue = Queue(capacity)
        self._waiting: list[tuple[_Row, str, datetime, int]] = []
        self._room = Room(capacity)
        self._works = capacity.slots > 0
        self._uses: set[Use] = set()

    def active(self, job: _Active) -> None:
        if job.status == JobStatus.RUNNING and not job.is_gathered:
            self._running(job)
            return
        # What is gathered waits for a worker once the snapshots are taken.
        hindrance = self.hindrances.of_vm(_subject(job.vm), pauses=job.is_of_schedule)
        why = hindrance.why if hindrance else "its replication waits for too long"
        begins_at = max(self.now, job.next_attempt_at or self.now)
        self._wait(job.vm, why, begins_at, hindrance)

    def _running(self, job: _Active) -> None:
        ends = ends_at(
            job.acquired_at or job.started_at or self.now,
            job.vm.usually.seconds,
            None if job.total_bytes is None else job.total_bytes - job.bytes_transferred,
            job.transfer_speed_bps,
            self.now,
        )
        self._queue.run(job.vm.use._replace(seconds=(ends - self.now).total_seconds()))
        self._note(job.vm, "its replication takes too long", ends_at=ends)

    def idle(self, idle: _Idle) -> None:
        subject = _subject(idle.vm, idle.is_asked, idle.failing_since)
        hindrance = self.hindrances.of_vm(subject)
        if idle.due_at is None or idle.due_at > self.now:
            why, free_at = hindrance.why if hindrance else "", hindrance and hindrance.until
            self._note(idle.vm, why or BUSY, due_at=idle.due_at, free_at=free_at)
            return
        why = hindrance.why if hindrance else self._passed_over(idle)
        if why:
            self.reasons[idle.vm.pk] = why
        self._wait(idle.vm, why or BUSY, self.now, hindrance)

    def _wait(self, vm: _Row, why: str, begins_at: datetime, hindrance: Hindrance | None) -> None:
        """In its turn, but for one that cannot start anyway: it keeps nobody waiting."""
        if hindrance is None and self._works:
            self._uses.add(Use(vm.vcenter_id, vm.repository_id or 0))
            number = self._queue.add(vm.usually, (begins_at - self.now).total_seconds())
            self._waiting.append((vm, why, begins_at, number))
        else:
            free_at = hindrance and hindrance.until
            self._note(vm, why, due_at=begins_at, free_at=free_at)

    def reckon(self) -> None:
        """When those will begin that wait, once all have been seen."""
        # One more at the end of each queue: when would it begin?
        last = {use: self._queue.add(use._replace(seconds=0.0)) for use in sorted(self._uses)}
        begins = self._queue.begins()
        for vm, why, due_at, number in self._waiting:
            self._note(vm, why, due_at=due_at, queue_seconds=begins[number])
        self.queues = {use: begins[number] for use, number in last.items()}

    def _passed_over(self, idle: _Idle) -> str:
        """Why it is not started; empty: there is room for it, so it will be."""
        use = idle.vm.use
        full = self._room.what_is_full(use)
        if not full and use.lane != Lane.USUAL and self._room.is_full_of_its_lane(use):
            return TAKES_LONG if use.lane == Lane.LONG else FAILS
        return {
            "policy": f"policy {idle.limits_name} has as many jobs as it may",
            "vcenter": f"vCenter {idle.vcenter} has as many jobs as it may",
            "repository": f"repository {idle.repository} has as many jobs as it may",
            "all": BUSY,
        }.get(full, "")

    def _note(
        self,
        vm: _Row,
        why: str,
        *,
        due_at: datetime | None = None,
        free_at: datetime | None = None,
        ends_at: datetime | None = None,
        queue_seconds: float = 0.0,
    ) -> None:
        if vm.breaks_at is None or vm.latest_start_at is None:
            return
        usual_start_at = vm.usual_start_at or vm.latest_start_at
        outlook = Outlook(
            *(vm.breaks_at, vm.latest_start_at, usual_start_at, due_at, free_at, ends_at)
        )
        if breach_expected_at(outlook, self.now, queue_seconds) is not None:
            self.late[vm.pk] = why


def _subject(vm: _Row, is_asked: bool = False, failing_since: datetime | None = None) -> VM:
    return VM(vm.pk, vm.vcenter_id, vm.repository_id, vm.policy_id, is_asked, failing_since)


def _split(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What every row begins with as one, then the rest."""
    of_vm = len(_Row._fields)
    return (_Row(*row[:of_vm]), *row[of_vm:])


def _idle(now: datetime) -> QuerySet[VMContext, tuple[Any, ...]]:
    own = (
        Q(schedule__due_at__lte=now)
        | Q(identity_asked_at__isnull=False)
        | Q(repository__isnull=True)
        | Q(schedule__failing_since__isnull=False)
    )
    return (
        candidates.idle(now)
        .filter(own, schedule__due_at__isnull=False)
        .annotate(is_asked=_flag(Q(identity_asked_at__isnull=False)))
        .values_list(
            *("pk", *candidates.USE, "effective_policy__policy"),
            *(f"schedule__{name}" for name in OUTLOOK),
            *("is_asked", "vcenter__name", "repository__name"),
            "effective_policy__limits_from__policy__name",
            *("schedule__due_at", "schedule__failing_since"),
        )
    )


def _active() -> QuerySet[ReplicationJob, tuple[Any, ...]]:
    """Those that run first, then those that wait, in the order in which they will be begun."""
    jobs = ReplicationJob.objects.filter(status__in=ACTIVE_JOB_STATUSES)
    is_of_schedule = Q(trigger=Trigger.SCHEDULE, started_at__isnull=True)
    return (
        jobs.annotate(
            of_schedule=_flag(is_of_schedule),
            is_gathered=_flag(Q(group_run_member__state=GroupMemberState.WAITING)),
            **candidates.use_of_jobs(),
        )
        .order_by("-status", *in_order())  # running, pending
        .values_list(
            *("vm_context", "vm_context__vcenter", "repository", *candidates.USE[2:]),
            "vm_context__effective_policy__policy",
            *(f"vm_context__schedule__{name}" for name in OUTLOOK),
            *("of_schedule", "is_gathered", "started_at", "leases__acquired_at"),
            *("next_attempt_at", "status", "total_bytes", "bytes_transferred"),
            "transfer_speed_bps",
        )
    )


def _flag(condition: Q) -> Case:
    return Case(
        When(condition, then=Value(True)), default=Value(False), output_field=BooleanField()
    )


def _keep_reasons(reasons: dict[str, str]) -> None:
    """Write down what has changed."""
    held = dict(VMSchedule.objects.exclude(held_up="").values_list("pk", "held_up"))
    changed = {pk: why for pk, why in reasons.items() if held.get(pk) != why[:200]}
    changed |= dict.fromkeys(held.keys() - reasons.keys(), "")
    _write_reasons(dict(sorted(changed.items())[:MOST_AT_ONCE]))


@one_transaction
def _write_reasons(reasons: dict[str, str]) -> None:
    if not reasons:
        return
    free = lock_free(VMSchedule.objects.filter(pk__in=reasons))
    VMSchedule.objects.bulk_update(
        [VMSchedule(pk=pk, held_up=reasons[pk][:200]) for pk in free], ["held_up"], batch_size=500
    )


def _foretell(seen: _Seen) -> None:
    late = _expected(seen)
    rows = (
        VMContext.objects.filter(unmanaged_at__isnull=True, schedule__isnull=False)
        .annotate(
            # A point that has come, or an end of a pause, makes another outlook.
            is_expected=_flag(late),
            is_told=_flag(Q(schedule__breach_expected_at=F("schedule__breaks_at"))),
            was_told=_flag(Q(schedule__breach_expected_at__isnull=False)),
        )
        .filter(Q(is_expected=True, is_told=False) | Q(is_expected=False, was_told=True))
        .order_by("pk")
        .values_list("pk", "is_expected")
    )
    found = list(rows[:MOST_AT_ONCE])
    foretelling.take_back([pk for pk, is_expected in found if not is_expected])
    expected = [pk for pk, is_expected in found if is_expected]
    for start in range(0, len(expected), foretelling.BATCH):
        some = expected[start : start + foretelling.BATCH]
        foretelling.foretell(some, seen.late, seen.hindrances, seen.now)


def _expected(seen: _Seen) -> Q:
    """Of contexts: those that are expected to go over their targets. What was read is known by
    name; the others are due later."""
    begins_late = Q(schedule__due_at__gt=F("schedule__latest_start_at"))
    begins_late |= seen.hindrances.too_long()
    for use, seconds in seen.queues.items():
        if seconds <= A_WHILE:
            continue
        # Policies are left out: few VMs are due at once of one that lets few run.
        begins_late |= Q(
            vcenter=use.vcenter_id,
            repository=use.repository_id,
            schedule__usual_start_at__lt=queue_ends_at(seen.now, seconds),
        )
    others = Q(current_job__isnull=True) & begins_late
    return Q(schedule__breaks_at__gt=seen.now) & (Q(pk__in=sorted(seen.late)) | others)
