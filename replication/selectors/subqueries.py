"""What selectors count, sum up and fetch along with their rows."""

from __future__ import annotations

from django.db.models import (
    BigIntegerField,
    Count,
    IntegerField,
    OuterRef,
    Prefetch,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from contexts.models import VMContext
from replication.models import (
    DiskImage,
    RecoveryPoint,
    ReplicationJob,
)


def count_rows(
    rows: QuerySet[VMContext] | QuerySet[RecoveryPoint] | QuerySet[DiskImage],
    key: str = "repository",
) -> Coalesce:
    counted = rows.order_by().values(key).annotate(rows=Count("pk")).values("rows")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


def sum_of_images(
    key: str, images: QuerySet[DiskImage], column: str = "allocated_bytes"
) -> Coalesce:
    summed = (
        images.filter(**{key: OuterRef("pk")})
        .order_by()
        .values(key)
        .annotate(total=Sum(column))
        .values("total")
    )
    return Coalesce(Subquery(summed, output_field=BigIntegerField()), Value(0))


IMAGES = "images_with_disks"
"""The attribute of a job that `images_with_disks` fetches its images into."""


def images_with_disks() -> Prefetch[str]:
    return Prefetch(
        "images",
        DiskImage.objects.select_related("disk").order_by("disk__device_key", "id"),
        to_attr=IMAGES,
    )


def images_of(job: ReplicationJob) -> list[DiskImage]:
    """What `images_with_disks` fetched."""
    images: list[DiskImage] = getattr(job, IMAGES)
    return images
