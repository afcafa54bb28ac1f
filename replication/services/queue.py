"""The database as the queue: which job is next, and whose worker is gone. It only queues: what is
due is `replication.scheduler`'s."""

from __future__ import annotations

import logging
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import Exists, Q
from django.db.models.functions import Coalesce, Now

from contexts.database_errors import waited_in_vain
from contexts.error_codes import WORKER_LOST
from contexts.services import statuses
from contexts.services.transactions import lock_free, one_transaction
from replication import messages
from replication.models import ReplicationJob, Repository
from replication.services import finish, leases
from replication.services.leases import Lease
from replication.states import JobStatus, LeaseHolder
from replication.storage import looks

log = logging.getLogger(__name__)

LOOK_AT = 100  # how many waiting jobs one claim looks at


def runnable() -> Any:
    """Jobs that may begin now, the oldest first."""
    return (
        ReplicationJob.objects.filter(status=JobStatus.PENDING)
        .filter(Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now()))
        .filter(~Exists(leases.live_lease()))
        .order_by("created_at", "id")
    )


def claim_next() -> tuple[ReplicationJob, Lease] | None:
    """Take the next job that this worker can run, with its context's lease; None without one."""
    # First the repositories: any number of jobs that wait for one must not hide those of others.
    unusable = _unusable_repositories()
    for job in runnable().exclude(repository__in=unusable)[:LOOK_AT]:
        if claimed := _claim(job):
            return claimed
    return None


def _unusable_repositories() -> list[Repository]:
    """Those that runnable jobs want and this worker cannot use now; the jobs say so."""
    wanted = list(Repository.objects.filter(pk__in=runnable().values("repository").order_by()))
    found = []
    for repository, state in zip(wanted, looks.try_writing_to_all(wanted), strict=True):
        if state.problem:
            found.append(repository)
            _tell_why(repository, f"Waiting for the repository: {state.problem}"[:255])
    return found


def _tell_why(repository: Repository, reason: str) -> None:
    """Why its jobs wait; pages see it by `updated_at`, which moves only when the reason is new."""
    waiting = runnable().filter(repository=repository).exclude(current_operation=reason)
    with transaction.atomic():
        # Several workers may say so at once: what another one is at is left to it.
        ReplicationJob.objects.filter(pk__in=lock_free(waiting), status=JobStatus.PENDING).update(
            current_operation=reason, updated_at=Now()
        )


@one_transaction
def _claim(job: ReplicationJob) -> tuple[ReplicationJob, Lease] | None:
    if not statuses.hold_free(job.vm_context_id):
        return None
    lease = leases.acquire(job.vm_context_id, LeaseHolder.JOB, job_id=job.pk)
    if lease is None:
        return None
    claimed = ReplicationJob.objects.filter(pk=job.pk, status=JobStatus.PENDING).update(
        status=JobStatus.RUNNING,
        started_at=Coalesce("started_at", Now()),
        next_attempt_at=None,
        worker_name=leases.this_worker(),
        error_message="",
        current_operation="Starting",
        updated_at=Now(),
    )
    if not claimed:
        leases.release(lease)
        return None
    return ReplicationJob.objects.select_related("vm_context__vcenter", "repository").get(
        pk=job.pk
    ), lease


def take_over_expired() -> None:
    """Jobs whose worker let the lease run out go back to wait: at once the first time."""
    dead = ReplicationJob.objects.filter(status=JobStatus.RUNNING).filter(
        ~Exists(leases.live_lease())
    )
    for job_id, context_id in dead.values_list("pk", "vm_context_id"):
        try:
            _take_over(job_id, context_id)
        except OperationalError as problem:
            # Each on its own: the others' jobs do not wait for a row that somebody holds.
            if not waited_in_vain(problem):
                raise
            log.warning("%s is not taken over yet: %s", job_id, problem)


@one_transaction
def _take_over(job_id: str, context_id: str) -> None:
    if not statuses.hold_free(context_id):
        return
    # Looked at again under the lock: its worker may have come back, or ended the job.
    running = ReplicationJob.objects.filter(pk=job_id, status=JobStatus.RUNNING)
    if not lock_free(running):
        return
    job = running.get()
    lease = leases.acquire(context_id, LeaseHolder.JOB, job_id=job_id)
    if lease is None:
        return
    why = f"The worker {job.worker_name} stopped during “{job.current_operation}”."
    finish.try_again(job_id, why, code=WORKER_LOST, lease=lease, at_once=job.attempt == 1)
    leases.release(lease)
    transaction.on_commit(messages.hint_job)
