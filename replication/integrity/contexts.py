"""Checks a context's row against its jobs, recovery points and events."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery

from contexts.models import ContextEvent, VMContext
from contexts.services import statuses
from contexts.states import ContextStatus
from contexts.text import plural
from replication.integrity.findings import Code, Finding, Scope, check
from replication.integrity.recompute import (
    ACTOR,
    CLOCKS_MAY_DIFFER,
    ENDED,
    counts_of_jobs,
    mend_context,
    newest_completed,
)
from replication.models import RecoveryPoint, ReplicationJob
from replication.states import ACTIVE_JOB_STATUSES, LeaseHolder, RecoveryPointState

COUNTERS = ("total_jobs_run", *ENDED)
RECOMPUTED = "--repair recomputes it from the VM's jobs and recovery points."

COUNTERS_DIFFER = Code(
    "counters_differ",
    "A counter is lower than the number of jobs that it counts. --repair raises it (higher is "
    "right: jobs that were deleted stay counted).",
    repairable=True,
)
COUNTERS_DO_NOT_ADD_UP = Code(
    "counters_do_not_add_up",
    "Total must be successful + failed + cancelled, and one more while a job is active. "
    "--repair raises what is too low and makes the total the sum.",
    repairable=True,
)
CURRENT_JOB_NOT_ACTIVE = Code(
    "current_job_not_active",
    "The VM cannot be replicated while an ended job is its current job. --repair removes the link "
    "and corrects status and counters.",
    repairable=True,
)
ACTIVE_JOB_NOT_CURRENT = Code(
    "active_job_not_current",
    "The job is not shown and cannot end properly. --repair makes it the VM's current job.",
    repairable=True,
)
ACTIVE_JOB_OF_UNMANAGED_VM = Code(
    "active_job_of_unmanaged_vm",
    "Cancel the job, or take the VM under management again.",
)
LAST_SUCCESSFUL_DIFFERS = Code("last_successful_differs", RECOMPUTED, repairable=True)
STATUS_DIFFERS = Code("status_differs", RECOMPUTED, repairable=True)
TIMES_DIFFER = Code("times_differ", RECOMPUTED, repairable=True)
STATUS_CHANGE_WITHOUT_EVENT = Code(
    "status_change_without_event",
    "The status was changed without vmrep. Find out who wrote to the database; --repair adds an "
    "event that records the change.",
    repairable=True,
)


def _of(code: Code, context: VMContext, what: str, job_id: str | None = None) -> Finding:
    return code.finding(
        what, key=context.pk, context_id=context.pk, vm_name=context.vm_name, job_id=job_id
    )


def _said(status: str | None) -> str:
    """A status as the pages have it. SQL from elsewhere may have left any text."""
    return str(dict(ContextStatus.choices).get(status or "", status or "none"))


def _contexts(scope: Scope) -> QuerySet[VMContext]:
    """Loads only what is needed: a context's row has many long columns."""
    return scope.within(VMContext.objects.order_by("pk"), "pk").only(
        "pk", "vm_name", "current_status", "current_job_id", "last_successful_job_id", *COUNTERS
    )


@check(COUNTERS_DIFFER, mend=mend_context)
def counters_differ(scope: Scope) -> Iterator[Finding]:
    """A counter below the number of rows. A higher one is fine: old jobs may have been deleted."""
    counted = (
        scope.within(VMContext.objects.order_by("pk"), "pk")
        .values("pk", "vm_name", *COUNTERS)
        .annotate(**counts_of_jobs("jobs__"))
    )
    too_low = Q()
    for name in COUNTERS:
        too_low |= Q(**{f"{name}__lt": F(f"rows_{name}")})
    for row in counted.filter(too_low).iterator():
        wrong = [name for name in COUNTERS if row[name] < row[f"rows_{name}"]]
        said = ", ".join(
            f"{name} is {row[name]} of {plural(row[f'rows_{name}'], 'job')}" for name in wrong
        )
        yield COUNTERS_DIFFER.finding(
            f"{said}.", key=row["pk"], context_id=row["pk"], vm_name=row["vm_name"]
        )


