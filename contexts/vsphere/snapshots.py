"""Snapshots of a VM: made, found again, read and removed. Never anybody else's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pyVmomi import vim

from contexts.vsphere.answers import NOT_AS_DESCRIBED
from contexts.vsphere.collector import (
    PAGE_SIZE,
    BulkReading,
    Found,
    read_object,
)
from contexts.vsphere.devices import disks_of, snapshots_of, utc
from contexts.vsphere.errors import ObjectGone, SnapshotNotListed, TaskFailed
from contexts.vsphere.faults import understanding
from contexts.vsphere.lineage import Lineage, as_of
from contexts.vsphere.names import decode_name
from contexts.vsphere.records import DiskRecord, SnapshotRecord
from contexts.vsphere.session import Session
from contexts.vsphere.tasks import (
    CREATE_SNAPSHOT_SECONDS,
    REMOVE_SNAPSHOT_SECONDS,
    RunningTask,
    results,
    running_task,
    wait_for_task,
)
from contexts.vsphere.texts import MOST_NAME, cut
from contexts.vsphere.verdicts import Activity

logger = logging.getLogger(__name__)

LISTED_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 1.0

OnWait = Callable[[], None] | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was made. `quiesced_achieved` is what vSphere recorded, not what was asked
    for: it may ignore the request without an error. `taken_at`: by its host's clock. None when
    vSphere does not say.
    """

    moref: str
    quiesced_achieved: bool | None
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class SnapshotsOfVm:
    """A VM with its snapshots; None when the account may not read them, or they cannot be
    understood."""

    vm_moref: str
    instance_uuid: str | None
    vm_name: str
    snapshots: tuple[SnapshotRecord, ...] | None


def of_all_vms(session: Session, page_size: int = PAGE_SIZE) -> Iterator[SnapshotsOfVm]:
    """Every VM that the account may see, with its snapshots: a call per page, none per VM.

    Raises ConnectionLost when the connection is lost between pages: what was not seen by then may
    still exist.
    """
    paths = {vim.VirtualMachine: ("name", "config.instanceUuid", "snapshot")}
    for page in BulkReading(session, "Reading the snapshots of all VMs", paths, page_size):
        for found in page:
            name = decode_name(str(found.properties.get("name") or found.moref))
            uuid = found.properties.get("config.instanceUuid")
            yield SnapshotsOfVm(
                vm_moref=found.moref,
                instance_uuid=uuid if isinstance(uuid, str) and uuid else None,
                vm_name=cut(name, MOST_NAME),
                snapshots=_readable_snapshots(found),
            )


def _readable_snapshots(found: Found) -> tuple[SnapshotRecord, ...] | None:
    if "snapshot" in found.missing:
        return None
    try:
        return snapshots_of(found.properties.get("snapshot"))
    except NOT_AS_DESCRIBED as error:
        logger.warning("The snapshots of %s cannot be understood: %r", found.moref, error)
        return None


def create(
    session: Session,
    vm_moref: str,
    name: str,
    description: str,
    quiesce: bool,
    on_wait: OnWait = None,
) -> Snapshot:
    """Make a snapshot without memory and wait for it.

    Raises SnapshotNotListed when it was made, but the VM does not list it, and
    QuiesceFailed for every fault of a snapshot that was to be quiesced, unless the VM is
    busy or its host away (try again, or without quiescing), TaskFailed, PrivilegeMissing,
    ObjectGone. On ConnectionLost, and on TaskStillRunning after CREATE_SNAPSHOT_SECONDS, it is
    unknown whether vSphere makes it: nothing was asked twice, so look with `running_snapshot_task`
    and `named` before asking again.
    """
    vm = session.object(vim.VirtualMachine, vm_moref)
    doing = f"Creating the snapshot {name!r} of {vm_moref}"
    activity = Activity.QUIESCING if quiesce else Activity.CREATING_SNAPSHOT
    task = session.invoke(
        doing,
        lambda: vm.CreateSnapshot_Task(
            name=name, description=description, memory=False, quiesce=quiesce
        ),
        repeat=False,
        activity=activity,
    )
    moref = wait_for_task(
        session,
        str(task._moId),
        doing,
        on_wait,
        patience_seconds=CREATE_SNAPSHOT_SECONDS,
        activity=activity,
    )
    return _listed(session, vm_moref, name, moref, doing, on_wait)


def _listed(
    session: Session, vm_moref: str, name: str, moref: str | None, doing: str, on_wait: OnWait
) -> Snapshot:
    """The snapshot that was made, as the VM lists it; a vCenter may need a moment for that."""
    until = time.monotonic() + LISTED_SECONDS
    while True:
        for record in tree(session, vm_moref):
            if record.moref == moref if moref else record.name == name:
                return Snapshot(record.moref, record.quiesced, record.created_at)
        if moref is None or not is_there(session, moref, vm_moref):
            raise ObjectGone(
                f"{doing}: vSphere reports success, but the VM does not have the snapshot. It may"
                " have been removed at once. Try again."
            )
        if time.monotonic() > until:
            raise _not_listed(f"{doing}: vSphere made {moref}, but", moref)
        if on_wait is not None:
            on_wait()
        time.sleep(_LOOK_EVERY_SECONDS)


def _not_listed(begun: str, moref: str) -> SnapshotNotListed:
    return SnapshotNotListed(
        f"{begun} the VM does not list it: the vCenter and the VM's host disagree about its"
        " snapshots, so vmrep takes no other one. Compare the list on the host itself (Manage"
        " snapshots). If it differs, restart the host's management agents (vpxa, hostd), or"
        " unregister the VM and register it again; then replicate it again.",
        moref=moref,
    )


