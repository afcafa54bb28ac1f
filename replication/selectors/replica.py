"""A VM's replica: what removing the VM from management keeps, and what deletion removes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Now

from contexts.models import VMContext, VMDisk
from replication.engine.target import Layer
from replication.models import (
    DiskImage,
    ImageMerge,
    RecoveryPoint,
    RecoveryPointHold,
    VMSnapshot,
)
from replication.states import ImageState, MergeStage, RecoveryPointState, SnapshotState

_KEPT_STATES = [RecoveryPointState.AVAILABLE, RecoveryPointState.EXPIRING]


@dataclass(frozen=True)
class Replica:
    """`waiting_bytes` belong to files that the clean-up will remove."""

    point_count: int
    oldest_at: datetime | None
    newest_at: datetime | None
    stored_bytes: int
    waiting_bytes: int
    job_count: int
    snapshots: list[VMSnapshot]
    holds: list[RecoveryPointHold]


def replica_of(context: VMContext) -> Replica:
    """Takes a constant number of queries. `snapshots`: vmrep's that are not removed yet."""
    points = RecoveryPoint.objects.filter(vm_context=context, state__in=_KEPT_STATES)
    ages = points.aggregate(oldest=Min("consistent_at"), newest=Max("consistent_at"))
    images = DiskImage.objects.filter(vm_context=context).aggregate(
        stored=Sum("allocated_bytes", filter=Q(state=ImageState.COMMITTED)),
        waiting=Sum("allocated_bytes", filter=Q(state=ImageState.DELETING)),
    )
    return Replica(
        point_count=points.count(),
        oldest_at=ages["oldest"],
        newest_at=ages["newest"],
        stored_bytes=images["stored"] or 0,
        waiting_bytes=images["waiting"] or 0,
        job_count=context.jobs.count(),
        snapshots=list(context.snapshots.exclude(state=SnapshotState.REMOVED)),
        holds=active_holds(context),
    )


def last_image(disk: VMDisk, repository_id: int) -> DiskImage | None:
    """The newest committed image of the disk in a repository, which the next one there can be based
    on: a chain never leaves its repository.

    The newest is the one that was committed last, whatever workers' clocks said meanwhile.
    """
    return (
        DiskImage.objects.filter(
            disk=disk,
            repository=repository_id,
            state=ImageState.COMMITTED,
            recovery_point__state=RecoveryPointState.AVAILABLE,
        )
        .order_by("-recovery_point_id")
        .first()
    )


def layers_of(image: DiskImage, *, unfinished: bool = False) -> list[Layer]:
    """The chain of an image according to its rows: itself, then what it is based on, root last.

    `unfinished`: by the name that it has while it is being written. A constant number of queries.
    """
    return [
        Layer(image.temporary_locator if unfinished else image.locator, image.capacity_bytes),
        *layers_below(image.disk_id, image.parent_id),
    ]


def layers_below(disk_id: int, parent_id: int | None) -> list[Layer]:
    """As `layers_of`, from the image with that ID on; nothing for None."""
    return [layer for layer, _ in maps_below(disk_id, parent_id)]


def maps_below(disk_id: int, parent_id: int | None) -> list[tuple[Layer, str]]:
    """As `layers_below`, each with the digest of its chunk map; empty: it has none yet."""
    if parent_id is None:
        return []
    images = DiskImage.objects.filter(disk_id=disk_id)
    rows = {
        pk: (below, Layer(locator, size_bytes), map_digest)
        for pk, below, locator, size_bytes, map_digest in images.values_list(
            "pk", "parent_id", "locator", "capacity_bytes", "map_digest"
        )
    }
    found = []
    current: int | None = parent_id
    while current is not None:
        current, layer, map_digest = rows.pop(current)  # each occurs once: the database ensures it
        found.append((layer, map_digest))
    return found


def watched_layers(image: DiskImage) -> list[Layer]:
    """As `layers_of`, with what the files of each image were when it was committed: for
    `Target.differences`. Files that a merge may be changing are not compared."""
    layers = layers_of(image)
    being_merged = ImageMerge.objects.filter(
        image__disk=image.disk_id, stage__in=[MergeStage.MERGING, MergeStage.MERGED]
    )
    changing = {pk for row in being_merged.values_list("image", "child") for pk in row}
    images = DiskImage.objects.filter(disk=image.disk_id).exclude(pk__in=changing - {None})
    known = dict(images.values_list("locator", "as_committed"))
    return [layer._replace(as_committed=known.get(layer.locator, "")) for layer in layers]


def snapshots_left(context: VMContext) -> QuerySet[VMSnapshot]:
    """vmrep's snapshots that are still at the VM, or may be."""
    return VMSnapshot.objects.filter(vm_context=context).exclude(state=SnapshotState.REMOVED)


def active_holds(context: VMContext) -> list[RecoveryPointHold]:
    """The holds on recovery points of this VM, each with its point."""
    return list(
        RecoveryPointHold.objects.filter(recovery_point__vm_context=context)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
        .exclude(recovery_point__state=RecoveryPointState.EXPIRED)
        .select_related("recovery_point")
    )
