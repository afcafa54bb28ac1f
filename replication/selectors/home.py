"""The numbers of the home page: how well the estate is protected, and what happened recently.

Each takes one query, or a constant number of queries. Queries over jobs read only active jobs and
jobs that ended within the last 24 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet, Sum

from contexts.models import VMContext
from replication.models import ReplicationJob, Repository
from replication.selectors import space
from replication.selectors.rpo import with_rpo
from replication.selectors.space import Repositories
from replication.states import ACTIVE_JOB_STATUSES, JobStatus

LATELY = timedelta(hours=24)


@dataclass(frozen=True)
class Visible:
    """The rows that the numbers count: those that the user sees."""

    contexts: QuerySet[VMContext]
    jobs: QuerySet[ReplicationJob]
    repositories: QuerySet[Repository]

    @property
    def managed(self) -> QuerySet[VMContext]:
        return self.contexts.filter(unmanaged_at__isnull=True)


@dataclass(frozen=True)
class Settled:
    """Numbers that change only when a job ends, a VM is added or removed, or time passes.

    `worst` is the managed VM with the oldest newest recovery point (with `newest_point_at` and
    `rpo_state`); None while there is no recovery point. VMs without one are not in it.
    `failed_jobs` and `moved_bytes` are of the jobs that ended within 24 hours, `successful_jobs`
    those of managed VMs, ever.
    """

    worst: VMContext | None
    failed_jobs: int
    moved_bytes: int
    successful_jobs: int
    repositories: Repositories


@dataclass(frozen=True)
class HomeNumbers(Settled):
    """The numbers that also depend on active jobs.

    `moved_bytes` are the bytes of their plans that jobs read: those that ended within 24 hours,
    whatever their end, and those that are active.
    """

    running_jobs: int
    waiting_jobs: int


def home_numbers(settled: Settled, visible: Visible) -> HomeNumbers:
    """One query, over the active jobs."""
    active = visible.jobs.filter(status__in=ACTIVE_JOB_STATUSES).aggregate(
        running_jobs=Count("pk", filter=Q(status=JobStatus.RUNNING)),
        waiting_jobs=Count("pk", filter=Q(status=JobStatus.PENDING)),
        moved_bytes=Sum("bytes_transferred"),
    )
    active["moved_bytes"] = (active["moved_bytes"] or 0) + settled.moved_bytes
    return HomeNumbers(**(vars(settled) | active))


def settled(visible: Visible, now: datetime) -> Settled:
    """As of `now`."""
    ended = visible.jobs.filter(completed_at__gte=now - LATELY).aggregate(
        failed=Count("pk", filter=Q(status=JobStatus.FAILED)), moved=Sum("bytes_transferred")
    )
    ever = visible.managed.aggregate(successful=Sum("successful_jobs"))
    return Settled(
        worst=_worst(visible, now),
        failed_jobs=ended["failed"],
        moved_bytes=ended["moved"] or 0,
        successful_jobs=ever["successful"] or 0,
        repositories=space.of_repositories(visible.repositories, now),
    )


def _worst(visible: Visible, now: datetime) -> VMContext | None:
    protected = with_rpo(visible.managed, now)
    found: VMContext | None = (
        protected.filter(newest_recovery_point_at__isnull=False)
        .order_by("newest_recovery_point_at", "pk")
        .first()
    )
    return found


def last_job_failed_count(visible: Visible) -> int:
    """The number of managed VMs whose newest job failed, with or without a recovery point."""
    return visible.managed.filter(last_job_failed=True).count()
