"""When each VM is due, worked out by `when` and kept in its schedule.

Nobody has to remember to call it: which schedules are out of date is found by one statement,
whether a policy changed, a job ended, or the hours are over in which a VM may start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Max, Q, QuerySet, Window
from django.db.models.functions import Now, RowNumber

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.services.transactions import lock_free, one_transaction
from replication.models import PolicyWindow, ReplicationJob, VMSchedule
from replication.policies import checking
from replication.policies.settle import AT_ONCE, AT_ONCE_ON_SQLITE
from replication.scheduler.estimate import (
    Estimate,
    Run,
    estimate,
    job_seconds,
    lead_seconds,
)
from replication.scheduler.when import Due, RunFacts, Schedule, next_run
from replication.states import JobStatus, ReplicationType

LOOK_BACK = 20
FOR_A_PERSON = frozenset(
    (
        *("preflight_refused", "identity_changed", "vm_gone", "not_managed", "no_repository"),
        *("login_refused", "privilege_missing", "certificate_not_trusted", "other_certificate"),
    )
)
"""Codes of failures that do not pass by themselves."""
ENDED_JOBS = F("successful_jobs") + F("failed_jobs") + F("cancelled_jobs")


def tick() -> None:
    """A part of the tick: some of the schedules that are out of date."""
    now = database_now()
    work_out(stale(now, AT_ONCE_ON_SQLITE if connection.vendor == "sqlite" else AT_ONCE), now)


def is_fresh(now: datetime) -> Q:
    """Of contexts: what their schedules say is true now."""
    has_point = Q(newest_recovery_point_at__isnull=False, schedule__of_a_point=True)
    has_none = Q(newest_recovery_point_at__isnull=True, schedule__of_a_point=False)
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
    jobs, compared = _jobs(keys), _compared(contexts)
    hours = _hours(contexts)
    columns = [field.name for field in VMSchedule._meta.concrete_fields]
    columns.remove("vm_context")
    VMSchedule.objects.bulk_create(
        (
            _worked_out(context, jobs[context.pk], compared.get(context.pk), hours, now)
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


class _Job(NamedTuple):
    vm_context: str
    status: str
    error_code: str | None
    replication_type: str | None
    bytes_transferred: int
    transfer_speed_bps: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime


def _jobs(keys: Sequence[str]) -> defaultdict[str, list[_Job]]:
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
    found: defaultdict[str, list[_Job]] = defaultdict(list)
    for row in rows.values_list(*_Job._fields):
        job = _Job(*row)
        found[job.vm_context].append(job)
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
    jobs: Sequence[_Job],
    compared_at: datetime | None,
    hours: defaultdict[int | None, list[checking.Window]],
    now: datetime,
) -> VMSchedule:
    policy = context.effective_policy
    known = estimate(_runs(jobs))
    failures = _failures_in_a_row(jobs)
    wanted = Schedule(
        policy.rpo_kind,
        policy.rpo_target_seconds,
        policy.cron,
        policy.time_zone,
        policy.latest_start_minutes,
        tuple(hours[getattr(context, "when_policy", None)]),
        policy.compare_every_days or None,
    )
    facts = RunFacts(
        context.pk,
        since=context.created_at,
        newest_point_at=context.newest_recovery_point_at,
        started_at=jobs[0].created_at if jobs else None,
        ended_at=jobs[0].completed_at if jobs else None,
        failures_in_a_row=failures,
        needs_a_person=bool(failures) and jobs[0].error_code in FOR_A_PERSON,
        lead_seconds=lead_seconds(known, policy.rpo_target_seconds),
        compared_at=compared_at,
    )
    due = next_run(wanted, facts, now)
    return VMSchedule(
        vm_context=context,
        **_columns(due),
        expected_seconds=_expected(known, policy.rpo_target_seconds),
        failures_in_a_row=failures,
        of_generation=policy.of_generation,
        of_ended_jobs=getattr(context, "ended_jobs", 0),
        of_a_point=context.newest_recovery_point_at is not None,
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


def _failures_in_a_row(jobs: Sequence[_Job]) -> int:
    """Of the newest jobs. Who cancels one does not want the next one at once, either."""
    for number, job in enumerate(jobs):
        if job.status == JobStatus.COMPLETED:
            return number
    return len(jobs)


def _expected(known: Estimate | None, target_seconds: int | None) -> float | None:
    return job_seconds(known, target_seconds) if known and target_seconds else None


def _runs(jobs: Sequence[_Job]) -> list[Run]:
    """What the completed ones tell, each with the time since the one before it."""
    done = [job for job in jobs if job.status == JobStatus.COMPLETED]
    return [_run(job, job.created_at - before.created_at) for job, before in pairwise(done)]


def _run(job: _Job, interval: timedelta) -> Run:
    began = job.started_at or job.created_at
    is_incremental = job.replication_type == ReplicationType.INCREMENTAL
    return Run(
        seconds=(job.completed_at - began).total_seconds(),
        waited_seconds=(began - job.created_at).total_seconds(),
        read_bytes=job.bytes_transferred,
        bytes_per_second=job.transfer_speed_bps or None,
        interval_seconds=interval.total_seconds() if is_incremental else None,
    )
