"""Recovery points."""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from contexts.models import VMContext
from replication.models import DiskImage, PointRemoval, RecoveryPoint, RecoveryPointHold
from replication.selectors.subqueries import images_with_disks, sum_of_images
from replication.states import HoldKind, RecoveryPointState, RemovalState
from replication.verify.selectors import newest_verifications

RECOVERY_POINTS_LENGTH = 100


def recovery_points(
    context: VMContext, limit: int | None = RECOVERY_POINTS_LENGTH
) -> QuerySet[RecoveryPoint]:
    """The points that the VM can be restored to, newest first, with `images_with_disks`.

    Without a limit it is for callers that page it.

    Adds `stored_bytes` (what the point's own files take) and `capacity_bytes` (of its disks).
    """
    kept = [RecoveryPointState.AVAILABLE, RecoveryPointState.EXPIRING]
    return points_in_detail().filter(vm_context=context, state__in=kept)[:limit]


def points_in_detail() -> QuerySet[RecoveryPoint]:
    """All points, newest first, with what faces show of them: also expired ones."""
    images = DiskImage.objects.all()
    pins = RecoveryPointHold.objects.filter(recovery_point=OuterRef("pk"), kind=HoldKind.PIN)
    return (
        RecoveryPoint.objects.select_related("repository", "job", "removal")
        .annotate(
            pinned_by=Subquery(pins.values("owner")[:1]),
            pin_comment=Subquery(pins.values("comment")[:1]),
            stored_bytes=sum_of_images("recovery_point", images),
            capacity_bytes=sum_of_images("recovery_point", images, "capacity_bytes"),
        )
        .prefetch_related(images_with_disks(), newest_verifications(), "removal__merges")
        .order_by("-consistent_at", "-id")
    )


def points_asked_to_go(vm: VMContext) -> set[int]:
    """The keys of its recovery points whose removal is wanted or under way."""
    wanted = PointRemoval.objects.filter(vm_context=vm).exclude(state=RemovalState.DONE)
    return set(wanted.values_list("recovery_point_id", flat=True))
