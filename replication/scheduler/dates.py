"""When each VM is due, worked out by `when` and kept in its schedule.

Nobody has to remember to call it: which schedules are out of date is found by one statement,
whether a policy changed, a job ended, or the hours are over in which a VM may start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Max, Q, QuerySet, Window
from django.db.models.functions import Now, RowNumber

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.services.transactions import lock_free, one_transaction
from replication.models import PolicyWindow, ReplicationJob, VMSchedule
from replication.policies import checking
from replication.policies.settle import AT_ONCE, AT_ONCE_ON_SQLITE
from replication.policies.telling import values_of
from replication.retention.forecast import Stored
from replication.scheduler.estimate import Estimate, latest_start_seconds, usual_start_seconds
from replication.scheduler.next_job import LOOK_BACK, VM, EndedJob, NextJob, next_job
from replication.scheduler.stored import in_the_end, stored_by
from replication.scheduler.when import Due, Schedule
from replication.states import JobStatus, ReplicationType

KEPT_BY_OTHERS = ("held_up", "breach_expected_at", "breach_why")
"""Columns that other parts of the tick keep."""
ENDED_JOBS = F("successful_jobs") + F("failed_jobs") + F("cancelled_jobs")


def tick() -> None:
    """A part of the tick: some of the schedules that are out of date."""
    now = database_now()
    work_out(stale(now, AT_ONCE_ON_SQLITE if connection.vendor == "sqlite" else AT_ONCE), now)


def is_fresh(now: datetime) -> Q:
    """Of contexts: what their schedules say is true now."""
    has_point = Q(schedule__of_point_at=F("newest_recovery_point_at"))
    has_none = Q(newest_recovery_point_at__isnull=True, schedule__of_point_at__isnull=True)
    return (
        Q(schedule__of_generation=F("effective_policy__of_generation"))
        & Q(schedule__of_ended_jobs=ENDED_JOBS)
        & (has_point | has_none)
        & (Q(schedule__holds_until__isnull=True) | Q(schedule__holds_until__gt=now))
    )


def stale(now: datetime, limit: int) -> list[str]:
    """The managed VMs whose schedules are missing or out of date. One statement."""
    settled = VMContext.objects.filter(unmanaged_at__isnull=True, effective_policy__isnull=False)
    wanted = settled.filter(Q(schedule__isnull=True) | ~is_fresh(now))
    return list(wanted.order_by("pk").values_list("pk", flat=True)[:limit])


@one_transaction
def work_out(context_ids: Iterable[str], now: datetime) -> None:
    """Work the schedules of these VMs out anew. The number of statements does not depend on
    theirs. VMs that another transaction holds are left to the next tick."""
    wanted = VMContext.objects.filter(pk__in=list(context_ids), effective_policy__isnull=False)
    # Held: what is in effect for a VM changes only under its lock.
    contexts = list(_read(VMContext.objects.filter(pk__in=lock_free(wanted))))
    if not contexts:
        return
    keys = [context.pk for context in contexts]
    jobs, compared, stored = _jobs(keys), _compared(contexts), stored_by(keys)
    hours = _hours(contexts)
    columns = [field.name for field in VMSchedule._meta.concrete_fields]
    for of_others in ("vm_context", *KEPT_BY_OTHERS):
        columns.remove(of_others)
    VMSchedule.objects.bulk_create(
        (
            _worked_out(
                context,
                jobs[context.pk],
                compared.get(context.pk),
                stored.get(context.pk),
                hours,
                now,
            )
            for context in contexts
        ),
        update_conflicts=True,
        unique_fields=["vm_context"],
        update_fields=columns,
    )


def _read(contexts: QuerySet[VMContext]) -> QuerySet[VMContext]:
    return (
        contexts.order_by("pk")
        .annotate(ended_jobs=ENDED_JOBS, when_policy=F("effective_policy__when_from__policy"))
        .select_related("effective_policy")
    )


def _jobs(keys: Sequence[str]) -> defaultdict[str, list[EndedJob]]:
    """The last ended jobs of each VM, the newest first."""
    rows = (
        ReplicationJob.objects.filter(vm_context__in=keys, completed_at__isnull=False)
        .annotate(
            back=Window(
                RowNumber(),
                partition_by=F("vm_context"),
                order_by=[F("created_at").desc(), F("id").desc()],
            )
        )
        .filter(back__lte=LOOK_BACK)
        .order_by("vm_context", "back")
    )
    found: defaultdict[str, list[EndedJob]] = defaultdict(list)
    for context_id, *row in rows.values_list("vm_context", *EndedJob._fields):
        found[context_id].append(EndedJob(*row))
    return found


def _compared(contexts: Sequence[VMContext]) -> dict[str, datetime]:
    """When their disks were last read whole, of the VMs that are to be compared now and then."""
    wanted = [vm.pk for vm in contexts if vm.effective_policy.compare_every_days]
    whole = ReplicationJob.objects.filter(
        vm_context__in=wanted,
        status=JobStatus.COMPLETED,
        replication_type__in=[ReplicationType.INITIAL, ReplicationType.CHECKSUM],
    )
    rows = whole.order_by().values("vm_context").annotate(at=Max("completed_at"))
    return dict(rows.values_list("vm_context", "at"))


def _hours(contexts: Sequence[VMContext]) -> defaultdict[int | None, list[checking.Window]]:
    policies = {getattr(context, "when_policy", None) for context in contexts}
    found: defaultdict[int | None, list[checking.Window]] = defaultdict(list)
    rows = PolicyWindow.objects.filter(policy__in=policies - {None})
    for policy_id, *hours in rows.values_list("policy", "days", "from_minute", "to_minute"):
        found[policy_id].append(checking.Window(*hours))
    return found


def _worked_out(
    context: VMContext,
    jobs: Sequence[EndedJob],
    compared_at: datetime | None,
    stored: Stored | None,
    hours: defaultdict[int | None, list[checking.Window]],
    now: datetime,
) -> VMSchedule:
    policy = context.effective_policy
    wanted = Schedule(
        policy.rpo_kind,
        policy.rpo_target_seconds,
        policy.cron,
        policy.time_zone,
        policy.latest_start_minutes,
        tuple(hours[getattr(context, "when_policy", None)]),
        policy.compare_every_days or None,
    )
    vm = VM(context.pk, context.created_at, context.newest_recovery_point_at, compared_at)
    found = next_job(wanted, vm, jobs, now)
    return VMSchedule(
        vm_context=context,
        **_columns(found.due),
        expected_seconds=found.expected_seconds,
        failures_in_a_row=found.failures_in_a_row,
        failing_since=found.failing_since,
        usual_seconds=found.usual and found.usual.seconds,
        **_to_be_kept(context.newest_recovery_point_at, policy.rpo_target_seconds, found),
        **_measured(found.known),
        base_bytes=stored and stored.base_bytes,
        stored_per_second=stored and stored.per_second,
        steady_bytes=in_the_end(stored, values_of(policy)),
        of_generation=policy.of_generation,
        of_ended_jobs=getattr(context, "ended_jobs", 0),
        of_point_at=context.newest_recovery_point_at,
        updated_at=Now(),
    )


def _columns(due: Due | None) -> dict[str, datetime | str | bool | None]:
    if due is None:
        return {}
    return {
        "due_at": due.at,
        "due_why": due.why,
        "compare": due.compare,
        "holds_until": due.holds_until,
    }


def _to_be_kept(
    newest_point_at: datetime | None, target_seconds: int | None, found: NextJob
) -> dict[str, datetime]:
    """By when the next replication has to begin and to end, so that the target is kept."""
    if newest_point_at is None or target_seconds is None:
        return {}
    after = {
        "breaks_at": target_seconds,
        "latest_start_at": latest_start_seconds(found.known, target_seconds),
        "usual_start_at": usual_start_seconds(found.usual, found.known, target_seconds),
    }
    return {name: newest_point_at + timedelta(seconds=each) for name, each in after.items()}


def _measured(known: Estimate | None) -> dict[str, float | None]:
    return known._asdict() if known else {}
