"""A job's progress: bytes read, measured against its plan and never against capacity."""

from __future__ import annotations

from replication.models import DiskImage, ReplicationJob
from replication.selectors.subqueries import IMAGES
from replication.states import ImageState, JobStatus

FOR_REPOSITORY = "Waiting for the repository"
FOR_WORKER_WITH = "Waiting for a worker that has the repository"
PAUSED = "Paused"


def done_bytes(job: ReplicationJob) -> int:
    """The bytes read so far: of an active job that was fetched with its images, the sum of theirs,
    so that a page that shows both shows one reading."""
    images: list[DiskImage] | None = getattr(job, IMAGES, None)
    if not job.is_active or job.total_bytes is None or not images:
        return job.bytes_transferred
    read = sum(image.transferred_bytes for image in images if image.state == ImageState.WRITING)
    return min(read, job.total_bytes)


def percent(job: ReplicationJob) -> int | None:
    """0 to 100; None before there is a plan. 100 only once the recovery point is committed."""
    if job.status == JobStatus.COMPLETED:
        return 100
    return percent_of(done_bytes(job), job.total_bytes)


def percent_of(done_bytes: int, total_bytes: int | None) -> int | None:
    """The percentage for something that is not committed yet: 99 at most."""
    if total_bytes is None:
        return None
    if total_bytes == 0:
        return 99
    return min(99, done_bytes * 100 // total_bytes)


def eta_seconds(job: ReplicationJob) -> int | None:
    """Seconds until the transfer ends, at the present rate; None when unknown."""
    if not job.is_active or job.total_bytes is None or not job.transfer_speed_bps:
        return None
    return -(-(job.total_bytes - done_bytes(job)) // job.transfer_speed_bps)


def duration_seconds(job: ReplicationJob) -> float | None:
    """From the first start to the end; None while it has not ended, or if it never started."""
    if job.started_at is None or job.completed_at is None:
        return None
    return max(0.0, (job.completed_at - job.started_at).total_seconds())


def waiting_for(job: ReplicationJob) -> str | None:
    """What a waiting job needs besides a free worker, in words: the end of a pause (of jobs that
    were read with `vm_is_paused`), its repository, or a place where a limit is met. None when it
    needs nothing else, or has begun."""
    if job.status != JobStatus.PENDING:
        return None
    if job.obeys_pauses and getattr(job, "vm_is_paused", False):
        return PAUSED
    held_up = bool(job.waits_for_kind) or job.current_operation.startswith(
        (FOR_REPOSITORY, FOR_WORKER_WITH)
    )
    return job.current_operation if held_up else None


def percent_of_disk(image: DiskImage) -> int:
    """The progress of one disk of a job."""
    if image.state == ImageState.COMMITTED:
        return 100
    return percent_of(image.transferred_bytes, image.planned_bytes) or 0