def require_all_listed(session: Session, vm_moref: str, vm_name: str) -> None:
    """Raise SnapshotNotListed when a recent task made a snapshot of the VM that is still there, but
    is not in its list."""
    made = results(session, vm_moref, "createsnapshot")
    if not made:
        return
    listed = {record.moref for record in tree(session, vm_moref)}
    for moref in made:
        if moref not in listed and is_there(session, moref, vm_moref):
            raise _not_listed(f"{vm_name}: vSphere made the snapshot {moref} lately, but", moref)


def is_there(session: Session, snapshot_moref: str, vm_moref: str) -> bool:
    """Whether the VM has this snapshot, whatever its tree says."""
    snapshot = session.object(vim.vm.Snapshot, snapshot_moref)
    try:
        read = read_object(session, f"Looking for the snapshot {snapshot_moref}", snapshot, "vm")
    except ObjectGone:
        return False
    return getattr(read.get("vm"), "_moId", None) == vm_moref


def tree(session: Session, vm_moref: str) -> tuple[SnapshotRecord, ...]:
    """All snapshots of a VM, parents before children. Raises ObjectGone when the VM is gone."""
    vm = session.object(vim.VirtualMachine, vm_moref)
    doing = f"Reading the snapshots of {vm_moref}"
    read = read_object(session, doing, vm, "snapshot")
    with understanding(doing):
        return snapshots_of(read.get("snapshot"))


def lineage(session: Session, vm_moref: str, snapshot_moref: str) -> Lineage:
    """Where the VM's disks stood when one of its snapshots was taken. Raises ObjectGone."""
    vm = session.object(vim.VirtualMachine, vm_moref)
    doing = f"Reading the snapshots of {vm_moref}"
    now = session.current_time()
    read = read_object(session, doing, vm, "snapshot", "runtime.bootTime")
    with understanding(doing):
        info = read.get("snapshot")
        current = info.currentSnapshot if info is not None else None
        return as_of(
            snapshot_moref,
            snapshots_of(info),
            vm_moref=vm_moref,
            current=str(current._moId) if current is not None else None,
            booted_at=utc(read.get("runtime.bootTime")),
            now=now,
        )


def named(session: Session, vm_moref: str, name: str) -> list[SnapshotRecord]:
    """The VM's snapshots with this name, parents before children."""
    return [one for one in tree(session, vm_moref) if one.name == name]


def disks(session: Session, snapshot_moref: str) -> tuple[DiskRecord, ...]:
    """The disks as the snapshot froze them: their files, sizes and change IDs.

    Raises ObjectGone when the snapshot is not there. `datastore_type` stays unknown here.
    """
    snapshot = session.object(vim.vm.Snapshot, snapshot_moref)
    doing = f"Reading the disks of the snapshot {snapshot_moref}"
    read = read_object(session, doing, snapshot, "config.hardware.device")
    with understanding(doing):
        return disks_of(read.get("config.hardware.device") or (), {})


def remove(
    session: Session,
    snapshot_moref: str,
    on_wait: OnWait = None,
    patience_seconds: float = REMOVE_SNAPSHOT_SECONDS,
) -> None:
    """Remove one snapshot and wait; its children stay: they are the user's.

    A snapshot that is already gone counts as removed. Raises TaskFailed, PrivilegeMissing,
    TaskStillRunning after `patience_seconds` and, when it is unknown whether vSphere heard the
    request, ConnectionLost: asking again is safe.
    """
    snapshot = session.object(vim.vm.Snapshot, snapshot_moref)
    doing = f"Removing the snapshot {snapshot_moref}"
    try:
        task = session.invoke(
            doing,
            lambda: snapshot.RemoveSnapshot_Task(removeChildren=False, consolidate=True),
            repeat=False,
            activity=Activity.REMOVING_SNAPSHOT,
        )
        wait_for_task(
            session,
            str(task._moId),
            doing,
            on_wait,
            patience_seconds=patience_seconds,
            activity=Activity.REMOVING_SNAPSHOT,
        )
    except ObjectGone:
        # The snapshot, or after an outage the task that removed it: the tree knows which.
        if _exists(session, snapshot_moref):
            raise
        return
    if _exists(session, snapshot_moref):
        raise TaskFailed(
            f"{doing}: vSphere reports success, but the snapshot is still there. vmrep will try"
            " again. If this continues, remove it in vSphere (Snapshots, Delete).",
            fault="StillThere",
            transient=True,
        )


def consolidate(
    session: Session,
    vm_moref: str,
    on_wait: OnWait = None,
    patience_seconds: float = REMOVE_SNAPSHOT_SECONDS,
) -> None:
    """Merge delta files that a failed removal left behind, and wait. Raises as `remove` does."""
    vm = session.object(vim.VirtualMachine, vm_moref)
    doing = f"Consolidating the disks of {vm_moref}"
    task = session.invoke(doing, lambda: vm.ConsolidateVMDisks_Task(), repeat=False)
    wait_for_task(session, str(task._moId), doing, on_wait, patience_seconds=patience_seconds)


def running_snapshot_task(session: Session, vm_moref: str) -> RunningTask | None:
    """A task on the VM's snapshots that has not ended yet: look for one after a lost connection or
    a restart, before making a second snapshot."""
    return running_task(session, vm_moref, "snapshot", "consolidate")


def _exists(session: Session, snapshot_moref: str) -> bool:
    snapshot = session.object(vim.vm.Snapshot, snapshot_moref)
    try:
        read_object(session, f"Looking for the snapshot {snapshot_moref}", snapshot, "vm")
    except ObjectGone:
        return False
    return True
