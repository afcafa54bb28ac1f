"""Looking ahead, in the tick: why VMs that are due have not been started, and which will get over
their targets before their next recovery points."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
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

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.services.transactions import lock_free, one_transaction
from replication.models import ReplicationJob, VMSchedule
from replication.scheduler import candidates, foretelling
from replication.scheduler.decide import Capacity, Lane, Room, Use
from replication.scheduler.foresight import Outlook, Queue, breach_expected_at, ends_at
from replication.scheduler.hindrances import VM, Hindrances
from replication.services.queue import in_order
from replication.states import ACTIVE_JOB_STATUSES, JobStatus, Trigger

MOST_AT_ONCE = 5000
"""Of one tick: whose outlook changes, and whose reasons do."""
A_WHILE = 60.0
BUSY = "all workers are busy, and other VMs are more at risk"
TAKES_LONG = "it takes long, and workers are kept free for other VMs"
FAILS = "it fails again and again, and other VMs come first"


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
    started_at: datetime | None
    next_attempt_at: datetime | None
    status: str
    total_bytes: int | None
    bytes_transferred: int
    transfer_speed_bps: int | None
    expected_seconds: float | None


def look_ahead() -> None:
    """A part of the tick. As many statements however many VMs there are, and some for each batch of
    VMs whose outlook has changed."""
    now = database_now()
    room = candidates.capacity(now)
    hindrances = Hindrances(now)
    idle = [_Idle(*_split(row)) for row in _idle(now)]
    seen = _Seen(now, room, hindrances)
    for row in _active():
        seen.active(_Active(*_split(row)))
    for each in idle:
        seen.idle(each)
    _keep_reasons(seen.reasons)
    _foretell(seen)


class _Seen:
    """What the rows that were read tell. `late`: the VMs among them that are expected to get over
    their targets, with why; `reasons`: why those that are due were passed over."""

    def __init__(self, now: datetime, capacity: Capacity, hindrances: Hindrances) -> None:
        self.now, self.hindrances = now, hindrances
        self.queue = Queue(capacity)
        self.late: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self._room = Room(capacity)
        self._works = capacity.slots > 0
        self._uses: set[Use] = set()

    def active(self, job: _Active) -> None:
        if job.status == JobStatus.RUNNING:
            ends = ends_at(
                job.started_at or self.now,
                job.expected_seconds,
                None if job.total_bytes is None else job.total_bytes - job.bytes_transferred,
                job.transfer_speed_bps,
                self.now,
            )
            self.queue.run(job.vm.use._replace(seconds=(ends - self.now).total_seconds()))
            self._note(job.vm, "its replication takes too long", ends_at=ends)
            return
        hindrance = self.hindrances.of_vm(_subject(job.vm), pauses=job.is_of_schedule)
        wait = self._wait(job.vm.use)
        why = hindrance.why if hindrance else "its replication waits for too long"
        begins_at = max(self.now + wait, job.next_attempt_at or self.now)
        self._note(job.vm, why, due_at=begins_at, free_at=hindrance and hindrance.until)

    def idle(self, idle: _Idle) -> None:
        subject = _subject(idle.vm, idle.is_asked, idle.failing_since)
        hindrance = self.hindrances.of_vm(subject)
        if idle.due_at is None or idle.due_at > self.now:
            why, due_at = hindrance.why if hindrance else "", idle.due_at
        else:
            why = hindrance.why if hindrance else self._passed_over(idle)
            if why:
                self.reasons[idle.vm.pk] = why
            # What cannot start anyway keeps nobody waiting.
            wait = timedelta(0) if hindrance else self._wait(idle.vm.use)
            due_at = self.now + wait
        self._note(idle.vm, why or BUSY, due_at=due_at, free_at=hindrance and hindrance.until)

    def _wait(self, use: Use) -> timedelta:
        if not self._works:
            return timedelta(0)
        self._uses.add(Use(use.vcenter_id, use.repository_id))
        return timedelta(seconds=self.queue.add(use))

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
    ) -> None:
        if vm.breaks_at is None or vm.latest_start_at is None:
            return
        outlook = Outlook(vm.breaks_at, vm.latest_start_at, due_at, free_at, ends_at)
        if breach_expected_at(outlook, self.now) is not None:
            self.late[vm.pk] = why

    def queues(self) -> Iterator[tuple[Use, datetime]]:
        """Where VMs that are due later will have to wait for a while, and until when."""
        if self._works:
            for use in sorted(self._uses):
                seconds = self.queue.begins(use)
                if seconds > A_WHILE:
                    yield use, self.now + timedelta(seconds=seconds)


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
            *("schedule__breaks_at", "schedule__latest_start_at"),
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
        jobs.annotate(of_schedule=_flag(is_of_schedule), **candidates.use_of_jobs())
        .order_by("-status", *in_order())  # running, pending
        .values_list(
            *("vm_context", "vm_context__vcenter", "repository", *candidates.USE[2:]),
            "vm_context__effective_policy__policy",
            *("vm_context__schedule__breaks_at", "vm_context__schedule__latest_start_at"),
            *("of_schedule", "started_at", "next_attempt_at"),
            *("status", "total_bytes", "bytes_transferred"),
            *("transfer_speed_bps", "vm_context__schedule__expected_seconds"),
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
    """Of contexts: those that are expected to get over their targets. What was read is known by
    name; the others are due later."""
    begins_late = Q(schedule__due_at__gt=F("schedule__latest_start_at"))
    begins_late |= seen.hindrances.too_long()
    for use, until in seen.queues():
        # Policies are left out: few VMs are due at once of one that lets few run.
        begins_late |= Q(
            vcenter=use.vcenter_id,
            repository=use.repository_id,
            schedule__latest_start_at__lt=until,
        )
    others = Q(current_job__isnull=True) & begins_late
    return Q(schedule__breaks_at__gt=seen.now) & (Q(pk__in=sorted(seen.late)) | others)
