"""The database as the queue: which job is next, and which jobs lost their worker. It only queues:
`replication.scheduler` decides what is due."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Case, Exists, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, Coalesce, Now

from contexts.clock import database_now
from contexts.compiled import Prepared
from contexts.error_codes import WORKER_LOST
from contexts.services import statuses
from contexts.services.one_by_one import one_by_one
from contexts.services.transactions import lock_free, one_transaction
from replication import messages
from replication.models import ReplicationJob, Repository
from replication.selectors import health, limits
from replication.selectors.limits import Resource
from replication.selectors.pauses import holds_job_up
from replication.selectors.progress import FOR_REPOSITORY, FOR_WORKER_WITH
from replication.services import finish, leases, places
from replication.services.leases import Lease
from replication.states import GroupMemberState, JobStatus, LeaseHolder, LimitKind, Trigger
from replication.storage import looks

LOOK_AT = 100  # the number of waiting jobs that one claim looks at


# Where a job needs a place is seen anew by an attempt: its VM may have been moved meanwhile.
MAY_HAVE_MOVED = (LimitKind.HOST_SESSIONS, LimitKind.DATASTORE_SNAPSHOTS)


def is_anything_waiting() -> bool:
    """Whether a job waits, for whatever: without one nothing is runnable."""
    return ReplicationJob.objects.filter(status=JobStatus.PENDING).exists()


def runnable() -> Any:
    """Jobs that may begin now, oldest first: those that somebody asked for before those of the
    schedule, which does not begin one of a paused VM."""
    waits_in_vain = ~Q(waits_for_kind__in=["", *MAY_HAVE_MOVED])
    of_another_policy = Q(waits_for_kind=LimitKind.POLICY_JOBS) & ~Q(waits_for=_text(_POLICY))
    return (
        ReplicationJob.objects.filter(status=JobStatus.PENDING)
        .filter(_is_due() & ~waits_in_vain | places.one_is_free() | of_another_policy)
        .filter(~Exists(leases.live_lease()))
        # Its group is gathered first, by one worker.
        .exclude(group_run_member__state=GroupMemberState.WAITING)
        .exclude(holds_job_up())
        .order_by(*in_order())
    )


def _text(column: str) -> Coalesce:
    return Coalesce(Cast(column, TextField()), Value(""))


def in_order() -> tuple[Case, str, str]:
    """What somebody asked for before what the schedule started; the oldest first."""
    of_schedule = Case(When(trigger=Trigger.SCHEDULE, then=Value(1)), default=Value(0))
    return of_schedule, "created_at", "id"


def busy_workers() -> int:
    """How many are at work on a job, or on the jobs that they gather for a group."""
    running = ReplicationJob.objects.filter(status=JobStatus.RUNNING)
    gathered = running.filter(group_run_member__state=GroupMemberState.WAITING)
    gatherings = gathered.values("group_run_member__run").distinct()
    return running.count() - gathered.count() + gatherings.count()


def _is_due() -> Q:
    return Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now())


def claim_next() -> tuple[ReplicationJob, Lease] | None:
    """Claim the next job that this worker can run, with its context's lease; None if there is
    none."""
    # Repositories first: many jobs waiting for one must not hide the jobs of the others.
    needed = [Needs(*row) for row in _NEEDED.all()]
    unusable = _unusable_repositories({needs.repository_id for needs in needed})
    _tell_which_are_full(needed)
    waiting = _FIRST.all() if not unusable else _first(runnable().exclude(repository__in=unusable))
    for job_id, context_id, waits_for_kind, waits_for, *needs in waiting:
        awaited = Resource(LimitKind(waits_for_kind), waits_for) if waits_for_kind else None
        if claimed := _claim(job_id, context_id, awaited, Needs(*needs)):
            return claimed
    return None


_POLICY = "vm_context__effective_policy__limits_from__policy"
"""Of a job: the policy that says how many jobs of its VMs run at once."""


class Needs(NamedTuple):
    """What decides which places a job has from its claim to its end."""

    vcenter_id: int
    repository_id: int
    policy_id: int | None
    most_of_policy: int | None

    def resources(self) -> list[Resource]:
        """A policy without a limit is none."""
        needed = [limits.vcenter_jobs(self.vcenter_id), limits.repository_jobs(self.repository_id)]
        if self.policy_id is not None and self.most_of_policy:
            needed.append(limits.policy_jobs(self.policy_id))
        return needed


_NEEDS = ("vm_context__vcenter", "repository", _POLICY, f"{_POLICY}__most_running")


def _first(jobs: Any) -> Any:
    return jobs.values_list("pk", "vm_context", "waits_for_kind", "waits_for", *_NEEDS)[:LOOK_AT]


# Each claim asks these, and to put them together takes longer than to answer them.
_FIRST = Prepared(lambda: _first(runnable()))
_NEEDED = Prepared(lambda: runnable().order_by().values_list(*_NEEDS).distinct())


def _unusable_repositories(keys: Collection[int]) -> list[Repository]:
    """Those that this worker cannot use now, of the repositories of runnable jobs. Their jobs say
    so, unless another machine's worker can use them."""
    wanted = list(Repository.objects.filter(pk__in=keys))
    states = zip(wanted, looks.try_writing_to_all(wanted), strict=True)
    found = {repository: state.problem for repository, state in states if state.problem}
    others = health.repositories_of_others(leases.this_host(), database_now()) if found else set()
    for repository, problem in found.items():
        if problem == looks.NOT_OURS:
            reason = f"{FOR_WORKER_WITH} {repository.name}"
        else:
            reason = f"{FOR_REPOSITORY}: {problem}"
        if repository.pk not in others:
            _tell_why(repository, reason[:255])
    return list(found)


