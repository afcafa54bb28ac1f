"""The database as the queue: which job is next, and which jobs lost their worker. It only queues:
`replication.scheduler` decides what is due."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, F, Q, TextField, Value, When
from django.db.models.functions import Cast, Coalesce, Now

from contexts.error_codes import WORKER_LOST
from contexts.services import statuses
from contexts.services.one_by_one import one_by_one
from contexts.services.transactions import lock_free, one_transaction
from replication import messages
from replication.models import ReplicationJob, Repository
from replication.selectors import limits
from replication.selectors.limits import Resource
from replication.selectors.pauses import is_paused
from replication.selectors.progress import FOR_REPOSITORY
from replication.services import finish, leases, places
from replication.services.leases import Lease
from replication.states import JobStatus, LeaseHolder, LimitKind, Trigger
from replication.storage import looks

LOOK_AT = 100  # the number of waiting jobs that one claim looks at


# Where a job needs a place is seen anew by an attempt: its VM may have been moved meanwhile.
MAY_HAVE_MOVED = (LimitKind.HOST_SESSIONS, LimitKind.DATASTORE_SNAPSHOTS)


def runnable() -> Any:
    """Jobs that may begin now, oldest first: those that somebody asked for before those of the
    schedule, which does not begin one of a paused VM."""
    waits_in_vain = ~Q(waits_for_kind__in=["", *MAY_HAVE_MOVED])
    of_another_policy = Q(waits_for_kind=LimitKind.POLICY_JOBS) & ~Q(waits_for=_text(_POLICY))
    return (
        ReplicationJob.objects.filter(status=JobStatus.PENDING)
        .filter(_is_due() & ~waits_in_vain | places.one_is_free() | of_another_policy)
        .filter(~Exists(leases.live_lease()))
        .exclude(Q(is_paused("vm_context__"), trigger=Trigger.SCHEDULE, started_at__isnull=True))
        .order_by(*in_order())
    )


_POLICY = "vm_context__effective_policy__limits_from__policy"
"""Of a job: the policy that says how many jobs of its VMs run at once."""


def _text(column: str) -> Coalesce:
    return Coalesce(Cast(column, TextField()), Value(""))


def in_order() -> tuple[Case, str, str]:
    """What somebody asked for before what the schedule started; the oldest first."""
    of_schedule = Case(When(trigger=Trigger.SCHEDULE, then=Value(1)), default=Value(0))
    return of_schedule, "created_at", "id"


def running_count() -> int:
    return ReplicationJob.objects.filter(status=JobStatus.RUNNING).count()


def _is_due() -> Q:
    return Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now())


def claim_next() -> tuple[ReplicationJob, Lease] | None:
    """Claim the next job that this worker can run, with its context's lease; None if there is
    none."""
    # Repositories first: many jobs waiting for one must not hide the jobs of the others.
    unusable = _unusable_repositories()
    _tell_which_are_full()
    waiting = runnable().exclude(repository__in=unusable).select_related("vm_context")
    for job in waiting.annotate(**_LIMITED_BY)[:LOOK_AT]:
        if claimed := _claim(job):
            return claimed
    return None


def _unusable_repositories() -> list[Repository]:
    """The repositories of runnable jobs that this worker cannot use now; their jobs say so."""
    wanted = list(Repository.objects.filter(pk__in=runnable().values("repository").order_by()))
    found = []
    for repository, state in zip(wanted, looks.try_writing_to_all(wanted), strict=True):
        if state.problem:
            found.append(repository)
            _tell_why(repository, f"{FOR_REPOSITORY}: {state.problem}"[:255])
    return found


def _tell_why(repository: Repository, reason: str) -> None:
    """Record why its jobs wait. `updated_at`, which pages poll, changes only with the reason."""
    waiting = runnable().filter(repository=repository).exclude(current_operation=reason)
    with transaction.atomic():
        # Several workers may do this at once: rows that another worker holds are left to it.
        ReplicationJob.objects.filter(pk__in=lock_free(waiting), status=JobStatus.PENDING).update(
            current_operation=reason, updated_at=Now()
        )


def _tell_which_are_full() -> None:
    """Of the runnable jobs, let those wait whose vCenter, repository or policy has no place for one
    more: they are looked at again when it has, and hide no others."""
    wanted = runnable().order_by().annotate(**_LIMITED_BY)
    rows = wanted.values_list("vm_context__vcenter", "repository", *_LIMITED_BY).distinct()
    for resource in limits.full({each for row in rows for each in _needs(*row)}):
        _let_wait(resource)


_LIMITED_BY = {"limits_policy": F(_POLICY), "most_of_policy": F(f"{_POLICY}__most_running")}


def _needs(
    vcenter_id: int, repository_id: int, policy_id: int | None, most_of_policy: int | None
) -> list[Resource]:
    """What a job has a place of from its claim to its end. A policy without a limit is none."""
    needs = [limits.vcenter_jobs(vcenter_id), limits.repository_jobs(repository_id)]
    if policy_id is not None and most_of_policy:
        needs.append(limits.policy_jobs(policy_id))
    return needs


def _let_wait(resource: Resource) -> None:
    column = {
        LimitKind.VCENTER_JOBS: "vm_context__vcenter",
        LimitKind.REPOSITORY_JOBS: "repository",
        LimitKind.POLICY_JOBS: _POLICY,
    }[resource.kind]
    waiting = (
        runnable()
        .filter(**{column: resource.key})
        .exclude(waits_for_kind=resource.kind, waits_for=resource.key)
    )
    with transaction.atomic():
        ReplicationJob.objects.filter(pk__in=lock_free(waiting), status=JobStatus.PENDING).update(
            waits_for_kind=resource.kind,
            waits_for=resource.key,
            current_operation=limits.sentence(resource)[:255],
            updated_at=Now(),
        )


@one_transaction
def _claim(job: ReplicationJob) -> tuple[ReplicationJob, Lease] | None:
    if not statuses.hold_free(job.vm_context_id):
        return None
    lease = leases.acquire(job.vm_context_id, LeaseHolder.JOB, job_id=job.pk)
    if lease is None:
        return None
    limited_by = (getattr(job, name) for name in _LIMITED_BY)
    needs = _needs(job.vm_context.vcenter_id, job.repository_id, *limited_by)
    if places.take_all(lease, job.pk, needs):
        leases.release(lease)
        return None
    waiting = ReplicationJob.objects.filter(pk=job.pk, status=JobStatus.PENDING)
    if job.waits_for_kind in MAY_HAVE_MOVED:
        awaited = Resource(LimitKind(job.waits_for_kind), job.waits_for)
        if not places.take(lease, job.pk, awaited):
            # Another worker was faster. Now and then it is tried without.
            waiting = waiting.filter(_is_due())
    claimed = waiting.update(
        status=JobStatus.RUNNING,
        started_at=Coalesce("started_at", Now()),
        next_attempt_at=None,
        waits_for_kind="",
        waits_for="",
        worker_name=leases.this_worker(),
        error_message="",
        current_operation="Starting",
        updated_at=Now(),
    )
    if not claimed:
        places.release_all(lease)
        leases.release(lease)
        return None
    return ReplicationJob.objects.select_related("vm_context__vcenter", "repository").get(
        pk=job.pk
    ), lease


def take_over_expired() -> None:
    """Return jobs whose worker let the lease expire to waiting; the first time without a delay.

    Raises an ExceptionGroup when some could not be taken over, and all the others were."""
    dead = ReplicationJob.objects.filter(status=JobStatus.RUNNING).filter(
        ~Exists(leases.live_lease())
    )
    one_by_one(
        (f"taking over {job_id}", partial(_take_over, job_id, context_id))
        for job_id, context_id in dead.values_list("pk", "vm_context_id")
    )


@one_transaction
def _take_over(job_id: str, context_id: str) -> None:
    if not statuses.hold_free(context_id):
        return
    # Checked again under the lock: its worker may have come back, or ended the job.
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
