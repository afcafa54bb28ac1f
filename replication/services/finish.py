"""How a job ends, or returns to waiting. Each function is one transaction.

A worker passes its lease, and is refused (LeaseLost) when another worker has taken it. Files and
snapshots are not touched here: their rows record what is left to do, and the clean-up does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, Min, Sum
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.error_codes import UNEXPECTED
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.text import plural, storable
from contexts.vsphere.lineage import Lineage
from replication.errors import JobCancelled, LeaseLost
from replication.manifests import writing as manifests
from replication.models import (
    DiskImage,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.selectors.limits import Resource
from replication.services import job_log, leases, occurrences, results, tallies
from replication.services.leases import Lease
from replication.services.results import SealedDisk
from replication.states import (
    ACTIVE_JOB_STATUSES,
    JOB_TRANSITIONS,
    ImageState,
    JobStatus,
    LogLevel,
    OccurrenceKind,
    RecoveryPointState,
    SnapshotState,
    StepStatus,
    type_of,
)

MAX_ATTEMPTS = 5
BACK_OFF = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
)
# When a job checks again while vSphere works on something that the job needs: the longer it has
# waited, the later (each time after a sixth of the wait), since each check is an attempt.
LOOK_AGAIN_AFTER = timedelta(minutes=2)
LOOK_AGAIN_AT_LATEST = timedelta(minutes=10)
WAIT_AT_MOST = timedelta(hours=24)
FOR_TASK = "Waiting for vSphere’s task to end"
FOR_OTHERS = "Waiting for another product’s snapshot to go"
FOR_REMOVAL = "Waiting for the removal of a recovery point"
WORKER = "worker"


@one_transaction
def completed(
    job_id: str,
    lease: Lease,
    snapshot: VMSnapshot,
    lineage: Lineage,
    disks: Sequence[SealedDisk],
) -> RecoveryPoint:
    """The commit point: recovery point, images, change IDs, history, outcome and statistics.

    Before this transaction the job has changed nothing; after it the recovery point exists.
    Raises TryAgain when an image is not based on the last image of its disk, and JobCancelled when
    a cancel was requested before: whoever was told so does not find the job completed.
    """
    context, job = _lock(job_id, lease)
    if job.cancel_requested_at is not None:
        raise JobCancelled
    images = list(
        DiskImage.objects.filter(pk__in=[disk.image_id for disk in disks]).select_related("disk")
    )
    results.require_chains(images)
    point = results.create_point(job, snapshot, lineage, disk_count=len(images))
    results.commit_images(job, point, disks)
    manifests.expect(job.vm_context_id, job.repository_id)
    results.abandon_images(job)  # of disks that left the VM between two attempts
    results.record_cbt(images, success=True)
    results.forget_doubts(images, point)
    total = sum(image.planned_bytes for image in images)
    _end_steps(job, StepStatus.COMPLETED)
    _set(
        job,
        JobStatus.COMPLETED,
        replication_type=type_of(image.sync_type for image in images),
        bytes_transferred=total,
        total_bytes=total,
        current_operation="",
        error_message="",
        completed_at=Now(),
    )
    statuses.job_completed(context, job_id=job.pk, actor=WORKER, why="replication completed")
    return point


@one_transaction
def failed(
    job_id: str,
    why: str,
    *,
    code: str = UNEXPECTED,
    lease: Lease | None = None,
    actor: str = WORKER,
) -> None:
    """The job ends without a new recovery point; existing ones do not change. `code` is one of
    `contexts.error_codes`. A job that was asked to cancel is cancelled; its log has the reason."""
    context, job = _lock(job_id, lease)
    why = storable(why)
    if job.cancel_requested_at is not None:
        job_log.write(job.pk, job.attempt, f"While it was cancelled: {why}", LogLevel.WARNING)
        cancelled(job_id, actor=job.cancel_requested_by, lease=lease)
        return
    images = results.abandon_images(job)
    results.record_cbt(images, success=False)
    _end_steps(job, StepStatus.FAILED, why)
    _set(
        job,
        JobStatus.FAILED,
        error_message=why,
        error_code=code,
        current_operation="",
        transfer_speed_bps=None,
        completed_at=Now(),
    )
    statuses.job_failed(
        context,
        job_id=job.pk,
        has_recovery_point=_has_recovery_point(context),
        actor=actor,
        why=why,
    )
    job_log.write(job.pk, job.attempt, f"Failed. {why}", LogLevel.ERROR)
    occurrences.tell(
        OccurrenceKind.JOB_FAILED,
        job.pk,
        what=f"The replication of {context.vm_name or context.pk} failed: {why}",
        context_id=context.pk,
        job_id=job.pk,
    )


@one_transaction
def cancelled(job_id: str, *, actor: str, lease: Lease | None = None) -> None:
    """The job ends because a user cancelled it."""
    context, job = _lock(job_id, lease)
    images = results.abandon_images(job)
    results.record_cbt(images, success=False)
    _end_steps(job, StepStatus.CANCELLED)
    _set(
        job,
        JobStatus.CANCELLED,
        current_operation="",
        transfer_speed_bps=None,
        completed_at=Now(),
    )
    statuses.job_cancelled(
        context,
        job_id=job.pk,
        has_recovery_point=_has_recovery_point(context),
        actor=actor,
        why="replication cancelled",
    )
    job_log.write(job.pk, job.attempt, f"Cancelled, as {actor} asked.", LogLevel.WARNING)


@one_transaction
def try_again(
    job_id: str,
    why: str,
    *,
    code: str = UNEXPECTED,
    lease: Lease | None = None,
    at_once: bool = False,
) -> None:
    """The same job waits for its next attempt, and keeps its image and snapshot.

    After `MAX_ATTEMPTS` without progress it fails with the reason. A cancelled job gets no further
    attempt.
    """
    _, job = _lock(job_id, lease)
    if job.cancel_requested_at is not None:
        cancelled(job_id, actor=job.cancel_requested_by, lease=lease)
        return
    _count_progress(job)
    fruitless = job.attempt - job.fruitful_attempts
    if fruitless >= MAX_ATTEMPTS:
        failed(job_id, f"Given up after {_attempts_in_words(job)}. {why}", code=code, lease=lease)
        return
    delay = timedelta(0) if at_once else BACK_OFF[min(max(fruitless, 1), len(BACK_OFF)) - 1]
    _back_to_wait(job, why, delay, "Waiting for the next attempt")
    when = f"in {plural(round(delay.total_seconds()), 'second')}" if delay else "at once"
    job_log.write(job.pk, job.attempt, f"{why} vmrep will retry {when}.", LogLevel.WARNING)


@one_transaction
def wait_for_others(
    job_id: str,
    why: str,
    *,
    code: str = UNEXPECTED,
    operation: str = FOR_TASK,
    lease: Lease | None = None,
) -> None:
    """The same job waits for what somebody else does (`operation`): a vSphere task, another
    product, the removal of a recovery point. Its worker can run other jobs meanwhile. This does not
    count as an attempt without progress.

    A job waits until its snapshot, or the job where there is none yet, is WAIT_AT_MOST old.
    """
    job = _still_waiting(job_id, why, code, lease)
    if job is None:
        return
    waited = database_now() - _waits_since(job)
    delay = min(max(waited / 6, LOOK_AGAIN_AFTER), LOOK_AGAIN_AT_LATEST)
    _back_to_wait(job, why, delay, operation)
    job_log.write(job.pk, job.attempt, why, LogLevel.WARNING)


@one_transaction
def wait_for_place(
    job_id: str,
    why: str,
    *,
    resource: Resource,
    code: str = UNEXPECTED,
    lease: Lease | None = None,
) -> None:
    """The same job waits until the resource has a free place, so that its worker can run other
    jobs. As with `wait_for_others`, for WAIT_AT_MOST, and this does not count as an attempt
    without progress.
    """
    job = _still_waiting(job_id, why, code, lease)
    if job is None:
        return
    _back_to_wait(job, why, LOOK_AGAIN_AT_LATEST, why[:255], waits_for=resource)
    job_log.write(job.pk, job.attempt, f"{why}.", LogLevel.WARNING)


@one_transaction
def go_alone(job_id: str, why: str = "", *, lease: Lease) -> None:
    """The same job goes on from where it is, whichever worker is the next one that is free: its
    group was gathered. `why`: it was left behind, or its worker is told to stop."""
    _, job = _lock(job_id, lease)
    if job.cancel_requested_at is not None:
        cancelled(job_id, actor=job.cancel_requested_by, lease=lease)
        return
    fruitful = job.fruitful_attempts + 1
    _count_progress(job)
    job.fruitful_attempts = fruitful
    _back_to_wait(job, why, timedelta(0), "Waiting for a worker")
    told = why or "Its snapshot was taken with those of its group."
    job_log.write(job.pk, job.attempt, told, LogLevel.WARNING if why else LogLevel.INFO)


def _still_waiting(job_id: str, why: str, code: str, lease: Lease | None) -> ReplicationJob | None:
    """The locked job, whose attempt counts as one with progress. None if the job has ended
    instead: it was cancelled, or has waited for too long."""
    _, job = _lock(job_id, lease)
    if job.cancel_requested_at is not None:
        cancelled(job_id, actor=job.cancel_requested_by, lease=lease)
        return None
    if database_now() - _waits_since(job) > WAIT_AT_MOST:
        hours = WAIT_AT_MOST.total_seconds() / 3600
        failed(job_id, f"Given up after {hours:.0f} hours. {why}", code=code, lease=lease)
        return None
    fruitful = job.fruitful_attempts + 1
    _count_progress(job)
    job.fruitful_attempts = fruitful
    return job


def _waits_since(job: ReplicationJob) -> datetime:
    kept = job.snapshots.exclude(state=SnapshotState.REMOVED).aggregate(oldest=Min("consistent_at"))
    return kept["oldest"] or job.started_at or job.created_at


def _back_to_wait(
    job: ReplicationJob,
    why: str,
    delay: timedelta,
    operation: str,
    *,
    waits_for: Resource | None = None,
) -> None:
    why = storable(why)
    _end_steps(job, StepStatus.INTERRUPTED, why)
    _set(
        job,
        JobStatus.PENDING,
        attempt=F("attempt") + 1,
        fruitful_attempts=job.fruitful_attempts,
        checkpointed_bytes=job.checkpointed_bytes,
        next_attempt_at=Now() + delay,
        error_message=why,
        current_operation=operation,
        waits_for_kind=waits_for.kind if waits_for else "",
        waits_for=waits_for.key if waits_for else "",
        transfer_speed_bps=None,
    )


def _count_progress(job: ReplicationJob) -> None:
    """An attempt whose checkpoints got further than any before does not count: over a bad line, a
    large disk is copied piece by piece."""
    writing = DiskImage.objects.filter(job=job, state=ImageState.WRITING)
    reached = writing.aggregate(total=Sum("checkpoint_bytes"))["total"] or 0
    if reached > job.checkpointed_bytes:
        job.checkpointed_bytes = reached
        job.fruitful_attempts += 1


def _attempts_in_words(job: ReplicationJob) -> str:
    if not job.fruitful_attempts:
        return f"{job.attempt} attempts"
    fruitless = job.attempt - job.fruitful_attempts
    return f"{job.attempt} attempts, {fruitless} of them without progress"


def _lock(job_id: str, lease: Lease | None) -> tuple[VMContext, ReplicationJob]:
    """Locks context, then job, then lease: the same order everywhere."""
    context_id = ReplicationJob.objects.values_list("vm_context_id", flat=True).get(pk=job_id)
    context = statuses.lock(context_id)
    job = ReplicationJob.objects.select_for_update(no_key=True).get(pk=job_id)
    job.vm_context = context  # read and locked already
    if lease is not None:
        leases.require(lease)
    return context, job


def _set(job: ReplicationJob, new: JobStatus, **columns: object) -> None:
    """Compare and set. Raises LeaseLost when the job changed since it was read."""
    old = JobStatus(job.status)
    if new not in JOB_TRANSITIONS[old]:
        raise LeaseLost(f"{job.pk} is already {old.label.lower()}")
    columns = {"waits_for_kind": "", "waits_for": ""} | columns
    changed = ReplicationJob.objects.filter(pk=job.pk, status=old).update(
        status=new, updated_at=Now(), **columns
    )
    if changed != 1:
        raise LeaseLost(f"{job.pk} was changed by another process")
    if new not in ACTIVE_JOB_STATUSES:
        tallies.count_job(job, new, **columns)


def _has_recovery_point(context: VMContext) -> bool:
    return RecoveryPoint.objects.filter(
        vm_context=context, state=RecoveryPointState.AVAILABLE
    ).exists()


def _end_steps(job: ReplicationJob, status: StepStatus, message: str = "") -> None:
    JobStep.objects.filter(job=job, status=StepStatus.RUNNING).update(
        status=status, message=message, completed_at=Now()
    )
