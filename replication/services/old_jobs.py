"""Deleting old jobs and what only they own. Counters keep counting them.

Some jobs are kept whatever their age: active jobs, and those that a recovery point or their context
refers to, or that left something at a vCenter or in a repository.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Now

from contexts import trail
from contexts.models import ContextEvent, VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.trail import Kind, Verb
from replication.models import (
    CBTHistory,
    ContextLease,
    DiskImage,
    GroupRun,
    GroupRunMember,
    JobLogLine,
    JobSample,
    JobStep,
    Place,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.states import (
    ACTIVE_JOB_STATUSES,
    GroupMemberState,
    GroupRunState,
    SnapshotState,
)

BY_AGE = "age"
BATCH = 200  # jobs per transaction: other writers never wait for long

# The reasons for keeping a job, and the jobs that each one covers; the first that applies is shown.
_BY_A_POINT = "a recovery point refers to it"
_KEPT: dict[str, Exists] = {
    _BY_A_POINT: Exists(RecoveryPoint.objects.filter(job=OuterRef("pk"))),
    "its context refers to it": Exists(
        VMContext.objects.filter(
            Q(current_job=OuterRef("pk")) | Q(last_successful_job=OuterRef("pk"))
        )
    ),
    "its files are not removed yet": Exists(DiskImage.objects.filter(job=OuterRef("pk"))),
    "its snapshot is not removed yet": Exists(
        VMSnapshot.objects.filter(job=OuterRef("pk")).exclude(state=SnapshotState.REMOVED)
    ),
    "its group's run has not ended yet": Exists(
        GroupRunMember.objects.filter(job=OuterRef("pk"), state__in=GroupMemberState.open())
    ),
    "its worker is still running": Exists(
        ContextLease.objects.filter(job=OuterRef("pk"), expires_at__gt=Now())
    ),
}


@dataclass
class Outcome:
    """The number of old jobs that were (or would be) deleted, and of those kept, by reason."""

    deleted: int = 0
    kept: Counter[str] = field(default_factory=Counter)


def delete_old_jobs(older_than: timedelta, *, trigger: str = "", dry_run: bool = False) -> Outcome:
    """Delete the jobs that ended longer ago than this, a batch in each transaction. `trigger`: only
    those that it started.

    Safe while workers run, and when interrupted: the next run continues.
    """
    outcome = Outcome()
    for job_ids in _batches(older_than, trigger):
        reasons = _delete_unneeded(job_ids, dry_run=dry_run)
        kept = [reason for reason in reasons.values() if reason]
        outcome.deleted += len(reasons) - len(kept)
        outcome.kept.update(kept)
    if not dry_run:
        _forget_runs(older_than)
    return outcome


@one_transaction
def _forget_runs(older_than: timedelta) -> None:
    """Runs of groups of which no job is kept."""
    ended = GroupRun.objects.filter(state=GroupRunState.ENDED, ended_at__lt=Now() - older_than)
    kept = GroupRunMember.objects.filter(run=OuterRef("pk"), job__isnull=False)
    keys = list(ended.filter(~Exists(kept)).order_by("pk").values_list("pk", flat=True)[:BATCH])
    GroupRun.objects.filter(pk__in=keys).delete()
    if keys:
        tell(runs=len(keys))


def tell(**counts: int) -> None:
    """In the transaction in which they are forgotten."""
    about = trail.subject(Kind.INSTALLATION, "", "vmrep")
    trail.tell(Verb.FORGET, about, actor=BY_AGE, old=counts)


@one_transaction
def _delete_unneeded(job_ids: list[str], *, dry_run: bool) -> dict[str, str]:
    """Delete the jobs that `_judge` does not keep; returns its result."""
    reasons = _judge(job_ids, _KEPT)
    if not dry_run:
        gone = [job_id for job_id, reason in reasons.items() if not reason]
        delete(gone)
        if gone:
            tell(jobs=len(gone))
    return reasons


def kept_by_points_alone(job_ids: list[str]) -> list[str]:
    """Those of the jobs that nothing needs but their recovery points. Call it in a transaction: it
    locks contexts and jobs."""
    others = {reason: jobs for reason, jobs in _KEPT.items() if reason != _BY_A_POINT}
    return [job_id for job_id, reason in _judge(job_ids, others).items() if not reason]


def _batches(older_than: timedelta, trigger: str) -> Iterator[list[str]]:
    """The IDs of ended jobs of that age, in order, one batch at a time."""
    ended = ReplicationJob.objects.filter(completed_at__lt=Now() - older_than).exclude(
        status__in=ACTIVE_JOB_STATUSES
    )
    if trigger:
        ended = ended.filter(trigger=trigger)
    last = ""
    while job_ids := list(
        ended.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        yield job_ids
        last = job_ids[-1]


def _judge(job_ids: list[str], reasons: dict[str, Exists]) -> dict[str, str]:
    """Why each of these jobs is kept; empty for one that nothing needs. Locks contexts and jobs."""
    contexts = VMContext.objects.filter(jobs__in=job_ids).distinct()
    statuses.hold(*contexts.values_list("pk", flat=True))
    jobs: QuerySet[ReplicationJob] = ReplicationJob.objects.filter(pk__in=job_ids).order_by("pk")
    list(jobs.select_for_update().only("pk"))
    reason = Case(
        *(When(condition, then=Value(text)) for text, condition in reasons.items()),
        default=Value(""),
        output_field=CharField(),
    )
    return dict(jobs.annotate(kept_because=reason).values_list("pk", "kept_because"))


def delete(job_ids: list[str]) -> None:
    """Delete jobs that nothing needs, with their log, samples, CBT history and removed snapshots'
    rows, not events."""
    ContextEvent.objects.filter(job__in=job_ids).update(job=None)  # they still tell its ID
    of_jobs = (JobStep, JobSample, JobLogLine, CBTHistory, VMSnapshot, ContextLease, Place)
    for model in of_jobs:
        model.objects.filter(job__in=job_ids).delete()
    GroupRunMember.objects.filter(job__in=job_ids).update(job=None)
    ReplicationJob.objects.filter(pk__in=job_ids).delete()
