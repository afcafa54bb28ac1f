"""The values that a context's row must have, computed from the rows that it sums up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, Q, QuerySet

from contexts.models import VMContext
from contexts.services import statuses
from contexts.states import ContextStatus
from replication.integrity.findings import Finding, in_words
from replication.models import RecoveryPoint, ReplicationJob
from replication.states import ACTIVE_JOB_STATUSES, JobStatus, RecoveryPointState

ACTOR = "check_integrity"
# Clocks of web servers, workers and database may differ; these times are only shown.
CLOCKS_MAY_DIFFER = timedelta(hours=1)

ENDED = {
    "successful_jobs": JobStatus.COMPLETED,
    "failed_jobs": JobStatus.FAILED,
    "cancelled_jobs": JobStatus.CANCELLED,
}


def counts_of_jobs(prefix: str = "") -> dict[str, Count]:
    """`rows_<counter>` for each counter; `prefix` leads to the jobs ("jobs__")."""
    key = f"{prefix}pk"
    counts = {
        f"rows_{counter}": Count(key, filter=Q(**{f"{prefix}status": status}))
        for counter, status in ENDED.items()
    }
    return {"rows_total_jobs_run": Count(key), **counts}


def newest_completed(jobs: QuerySet[ReplicationJob]) -> QuerySet[ReplicationJob]:
    """In the order of their recovery points: a clock may have been set back between two jobs."""
    return jobs.filter(status=JobStatus.COMPLETED).order_by(
        F("recovery_point__pk").desc(nulls_last=True), "-completed_at", "-id"
    )


def mend_context(finding: Finding) -> str:
    """Recompute the context's derived columns from its jobs and recovery points.

    The context is locked. Returns what was changed; empty when the right values are unknowable.
    """
    context = VMContext.objects.get(pk=finding.context_id)
    columns = recomputed(context)
    if columns is None:
        return ""
    changed = {name: value for name, value in columns.items() if getattr(context, name) != value}
    if not changed:
        return ""
    said = ", ".join(
        f"{name} from {_written(getattr(context, name))} to {_written(value)}"
        for name, value in changed.items()
    )
    statuses.settle(
        context, columns=changed, actor=ACTOR, why=f"{in_words(finding.code)}: set {said}"
    )
    return f"Set {said}."


def _written(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def recomputed(context: VMContext) -> dict[str, Any] | None:
    """All derived columns; None while two jobs are active, since either may be the current one.

    Counters only grow here: ended jobs may have been deleted since they were counted. The total
    becomes the sum of its parts, since a surplus cannot be assigned to one of them.
    """
    jobs = ReplicationJob.objects.filter(vm_context_id=context.pk)
    active = list(jobs.filter(status__in=ACTIVE_JOB_STATUSES).values_list("pk", flat=True)[:2])
    if len(active) > 1:
        return None
    current = active[0] if active else None
    rows = jobs.aggregate(**counts_of_jobs())
    ended = {name: max(getattr(context, name), rows[f"rows_{name}"]) for name in ENDED}
    newest = newest_completed(jobs).values_list("pk", flat=True).first()
    return {
        "current_job_id": current,
        **ended,
        "total_jobs_run": sum(ended.values()) + (current is not None),
        "last_successful_job_id": newest,
        "current_status": str(_status(context, current, failed=bool(ended["failed_jobs"]))),
        **_times(context, jobs),
    }


def _status(context: VMContext, current_job_id: str | None, *, failed: bool) -> str:
    if current_job_id is not None:
        return ContextStatus.REPLICATING
    points = RecoveryPoint.objects.filter(vm_context_id=context.pk)
    if points.filter(state=RecoveryPointState.AVAILABLE).exists():
        return ContextStatus.READY
    without_point = (ContextStatus.DISCOVERED, ContextStatus.FAILED)
    if context.current_status in without_point:
        return str(context.current_status)
    return ContextStatus.FAILED if failed else ContextStatus.DISCOVERED


def _times(context: VMContext, jobs: QuerySet[ReplicationJob]) -> dict[str, datetime | None]:
    """When the first and the newest job were: kept where they can be right."""
    made = jobs.aggregate(first=Min("created_at"), last=Max("created_at"))
    first, last = context.first_job_at, context.last_job_at
    if made["first"] is not None:
        if first is None or first > made["first"] + CLOCKS_MAY_DIFFER:
            first = made["first"]
        if last is None or last < made["last"] - CLOCKS_MAY_DIFFER:
            last = made["last"]
    return {"first_job_at": first, "last_job_at": last}
