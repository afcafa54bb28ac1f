"""Repositories, and what depends on them."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import (
    OuterRef,
    QuerySet,
)

from contexts.models import VMContext
from replication.models import (
    DiskImage,
    RecoveryPoint,
    ReplicationJob,
    Repository,
)
from replication.selectors.subqueries import count_rows, sum_of_images
from replication.states import ImageState, RecoveryPointState


def repositories_for_list() -> QuerySet[Repository]:
    """All repositories with `context_count`, `point_count` and `stored_bytes`."""
    points = RecoveryPoint.objects.filter(
        repository=OuterRef("pk"), state=RecoveryPointState.AVAILABLE
    )
    contexts = VMContext.objects.filter(repository=OuterRef("pk"), unmanaged_at__isnull=True)
    return Repository.objects.annotate(
        context_count=count_rows(contexts),
        point_count=count_rows(points),
        stored_bytes=sum_of_images(
            "repository", DiskImage.objects.filter(state=ImageState.COMMITTED)
        ),
    ).order_by("name")


class RepositoryDependents(NamedTuple):
    """The numbers of rows that prevent a repository's removal."""

    contexts: int
    points: int
    images: int
    jobs: int


def dependents_of_repository(repository: Repository) -> RepositoryDependents:
    """VM records (managed or not), recovery points and images in any state, jobs."""
    return RepositoryDependents(
        *(
            model.objects.filter(repository=repository).count()
            for model in (VMContext, RecoveryPoint, DiskImage, ReplicationJob)
        )
    )
