"""What a job that ends leaves in rows: its recovery point, its images, its disks' CBT history.

Called by `finish` alone, inside its transactions and under its locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F
from django.db.models.functions import Now

from contexts.models import VMDisk
from contexts.vsphere.lineage import Lineage
from replication.errors import LeaseLost, TryAgain
from replication.models import (
    CBTHistory,
    DiskImage,
    PointSnapshot,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.models.cbt import BLOCK_BYTES
from replication.selectors.damages import damage_of_chain
from replication.selectors.replica import last_image
from replication.states import ImageState, RecoveryPointState, SyncType


@dataclass(frozen=True)
class SealedDisk:
    """What the commit needs to know about one disk's finished image."""

    image_id: int
    allocated_bytes: int
    digest: str
    map_digest: str = ""
    as_committed: str = ""


def require_chains(images: Sequence[DiskImage]) -> None:
    """An image holds the changes since its parent: the changes of a newer parent would be lost,
    and a damaged one gives it a damaged disk."""
    for image in images:
        last = last_image(image.disk, image.repository_id)
        if image.parent_id is not None and image.parent_id != (last and last.pk):
            raise TryAgain(
                f"{image.locator} is based on {image.parent}, which is no longer the last image of"
                f" {image.disk.disk_id} ({last}). vmrep will plan and read the disk again."
            )
        if last is not None and image.parent_id == last.pk and (what := damage_of_chain(last)):
            raise TryAgain(
                f"{image.locator} is based on a damaged image: {what} vmrep will copy the disk in"
                " full, into a new chain."
            )


def create_point(
    job: ReplicationJob, snapshot: VMSnapshot, lineage: Lineage, *, disk_count: int
) -> RecoveryPoint:
    """The job's recovery point, with what a later job tells a revert by."""
    point = RecoveryPoint.objects.create(
        vm_context_id=job.vm_context_id,
        repository_id=job.repository_id,
        job=job,
        consistent_at=snapshot.consistent_at,
        quiesced=bool(snapshot.quiesced),
        disk_count=disk_count,
        state=RecoveryPointState.AVAILABLE,
        source_moref=lineage.vm_moref,
        snapshot_taken_at=lineage.known_at,
        source_booted_at=lineage.booted_at,
        snapshots_known=lineage.snapshots is not None,
    )
    PointSnapshot.objects.bulk_create(
        PointSnapshot(
            recovery_point=point,
            moref=one.moref,
            parent_moref=one.parent_moref or "",
            taken_at=one.created_at,
            is_current=one.moref == lineage.current,
        )
        for one in lineage.snapshots or ()
    )
    return point


def commit_images(job: ReplicationJob, point: RecoveryPoint, disks: Sequence[SealedDisk]) -> None:
    """Raises LeaseLost when one of the images is not this job's to commit any more."""
    for position, disk in enumerate(disks, start=1):
        changed = DiskImage.objects.filter(
            pk=disk.image_id, job=job, state=ImageState.WRITING
        ).update(
            state=ImageState.COMMITTED,
            recovery_point=point,
            position=position,
            of_disks=point.disk_count,
            allocated_bytes=disk.allocated_bytes,
            digest=disk.digest,
            map_digest=disk.map_digest,
            as_committed=disk.as_committed,
            transferred_bytes=F("planned_bytes"),
            extent_map=None,  # now in the CBT history, with the job
            updated_at=Now(),
        )
        if changed != 1:
            raise LeaseLost(f"image {disk.image_id} of {job.pk} belongs to another worker")


def forget_doubts(images: Sequence[DiskImage], point: RecoveryPoint) -> None:
    """What spoke against change tracking is over for disks that were read whole, in what is based
    on this point. What is based on an older one, in another repository or because this one is gone,
    still lacks what tracking lost until now."""
    whole = [image.disk_id for image in images if image.sync_type != SyncType.INCREMENTAL]
    VMDisk.objects.filter(pk__in=whole).update(
        tracking_doubt="", read_whole_at_point=point.pk, updated_at=Now()
    )


def abandon_images(job: ReplicationJob) -> list[DiskImage]:
    """Mark unfinished images for deletion; the clean-up removes the files and then the rows."""
    images = list(DiskImage.objects.filter(job=job, state=ImageState.WRITING))
    DiskImage.objects.filter(job=job, state=ImageState.WRITING).update(
        state=ImageState.DELETING, updated_at=Now()
    )
    return images


def record_cbt(images: Sequence[DiskImage], *, success: bool) -> None:
    CBTHistory.objects.bulk_create(
        CBTHistory(
            vm_context_id=image.vm_context_id,
            job_id=image.job_id,
            disk_id=image.disk_id,
            change_id=image.change_id,
            previous_change_id=image.previous_change_id,
            sync_type=image.sync_type,
            blocks_changed=-(-image.planned_bytes // BLOCK_BYTES),
            bytes_transferred=image.planned_bytes if success else image.transferred_bytes,
            sync_duration_seconds=image.transfer_seconds,
            sync_success=success,
            note=image.plan_note,
            capacity_bytes=image.capacity_bytes,
            extent_count=image.extent_count,
            extent_map=image.extent_map,
        )
        for image in images
    )