def _tell_why(repository: Repository, reason: str) -> None:
    """Record why its jobs wait. `updated_at`, which pages poll, changes only with the reason."""
    waiting = runnable().filter(repository=repository).exclude(current_operation=reason)
    with transaction.atomic():
        # Several workers may do this at once: rows that another worker holds are left to it.
        ReplicationJob.objects.filter(pk__in=lock_free(waiting), status=JobStatus.PENDING).update(
            current_operation=reason, updated_at=Now()
        )


def _tell_which_are_full(needed: Iterable[Needs]) -> None:
    """Of the runnable jobs, let those wait whose vCenter, repository or policy has no place for one
    more: they are looked at again when it has, and hide no others."""
    for resource in limits.full({each for needs in needed for each in needs.resources()}):
        _let_wait(resource)


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
def _claim(
    job_id: str, context_id: str, awaited: Resource | None, needs: Needs
) -> tuple[ReplicationJob, Lease] | None:
    if not statuses.hold_free(context_id):
        return None
    lease = leases.acquire(context_id, LeaseHolder.JOB, job_id=job_id)
    if lease is None:
        return None
    if places.take_all(lease, job_id, needs.resources()):
        leases.release(lease)
        return None
    waiting = ReplicationJob.objects.filter(pk=job_id, status=JobStatus.PENDING)
    may_have_moved = awaited if awaited and awaited.kind in MAY_HAVE_MOVED else None
    if may_have_moved and not places.take(lease, job_id, may_have_moved):
        # Another worker was faster. Now and then it is tried without.
        waiting = waiting.filter(_is_due())
    if not begin(waiting):
        places.release_all(lease)
        leases.release(lease)
        return None
    jobs = ReplicationJob.objects.select_related("vm_context__vcenter", "repository")
    return jobs.get(pk=job_id), lease


def begin(waiting: QuerySet[ReplicationJob]) -> int:
    """Let waiting jobs run, whose leases this worker has just got. Returns how many."""
    return waiting.filter(status=JobStatus.PENDING).update(
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
