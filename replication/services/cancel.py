"""Cancelling a replication. Nothing that a recovery point needs is touched."""

from __future__ import annotations

from django.db.models.functions import Now

from contexts import trail
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.trail import Kind, Verb
from replication.errors import JobNotActive, UnknownJob
from replication.models import ReplicationJob
from replication.services import finish
from replication.states import JobStatus


def cancel_job_of(context: VMContext, *, actor: str) -> None:
    """Cancel the VM's active job. Raises JobNotActive without one."""
    if context.current_job is None:
        raise JobNotActive(f"{context} is not being replicated, so there is nothing to cancel.")
    cancel(context.current_job, actor=actor)


@one_transaction
def cancel(job: ReplicationJob, *, actor: str) -> ReplicationJob:
    """End a waiting job at once; ask the worker of a running job to stop between requests.

    Raises JobNotActive when it has already ended, UnknownJob when it has been deleted.
    """
    context = statuses.lock(job.vm_context_id)
    locked = ReplicationJob.objects.select_for_update(no_key=True).filter(pk=job.pk).first()
    if locked is None:
        raise UnknownJob(f"{job.pk} ended long ago and has been deleted.")
    job = locked
    if not job.is_active:
        raise JobNotActive(
            f"{job.pk} has already ended ({job.get_status_display().lower()}), so there is nothing"
            " to cancel."
        )
    if job.cancel_requested_at is None:
        ReplicationJob.objects.filter(pk=job.pk).update(
            cancel_requested_at=Now(), cancel_requested_by=actor, updated_at=Now()
        )
        about = trail.subject(Kind.JOB, job.pk, job.pk, vm=context)
        trail.tell(Verb.CANCEL, about, actor=actor, old={"status": job.status}, job_id=job.pk)
    if job.status == JobStatus.PENDING:
        finish.cancelled(job.pk, actor=actor)
    job.refresh_from_db()
    return job
