"""Recovery points."""

from __future__ import annotations

from django.db.models import (
    QuerySet,
)

from contexts.models import VMContext
from replication.models import (
    DiskImage,
    RecoveryPoint,
)
from replication.selectors.subqueries import images_with_disks, sum_of_images
from replication.states import RecoveryPointState

RECOVERY_POINTS_LENGTH = 100


def recovery_points(
    context: VMContext, limit: int | None = RECOVERY_POINTS_LENGTH
) -> QuerySet[RecoveryPoint]:
    """The points that the VM can be restored to, newest first, with `images_with_disks`.

    Without a limit it is for callers that page it.

    Adds `stored_bytes` (what the point's own files take) and `capacity_bytes` (of its disks).
    """
    images = DiskImage.objects.all()
    return (
        context.recovery_points.filter(
            state__in=[RecoveryPointState.AVAILABLE, RecoveryPointState.EXPIRING]
        )
        .select_related("repository", "job")
        .annotate(
            stored_bytes=sum_of_images("recovery_point", images),
            capacity_bytes=sum_of_images("recovery_point", images, "capacity_bytes"),
        )
        .prefetch_related(images_with_disks())
        .order_by("-consistent_at", "-id")[:limit]
    )
