"""Step 4: what has to be read, disk by disk. Progress is measured against the plan's bytes."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from contexts.models import VMContext, VMDisk
from contexts.services import statuses
from contexts.services.disks import digits
from contexts.services.refresh import disk_id
from contexts.text import storable
from contexts.vsphere import cbt, snapshots
from contexts.vsphere.errors import CbtFault, ObjectGone
from contexts.vsphere.records import DiskRecord
from replication.engine.errors import ExtentError
from replication.engine.extents import Extent, normalise, total_bytes
from replication.errors import PreflightRefused
from replication.models import DiskImage
from replication.retention.standing import MOST_IMAGES
from replication.selectors.damages import damage_of_chain
from replication.selectors.replica import last_image, layers_of
from replication.services import leases
from replication.services.finish import WORKER
from replication.states import FIRST_SYNC, ImageState, StepName, SyncRequest, SyncType, type_of
from replication.sync import reading, room
from replication.sync.devices import protected_disks
from replication.sync.job_run import DiskPlan, JobRun
from replication.sync.sample import what_tracking_missed
from replication.sync.trust import Trust
from replication.sync.watch import what_is_wrong

ALLOCATED = "*"  # the change ID that asks for all allocated areas


def make_plan(run: JobRun) -> None:
    """Plan every protected disk from the snapshot's own devices."""
    with run.step(StepName.PLAN) as note:
        pairs = protected_disks(run)
        if not pairs:
            raise PreflightRefused(
                f"{run.vm.name} has no disk that can be replicated. Attach one that is neither"
                " independent nor shared, or remove the VM from management."
            )
        reading.with_snapshot(run, [source for _, source in pairs], note)
        run.lineage = snapshots.lineage(run.session, run.vm.moref, run.taken_snapshot.moref)
        trust = Trust(run, run.lineage)
        run.plans = [_plan_disk(run, trust, row, source) for row, source in pairs]
        total = sum(plan.planned_bytes for plan in run.plans)
        run.update(
            total_bytes=total,
            bytes_transferred=0,
            replication_type=type_of([plan.sync_type for plan in run.plans]),
        )
        room.tell(run, total, note)
        for plan in run.plans:
            note.say(f"{plan.disk.disk_id}: {plan.sync_type.value}. {plan.note}".strip())


def _plan_disk(run: JobRun, trust: Trust, disk: VMDisk, source: DiskRecord) -> DiskPlan:
    run.check()
    parent = last_image(disk, run.job.repository_id)
    if parent is None:
        return _initial(run, disk, source, FIRST_SYNC)
    if source.capacity_bytes < parent.capacity_bytes:
        return _initial(run, disk, source, "The disk is smaller than before.")
    if damage_of_chain(parent):
        note = "An image of its chain is damaged or missing, so a new chain begins."
        return _initial(run, disk, source, note)
    if wrong := what_is_wrong(run, parent):
        note = f"Its chain is not as it was committed, so a new one begins. {wrong}"
        return _initial(run, disk, source, note)
    if len(layers_of(parent)) >= MOST_IMAGES:
        note = f"Its chain has {MOST_IMAGES} images, so a new chain begins."
        return _initial(run, disk, source, note)
    requested = run.job.requested_sync
    if requested == SyncRequest.INITIAL:
        return _initial(run, disk, source, f"{run.job.requested_by} asked for a full copy.")
    if requested == SyncRequest.CHECKSUM:
        wanted = f"{run.job.requested_by} asked for a comparison."
    else:
        wanted = _read_whole_since(disk, parent)
    reason = wanted or trust.doubt(source, parent) or disk.tracking_doubt
    if not reason:
        try:
            extents = _changed(run, source, str(parent.change_id))
        except CbtFault as problem:
            reason = f"Change tracking cannot answer ({problem})."
        else:
            plan = _overlay(disk, source, parent, SyncType.INCREMENTAL, extents, "")
            reason = what_tracking_missed(run, plan)
            if not reason:
                return plan
            if reason != disk.tracking_doubt:
                _tell_of_doubt(run, disk, parent, reason)
    if not wanted:
        _note_doubt(disk, reason)
    whole = [Extent(0, source.capacity_bytes)]
    note = f"{reason} The whole disk is compared."
    return _overlay(disk, source, parent, SyncType.CHECKSUM, whole, note)


def _read_whole_since(disk: VMDisk, parent: DiskImage) -> str:
    """Why the disk is compared although nothing speaks against tracking any more: what did, ended
    with a recovery point that this one is not based on."""
    if (parent.recovery_point_id or 0) >= (disk.read_whole_at_point or 0):
        return ""
    return (
        "The disk was read whole for a later recovery point, in another repository or removed"
        " since: change tracking is not believed about the time before that."
    )


