"""The numbers of the home page: how well the estate is protected, and what happened recently.

Each takes one query, or a constant number of queries. Queries over jobs read only active jobs and
jobs that ended within the last 24 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, F, Q, QuerySet, Sum

from contexts.models import VMContext
from replication.models import ReplicationJob, Repository
from replication.selectors import space
from replication.selectors.protection import Terms, with_protection
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

    `worst` is the managed VM whose newest recovery point is the oldest relative to its target; of
    VMs without a target, the one with the oldest. It has what `with_protection` adds; None while
    there is no recovery point. VMs without one are not in it.
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


def settled(visible: Visible, terms: Terms) -> Settled:
    """As of `terms.now`."""
    now = terms.now
    ended = visible.jobs.filter(completed_at__gte=now - LATELY).aggregate(
        failed=Count("pk", filter=Q(status=JobStatus.FAILED)), moved=Sum("bytes_transferred")
    )
    ever = visible.managed.aggregate(successful=Sum("successful_jobs"))
    return Settled(
        worst=_worst(visible, terms),
        failed_jobs=ended["failed"],
        moved_bytes=ended["moved"] or 0,
        successful_jobs=ever["successful"] or 0,
        repositories=space.of_repositories(visible.repositories, now),
    )


def _worst(visible: Visible, terms: Terms) -> VMContext | None:
    """Two queries: the first reads an index, and not 10,000 wide rows."""
    contexts = with_protection(visible.managed, terms)
    found = (
        contexts.filter(newest_recovery_point_at__isnull=False)
        .order_by(F("risk").desc(nulls_last=True), "newest_recovery_point_at", "pk")
        .values_list("pk", flat=True)
        .first()
    )
    return None if found is None else contexts.filter(pk=found).first()


def last_job_failed_count(visible: Visible) -> int:
    """The number of managed VMs whose newest job failed, with or without a recovery point."""
    return visible.managed.filter(last_job_failed=True).count()
