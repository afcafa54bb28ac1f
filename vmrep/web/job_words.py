"""What pages say about a job, in the same words everywhere."""

from __future__ import annotations

from contexts.clock import about_now
from replication.models import ReplicationJob
from replication.selectors.progress import waiting_for
from replication.states import JobStatus
from vmrep.web import formats


def doing(job: ReplicationJob) -> str:
    """What an active job does, or what it waits for: in the queue's words, if the queue says so.

    `seconds_until_attempt` has the time until the next attempt; the page counts it down.
    """
    if job.cancel_requested_at is not None:
        return "Cancelling"
    if job.status != JobStatus.PENDING:
        return job.current_operation or "Starting"
    if seconds_until_attempt(job) is not None:
        return f"Attempt {job.attempt} begins in"
    if reason := waiting_for(job):
        return reason
    return "Waiting for a worker" + (f", for attempt {job.attempt}" if job.attempt > 1 else "")


def is_held_up(job: ReplicationJob) -> bool:
    """Whether a job waits for something other than a free worker, so that somebody has to look."""
    waits = job.status == JobStatus.PENDING
    return waits and bool(job.error_message or waiting_for(job))


def seconds_until_attempt(job: ReplicationJob) -> int | None:
    """None unless the job waits for the time of its next attempt, and for nothing else: the next
    attempt of one that waits for a place begins when there is one."""
    if job.status != JobStatus.PENDING or job.next_attempt_at is None or job.waits_for_kind:
        return None
    left = (job.next_attempt_at - about_now()).total_seconds()
    return -int(-left // 1) if left > 0 else None


def without_name(text: str, vm_name: str | None) -> str:
    """An error for display next to the VM's name, without the name at its beginning."""
    for beginning in (f"{vm_name} cannot be replicated. ", f"{vm_name}: ", f"{vm_name} "):
        if vm_name and text.startswith(beginning) and len(text) > len(beginning):
            rest = text[len(beginning) :]
            return rest[0].upper() + rest[1:]
    return text


def mean_rate(job: ReplicationJob, transfer_seconds: float) -> str:
    """The mean rate of an ended job's transfer; a dash when it had nothing to read."""
    if not job.bytes_transferred or transfer_seconds <= 0:
        return "–"
    return formats.rate(job.bytes_transferred / transfer_seconds)
