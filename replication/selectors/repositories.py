"""Repositories, and what depends on them."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from contexts.clock import about_now
from contexts.models import VMContext
from replication.engine.target import Room
from replication.models import (
    DiskImage,
    Policy,
    RecoveryPoint,
    ReplicationJob,
    Repository,
    RepositorySpace,
)
from replication.selectors.damages import KEPT_STATES
from replication.selectors.points import points_in_detail
from replication.selectors.subqueries import count_rows, sum_of_images
from replication.states import ACTIVE_JOB_STATUSES, ImageState, RecoveryPointState


def repositories_for_list(among: QuerySet[VMContext] | None = None) -> QuerySet[Repository]:
    """All repositories with `context_count`, `point_count` and `stored_bytes`, of these VMs (None:
    of all)."""
    contexts = VMContext.objects.filter(repository=OuterRef("pk"), unmanaged_at__isnull=True)
    points = RecoveryPoint.objects.filter(
        repository=OuterRef("pk"), state=RecoveryPointState.AVAILABLE
    )
    images = DiskImage.objects.filter(state=ImageState.COMMITTED)
    if among is not None:
        contexts = contexts.filter(pk__in=among)
        points, images = points.filter(vm_context__in=among), images.filter(vm_context__in=among)
    return Repository.objects.annotate(
        context_count=count_rows(contexts),
        point_count=count_rows(points),
        stored_bytes=sum_of_images("repository", images),
    ).order_by("name")


def vms_in(repository: Repository) -> QuerySet[VMContext]:
    """The VMs that are kept in a repository, or were and left something there, by name. Adds
    `point_count`, `oldest_at`, `newest_at` and `stored_bytes`, all of this repository, and
    `going_count`: how many of the points are to go."""
    mine = Q(vm_context=OuterRef("pk"))
    points = RecoveryPoint.objects.filter(mine, repository=repository, state__in=KEPT_STATES)
    images = DiskImage.objects.filter(repository=repository)
    going = points.filter(removal__isnull=False)
    by_age = points.order_by("consistent_at", "pk").values("consistent_at")
    return (
        VMContext.objects.filter(
            Q(repository=repository, unmanaged_at__isnull=True)
            | Exists(points)
            | Exists(images.filter(mine))
        )
        .select_related("repository", "vcenter")
        .annotate(
            point_count=count_rows(points, "vm_context"),
            going_count=count_rows(going, "vm_context"),
            oldest_at=Subquery(by_age[:1]),
            newest_at=Subquery(by_age.reverse()[:1]),
            stored_bytes=sum_of_images("vm_context", images),
        )
        .order_by("vm_name", "pk")
    )


def points_in(repository: Repository) -> QuerySet[RecoveryPoint]:
    """The points that are in a repository, newest first, with what faces show of them."""
    return points_in_detail().filter(repository=repository, state__in=KEPT_STATES)


def space_of(repository: Repository) -> QuerySet[RepositorySpace]:
    """How full it was in each hour that is kept, the oldest first."""
    return RepositorySpace.objects.filter(repository=repository).order_by("hour")


def space_by_day(
    repository: Repository, days: int, room: Room | None, stored_bytes: int
) -> list[RepositorySpace]:
    """How full it was at the end of each of the last days, and is now (`room`, None: that is not
    known, and `stored_bytes`: as the rest of the page says); the oldest first."""
    now = about_now()
    hours = space_of(repository).filter(hour__gte=now - timedelta(days=days))
    by_day = {each.hour.date(): each for each in hours}
    if room is not None:
        by_day[now.date()] = RepositorySpace(
            repository=repository,
            hour=now,
            free_bytes=room.free_bytes,
            total_bytes=room.total_bytes,
            stored_bytes=stored_bytes,
        )
    return list(by_day.values())


class InTheWay(NamedTuple):
    """What prevents a repository's removal. `vms`: managed ones that are kept in it; `points` are
    there, or on their way out; `files`: of points that have gone or never were, which a clean-up
    removes; `jobs`: under way; `policies`: names of those that send VMs there."""

    vms: int
    points: int
    files: int
    jobs: int
    policies: tuple[str, ...]

    @property
    def reasons(self) -> list[str]:
        """Each with what to do about it."""
        found = [
            (self.vms, _VMS),
            (self.points, _POINTS),
            (self.files, _FILES),
            (self.jobs, _JOBS),
        ]
        told = [f"{words[count > 1].format(count)} {words[2]}" for count, words in found if count]
        return told + [
            f"Policy {name} sends VMs there. Choose another repository in it."
            for name in self.policies
        ]


_VMS = (
    "{} VM is kept there.",
    "{:,} VMs are kept there.",
    "Move each to another repository, or remove it from management.",
)
_POINTS = (
    "{} recovery point is there.",
    "{:,} recovery points are there.",
    "Delete them, or wait until retention has removed them; those of a VM that was removed from"
    " management go with its replica data.",
)
_FILES = (
    "{} file of a removed recovery point or an ended replication is still there.",
    "{:,} files of removed recovery points or ended replications are still there.",
    "A worker removes them within minutes.",
)
_JOBS = (
    "{} replication into it has not ended.",
    "{:,} replications into it have not ended.",
    "Wait until they end, or cancel them.",
)


def in_the_way(repository: Repository) -> InTheWay:
    """VMs first, then jobs: a VM that was moved away meanwhile had its job before."""
    contexts = VMContext.objects.filter(repository=repository, unmanaged_at__isnull=True).count()
    jobs = ReplicationJob.objects.filter(
        repository=repository, status__in=ACTIVE_JOB_STATUSES
    ).count()
    points = RecoveryPoint.objects.filter(repository=repository, state__in=KEPT_STATES)
    images = DiskImage.objects.filter(repository=repository)
    policies = Policy.objects.filter(repository=repository).order_by("name")
    return InTheWay(
        vms=contexts,
        points=points.count(),
        files=images.exclude(recovery_point__state__in=KEPT_STATES).count(),
        jobs=jobs,
        policies=tuple(name or "" for name in policies.values_list("name", flat=True)),
    )
