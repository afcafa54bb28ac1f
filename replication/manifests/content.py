"""From a VM's rows to what its manifest says. Called under the lock of the context's row: nothing
of it changes meanwhile. A constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar, cast

from django.db.models import Exists, OuterRef, Q

from contexts.models import VMContext, VMDisk, VMNetworkAdapter
from replication.engine.manifest import (
    AdapterPart,
    DiskPart,
    HoldPart,
    ImagePart,
    JobPart,
    PointPart,
    RemovalPart,
    SnapshotPart,
    Specs,
    VCenterPart,
    VmPart,
)
from replication.models import (
    DiskImage,
    PointRemoval,
    PointSnapshot,
    RecoveryPoint,
    RecoveryPointHold,
    ReplicationJob,
)
from replication.states import ImageState, RecoveryPointState, RemovalState

T = TypeVar("T")


def of_vm(context: VMContext, repository_id: int) -> VmPart:
    """The VM with its recovery points in that repository. Points that are being removed are among
    them, since others' images are based on theirs; what has expired is not."""
    points = RecoveryPoint.objects.filter(
        vm_context=context,
        repository=repository_id,
        state__in=[RecoveryPointState.AVAILABLE, RecoveryPointState.EXPIRING],
    )
    images = _by(
        DiskImage.objects.filter(recovery_point__in=points, state=ImageState.COMMITTED)
        .order_by("position")
        .defer("extent_map"),
        "recovery_point_id",
    )
    holds = RecoveryPointHold.objects.filter(recovery_point__in=points).order_by("pk")
    removals = PointRemoval.objects.filter(recovery_point__in=points, state=RemovalState.UNDER_WAY)
    removal_of = {removal.recovery_point_id: removal for removal in removals}
    snapshots = _by(PointSnapshot.objects.filter(recovery_point__in=points), "recovery_point_id")
    held = _by(holds, "recovery_point_id")
    return VmPart(
        context_id=context.pk,
        instance_uuid=context.vmware_vm_id,
        is_managed=context.is_managed,
        is_kept_here=context.repository_id == repository_id,
        rpo_target_seconds=context.rpo_target_seconds,
        vcenter=_vcenter(context),
        specs=cast(Specs, context.spec_values()),
        disks=_disks(context, repository_id),
        adapters=_adapters(context),
        points=tuple(
            _point(
                point,
                removal_of.get(point.pk),
                snapshots[point.pk],
                held[point.pk],
                images[point.pk],
            )
            for point in points.select_related("job").order_by("pk")
        ),
    )


def _by(rows: Iterable[T], column: str) -> defaultdict[int, list[T]]:
    found = defaultdict[int, list[T]](list)
    for row in rows:
        found[getattr(row, column)].append(row)
    return found


def _vcenter(context: VMContext) -> VCenterPart:
    vcenter = context.vcenter
    return VCenterPart(
        name=vcenter.name,
        host=vcenter.host,
        port=vcenter.port,
        username=vcenter.username,
        trust_mode=vcenter.trust_mode,
        fingerprint_sha256=vcenter.fingerprint_sha256,
        transport=vcenter.transport,
        nbd_command=vcenter.nbd_command,
        instance_uuid=vcenter.instance_uuid,
        host_uuid=vcenter.host_uuid,
    )


def _disks(context: VMContext, repository_id: int) -> tuple[DiskPart, ...]:
    here = DiskImage.objects.filter(
        disk=OuterRef("pk"), repository=repository_id, state=ImageState.COMMITTED
    )
    wanted = VMDisk.objects.filter(vm_context=context).filter(
        Q(removed_at__isnull=True) | Exists(here)
    )
    return tuple(
        DiskPart(
            number=disk.pk,
            disk_id=disk.disk_id,
            device_key=disk.device_key,
            disk_uuid=disk.disk_uuid,
            label=disk.label,
            capacity_bytes=disk.capacity_bytes,
            vmdk_path=disk.vmdk_path,
            datastore=disk.datastore,
            backing_type=disk.backing_type,
            provisioning_type=disk.provisioning_type,
            disk_mode=disk.disk_mode,
            sharing=disk.sharing,
            controller_type=disk.controller_type,
            unprotected_reason=disk.unprotected_reason,
            accept_unprotected=disk.accept_unprotected,
            tracking_doubt=disk.tracking_doubt,
            read_whole_at_point=disk.read_whole_at_point,
            removed_at=disk.removed_at,
        )
        for disk in wanted.order_by("pk")
    )


def _adapters(context: VMContext) -> tuple[AdapterPart, ...]:
    adapters = VMNetworkAdapter.objects.filter(vm_context=context, removed_at__isnull=True)
    return tuple(
        AdapterPart(
            adapter_id=one.adapter_id,
            device_key=one.device_key,
            label=one.label,
            mac_address=one.mac_address,
            network_name=one.network_name,
            adapter_type=one.adapter_type,
            connected=one.connected,
            ip_addresses=tuple(one.ip_addresses),
        )
        for one in adapters.order_by("pk")
    )


def _point(
    point: RecoveryPoint,
    removal: PointRemoval | None,
    snapshots: list[PointSnapshot],
    holds: list[RecoveryPointHold],
    images: list[DiskImage],
) -> PointPart:
    return PointPart(
        number=point.pk,
        consistent_at=point.consistent_at,
        quiesced=point.quiesced,
        comment=point.comment,
        source_moref=point.source_moref,
        snapshot_taken_at=point.snapshot_taken_at,
        source_booted_at=point.source_booted_at,
        snapshots_known=point.snapshots_known,
        job=_job(point.job),
        removal=RemovalPart(removal.why, removal.requested_by) if removal else None,
        snapshots=tuple(
            SnapshotPart(one.moref, one.parent_moref, one.taken_at, one.is_current)
            for one in snapshots
        ),
        holds=tuple(
            HoldPart(hold.kind, hold.owner, hold.comment, hold.expires_at) for hold in holds
        ),
        images=tuple(_image(image) for image in images),
    )


def _job(job: ReplicationJob) -> JobPart:
    if job.completed_at is None:
        raise RuntimeError("a recovery point's job has completed")
    return JobPart(
        id=job.pk,
        source_vm_id=job.source_vm_id,
        source_vm_name=job.source_vm_name,
        replication_type=job.replication_type or "",
        trigger=job.trigger,
        requested_by=job.requested_by,
        requested_sync=job.requested_sync,
        total_bytes=job.total_bytes or 0,
        attempt=job.attempt,
        transport=job.transport,
        transport_reason=job.transport_reason,
        worker_name=job.worker_name,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
    )


def _image(image: DiskImage) -> ImagePart:
    return ImagePart(
        number=image.pk,
        disk=image.disk_id,
        parent=image.parent_id,
        position=image.position or 0,
        attempt=image.attempt,
        format=image.format,
        locator=image.locator,
        sync_type=image.sync_type,
        capacity_bytes=image.capacity_bytes,
        planned_bytes=image.planned_bytes,
        plan_note=image.plan_note,
        extent_count=image.extent_count,
        transfer_seconds=float(image.transfer_seconds),
        allocated_bytes=image.allocated_bytes,
        change_id=image.change_id,
        previous_change_id=image.previous_change_id,
        snapshot_moref=image.snapshot_moref,
        digest=image.digest,
        merged_digest=image.merged_digest,
        map_digest=image.map_digest,
        as_committed=image.as_committed,
    )