def _note_doubt(disk: VMDisk, reason: str) -> None:
    """Before anything else: another attempt's sample may miss what this one's hit. The commit of a
    comparison forgets it. Of a worker that was paused it costs a comparison more."""
    if reason != disk.tracking_doubt:
        VMDisk.objects.filter(pk=disk.pk).update(tracking_doubt=storable(reason), updated_at=Now())


def _tell_of_doubt(run: JobRun, disk: VMDisk, parent: DiskImage, reason: str) -> None:
    """What a sample has found is about recovery points that exist, not only about this one."""
    whole = DiskImage.objects.filter(
        disk=disk,
        repository=parent.repository_id,
        state=ImageState.COMMITTED,
        pk__lte=parent.pk,
    ).exclude(sync_type=SyncType.INCREMENTAL)
    read_whole = whole.select_related("recovery_point").order_by("pk").last()
    since = ""
    if read_whole is not None and read_whole.recovery_point is not None:
        since = f" after that of {read_whole.recovery_point.consistent_at:%Y-%m-%d %H:%M:%S} UTC"
    why = (
        f"{disk.label or disk.disk_id}: {reason} Recovery points{since} may lack what it lost. The"
        " disk is compared as a whole now; then reset change tracking (“Compare or copy"
        " everything”), or it may lose writes again."
    )
    with transaction.atomic():
        leases.require(run.lease)
        status = VMContext.objects.values_list("current_status", flat=True).get(pk=run.context.pk)
        statuses.record_event(
            run.context.pk, old=status, new=status, why=why, actor=WORKER, job_id=run.job.pk
        )


def _initial(run: JobRun, disk: VMDisk, source: DiskRecord, note: str) -> DiskPlan:
    """A new chain root with all allocated areas, or with everything if vSphere cannot list them."""
    capacity = source.capacity_bytes or 0
    if source.is_linked:
        extents = [Extent(0, capacity)]
        note += " It is the disk of a linked clone: the whole disk is read."
    elif source.change_id is None:
        extents = [Extent(0, capacity)]
        note += " Without change tracking, the whole disk is read."
    elif not _tracked_below(run, source):
        extents = [Extent(0, capacity)]
        note += (
            " Change tracking was turned on or reset while the VM had snapshots, and may not know"
            " what they hold: the whole disk is read."
        )
    else:
        try:
            extents = _changed(run, source, ALLOCATED)
        except CbtFault as problem:
            extents = [Extent(0, capacity)]
            note += f" vSphere cannot list allocated areas ({problem}); the whole disk is read."
    return DiskPlan(disk, source, SyncType.INITIAL, extents, None, None, note)


def _tracked_below(run: JobRun, source: DiskRecord) -> bool:
    """Whether every snapshot that vmrep's builds on holds the disk as tracked, in the same epoch.
    Otherwise vSphere may leave out what is allocated there, without an error."""
    lineage = run.snapshot_lineage
    if lineage.snapshots is None or source.change_id is None:
        return False
    epoch = source.change_id.partition("/")[0]
    for moref in lineage.line:
        run.check()
        try:
            below = snapshots.disks(run.session, moref)
        except ObjectGone:
            return False
        for disk in below:
            # A disk that was moved to another controller has another key there.
            same = disk.device_key == source.device_key or (
                digits(disk.disk_uuid) == digits(source.disk_uuid) != ""
            )
            if same and (disk.change_id or "").partition("/")[0] != epoch:
                return False
    return True


def _overlay(
    disk: VMDisk,
    source: DiskRecord,
    parent: DiskImage,
    sync_type: SyncType,
    extents: list[Extent],
    note: str,
) -> DiskPlan:
    return DiskPlan(disk, source, sync_type, extents, parent, parent.change_id, note)


def _changed(run: JobRun, source: DiskRecord, change_id: str) -> list[Extent]:
    """What has changed since then according to change tracking. Raises CbtFault when it cannot
    say, or says something impossible."""
    capacity = source.capacity_bytes or 0
    pages: list[int] = []

    def on_page(area_count: int) -> None:
        run.check()  # there may be many pages, each of them slow
        pages.append(area_count)

    areas = cbt.changed_areas(
        run.session,
        run.vm.moref,
        run.taken_snapshot.moref,
        source.device_key,
        capacity,
        change_id,
        on_page=on_page,
    )
    try:
        extents = normalise(areas, capacity)
    except ExtentError as problem:
        raise CbtFault(
            f"It names areas that cannot exist: {problem} vmrep has to read or compare the whole"
            " disk.",
            fault="ImpossibleAreas",
        ) from problem
    what = "allocated" if change_id == ALLOCATED else f"changed since {change_id}"
    run.log(
        f"{disk_id(source.device_key)}: {what} according to change tracking: pages {len(pages):,},"
        f" areas {sum(pages):,}, extents {len(extents):,}, {total_bytes(extents):,} bytes."
    )
    return extents
