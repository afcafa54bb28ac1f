"""Starting a replication, for pages, API, admin and schedules alike."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils.crypto import get_random_string

from contexts import trail
from contexts.clock import about_now
from contexts.errors import NotManaged
from contexts.models import VMContext
from contexts.services import identity, lookup, management, statuses
from contexts.services.transactions import one_transaction
from contexts.trail import Verb
from replication import messages
from replication.errors import AlreadyRunning, NoRepository, NothingToRetry
from replication.models import ReplicationJob, Repository
from replication.selectors.jobs import newest_job
from replication.services import repositories
from replication.states import JobStatus, SyncRequest

RETRIED = (JobStatus.FAILED, JobStatus.CANCELLED)
"""Jobs that `retry` may do again: they have ended without a recovery point."""


def new_job_id() -> str:
    """`job-<YYYYMMDD-HHMMSS>-<random suffix>`."""
    suffix = get_random_string(8, "0123456789abcdef")
    return f"job-{about_now():%Y%m%d-%H%M%S}-{suffix}"


@one_transaction
def start(
    context: VMContext,
    *,
    trigger: str,
    requested_by: str,
    requested_sync: str = SyncRequest.AS_NEEDED,
) -> ReplicationJob:
    """Create a job, link and count it, in one transaction; the message goes out after it.

    Raises AlreadyRunning (with the active job), NotManaged, IdentityChanged or NoRepository.
    """
    context = statuses.lock(context.pk)
    if not context.is_managed:
        raise NotManaged(
            f"{context.vm_name} is not under management. Take it under management first."
        )
    if context.current_job_id is not None:
        raise AlreadyRunning(
            f"{context.vm_name} is already being replicated by {context.current_job_id}.",
            context.current_job,
        )
    identity.require_unchanged(context)
    if context.repository_id is None:
        raise NoRepository(f"{context.vm_name} has no repository. Choose one for it.")
    job = ReplicationJob.objects.create(
        id=new_job_id(),
        vm_context=context,
        repository_id=context.repository_id,
        source_vm_id=context.vmware_vm_id,
        source_vm_name=context.vm_name or "",
        trigger=trigger,
        requested_by=requested_by,
        requested_sync=requested_sync,
    )
    statuses.job_started(
        context, job_id=job.pk, actor=requested_by, why=f"replication started ({trigger})"
    )
    trail.tell(
        Verb.REPLICATE,
        trail.vm(context),
        actor=requested_by,
        new={"trigger": trigger, "sync": requested_sync},
        job_id=job.pk,
    )
    transaction.on_commit(messages.hint_job)
    return job


@one_transaction
def retry(job: ReplicationJob, *, trigger: str, requested_by: str) -> ReplicationJob:
    """Do again what a failed or cancelled job did not: the same request, as a new job.

    Raises NothingToRetry unless it is its VM's newest job and has failed or was cancelled, and what
    `start` raises.
    """
    context = statuses.lock(job.vm_context_id)
    newest = newest_job(context)
    if newest is not None and newest.pk != job.pk:
        raise NothingToRetry(
            f"{job.pk} is not the newest job of {context.vm_name}: {newest.pk} came after it."
        )
    if job.status not in RETRIED:
        raise NothingToRetry(f"{job.pk} is {job.get_status_display().lower()}: nothing to retry.")
    return start(
        context, trigger=trigger, requested_by=requested_by, requested_sync=job.requested_sync
    )


@one_transaction
def start_for_vm(
    among: lookup.Among,
    *,
    keep_in: QuerySet[Repository],
    vm_name: str | None = None,
    vcenter_host: str | None = None,
    vmware_vm_id: str | None = None,
    trigger: str,
    requested_by: str,
    requested_sync: str = SyncRequest.AS_NEEDED,
) -> ReplicationJob:
    """Find the VM's context, or take the VM under management, then start. A VM that is taken is
    kept in the only repository of `keep_in`.

    Raises UnknownVM, AmbiguousVM, UnknownVCenter, NoRepository, or what `start` raises.
    """
    vm = lookup.find_vm(
        among, vm_name=vm_name, vcenter_host=vcenter_host, vmware_vm_id=vmware_vm_id
    )
    how = {"trigger": trigger, "requested_by": requested_by, "requested_sync": requested_sync}
    if isinstance(vm, VMContext):
        return start(vm, **how)
    repository = repositories.default(keep_in)
    if repository is None:
        raise NoRepository(
            f"{vm.vm_name} cannot be taken under management automatically, because there is no"
            " repository or more than one. Take it under management first, and choose a repository."
        )
    (context,) = management.take([vm], repository=repository, actor=requested_by)
    return start(context, **how)