@check(COUNTERS_DO_NOT_ADD_UP, mend=mend_context)
def counters_do_not_add_up(scope: Scope) -> Iterator[Finding]:
    parts = F("successful_jobs") + F("failed_jobs") + F("cancelled_jobs")
    right = Q(current_job_id__isnull=True, total_jobs_run=parts) | Q(
        current_job_id__isnull=False, total_jobs_run=parts + 1
    )
    for context in _contexts(scope).exclude(right).iterator():
        active = 0 if context.current_job_id is None else 1
        yield _of(
            COUNTERS_DO_NOT_ADD_UP,
            context,
            f"total_jobs_run is {context.total_jobs_run}, but there are {context.successful_jobs} "
            f"successful, {context.failed_jobs} failed, {context.cancelled_jobs} cancelled and "
            f"{active} active.",
        )


@check(CURRENT_JOB_NOT_ACTIVE, mend=mend_context)
def current_job_not_active(scope: Scope) -> Iterator[Finding]:
    """The current job has ended, belongs to another VM, or does not exist."""
    own = ReplicationJob.objects.filter(
        pk=OuterRef("current_job_id"), vm_context_id=OuterRef("pk"), status__in=ACTIVE_JOB_STATUSES
    )
    wrong = _contexts(scope).filter(~Exists(own), current_job_id__isnull=False)
    for context in wrong.iterator():
        yield _of(
            CURRENT_JOB_NOT_ACTIVE,
            context,
            f"Its current job {context.current_job_id} is not an active job of this VM.",
            context.current_job_id,
        )


@check(ACTIVE_JOB_NOT_CURRENT, mend=mend_context)
def active_job_not_current(scope: Scope) -> Iterator[Finding]:
    """The only active job of a context that does not name it. (That two are active breaks a rule of
    the database, which `row_breaks_rule` reports.)"""
    active = Count("jobs", filter=Q(jobs__status__in=ACTIVE_JOB_STATUSES))
    active_jobs = ReplicationJob.objects.filter(
        vm_context_id=OuterRef("pk"), status__in=ACTIVE_JOB_STATUSES
    )
    # A null current job excludes nothing: its active job is a stray as well.
    strays = Q(Exists(active_jobs.exclude(pk=OuterRef("current_job_id")))) | Q(
        Exists(active_jobs), current_job_id__isnull=True
    )
    contexts = scope.within(VMContext.objects.order_by("pk"), "pk").filter(strays)
    counted = contexts.values("pk", "vm_name", "current_job_id").annotate(active=active)
    for row in counted.filter(active=1).iterator():
        yield ACTIVE_JOB_NOT_CURRENT.finding(
            f"A job is active, but the VM's current job is {row['current_job_id']}.",
            key=row["pk"],
            context_id=row["pk"],
            vm_name=row["vm_name"],
        )


@check(ACTIVE_JOB_OF_UNMANAGED_VM)
def active_job_of_unmanaged_vm(scope: Scope) -> Iterator[Finding]:
    active = ReplicationJob.objects.filter(
        vm_context_id=OuterRef("pk"), status__in=ACTIVE_JOB_STATUSES
    )
    for context in _contexts(scope).filter(Exists(active), unmanaged_at__isnull=False).iterator():
        yield _of(
            ACTIVE_JOB_OF_UNMANAGED_VM,
            context,
            "The VM was removed from management, but a job of it is active.",
            context.current_job_id,
        )


@check(LAST_SUCCESSFUL_DIFFERS, mend=mend_context)
def last_successful_differs(scope: Scope) -> Iterator[Finding]:
    newest = newest_completed(ReplicationJob.objects.filter(vm_context_id=OuterRef("pk")))
    told = _contexts(scope).annotate(newest=Subquery(newest.values("pk")[:1]))
    wrong = told.filter(
        (Q(newest__isnull=False) & ~Q(newest=F("last_successful_job_id")))
        | Q(newest__isnull=False, last_successful_job_id__isnull=True)
        | Q(newest__isnull=True, last_successful_job_id__isnull=False)
    )
    for context in wrong.iterator():
        yield _of(
            LAST_SUCCESSFUL_DIFFERS,
            context,
            f"Its last successful job is recorded as {context.last_successful_job_id}, but it is "
            f"{context.newest}.",
            context.newest,
        )


@check(STATUS_DIFFERS, mend=mend_context)
def status_differs(scope: Scope) -> Iterator[Finding]:
    """`replicating` exactly with a current job; else `ready_for_failover` exactly with a point."""
    points = RecoveryPoint.objects.filter(
        vm_context_id=OuterRef("pk"), state=RecoveryPointState.AVAILABLE
    )
    ready, replicating = ContextStatus.READY, ContextStatus.REPLICATING
    wrong = (
        _contexts(scope)
        .annotate(has_point=Exists(points))
        .filter(
            Q(current_status=replicating, current_job_id__isnull=True)
            | Q(~Q(current_status=replicating), current_job_id__isnull=False)
            | Q(current_status=ready, has_point=False)
            | Q(~Q(current_status__in=[ready, replicating]), has_point=True)
        )
    )
    # Deleting a VM's replica takes away all its points, then its status.
    settled = scope.at_rest(wrong, "pk", LeaseHolder.DELETION, LeaseHolder.RETENTION)
    for context in settled.iterator():
        job = context.current_job_id or "none"
        points_said = "an available" if context.has_point else "no available"
        yield _of(
            STATUS_DIFFERS,
            context,
            f"Its status is “{_said(context.current_status)}”, its current job {job}, and it has "
            f"{points_said} recovery point.",
        )


@check(TIMES_DIFFER, mend=lambda finding: _mend_times(finding))
def times_differ(scope: Scope) -> Iterator[Finding]:
    """Checks the times of the first and newest job, and of the last status change."""
    changes = _changes().filter(vm_context_id=OuterRef("pk")).exclude(old=F("new"))
    rows = (
        scope.within(VMContext.objects.order_by("pk"), "pk")
        .values("pk", "vm_name", "first_job_at", "last_job_at", "last_status_change")
        .annotate(
            first=Min("jobs__created_at"),
            last=Max("jobs__created_at"),
            changed=Subquery(changes.values("created_at")[:1]),
        )
        .filter(
            Q(first__isnull=False, first_job_at__isnull=True)
            | Q(last__isnull=False, last_job_at__isnull=True)
            | Q(first_job_at__gt=F("first") + CLOCKS_MAY_DIFFER)
            | Q(last_job_at__lt=F("last") - CLOCKS_MAY_DIFFER)
            | Q(last_status_change__gt=F("changed") + CLOCKS_MAY_DIFFER)
            | Q(last_status_change__lt=F("changed") - CLOCKS_MAY_DIFFER)
        )
    )
    for row in rows.iterator():
        yield TIMES_DIFFER.finding(
            f"first_job_at is {row['first_job_at']}, last_job_at {row['last_job_at']} and "
            f"last_status_change {row['last_status_change']}; its jobs say {row['first']} and "
            f"{row['last']}, its events {row['changed']}.",
            key=row["pk"],
            context_id=row["pk"],
            vm_name=row["vm_name"],
        )


def _changes() -> QuerySet[ContextEvent]:
    """Events that record a status, newest first."""
    known = list(ContextStatus.values)
    return ContextEvent.objects.filter(new__in=known, old__in=["", *known]).order_by("-id")


def _mend_times(finding: Finding) -> str:
    done = mend_context(finding)
    changed = _changes().filter(vm_context_id=finding.context_id).exclude(old=F("new")).first()
    context = VMContext.objects.get(pk=finding.context_id)
    if changed and abs(context.last_status_change - changed.created_at) > CLOCKS_MAY_DIFFER:
        statuses.settle(
            context,
            columns={"last_status_change": changed.created_at},
            actor=ACTOR,
            why="times_differ: set last_status_change to the time of its event",
        )
        done += " Set last_status_change to the time of its event."
    return done.strip()


@check(STATUS_CHANGE_WITHOUT_EVENT, mend=lambda finding: _add_event(finding))
def status_change_without_event(scope: Scope) -> Iterator[Finding]:
    newest = _changes().filter(vm_context_id=OuterRef("pk")).values("new")[:1]
    told = _contexts(scope).annotate(told=Subquery(newest))
    wrong = told.filter(
        (Q(told__isnull=False) & ~Q(told=F("current_status")))
        | (Q(told__isnull=True) & ~Q(current_status=ContextStatus.DISCOVERED))
    )
    for context in wrong.iterator():
        yield _of(
            STATUS_CHANGE_WITHOUT_EVENT,
            context,
            f"Its status is “{_said(context.current_status)}”, but the last event records "
            f"{_said(context.told)}.",
        )


def _add_event(finding: Finding) -> str:
    context = VMContext.objects.get(pk=finding.context_id)
    told = _changes().filter(vm_context_id=context.pk).values_list("new", flat=True).first() or ""
    statuses.record_event(
        context.pk,
        old=told,
        new=context.current_status,
        why="found by check_integrity: the status was changed without an event",
        actor=ACTOR,
        job_id=None,
    )
    return f"Added an event from “{_said(told)}” to “{_said(context.current_status)}”."
