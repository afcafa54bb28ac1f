"""Snapshots: creating, removing, reverting, and the Snapshot object."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from vmrep.lab.soap import codec
from vmrep.lab.world.events import REVERTED
from vmrep.lab.world.objects import Managed, World
from vmrep.lab.world.records import POWERED_OFF, POWERED_ON, SnapshotRecord

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session
    from vmrep.lab.world.vm import VirtualMachine

log = logging.getLogger(__name__)

MOST_LEVELS = 32


class Snapshot(Managed):
    """A snapshot of a VM."""

    type = vim.vm.Snapshot
    volatile = True  # its file names follow the VM's layers

    def __init__(self, world: World, moid: str, vm: VirtualMachine) -> None:
        self.vm = vm
        super().__init__(world, moid)

    def _config(self) -> Any:
        return self.vm.config_at(self.moid)

    def _vm(self) -> Any:
        return self.vm.ref

    def _childSnapshot(self) -> list[Any]:
        found = [s.ref for s in self.vm.record.snapshots.values() if s.parent == self.moid]
        return [vim.vm.Snapshot(r) for r in found]

    def RemoveSnapshot_Task(self, call: Any, session: Session) -> Any:
        """Remove this snapshot, with those after it when asked to."""

        def work() -> None:
            refs = with_descendants(self.vm, self.moid) if call.removeChildren else [self.moid]
            remove(self.vm, refs)

        return self.world.tasks.start(self.vm, "RemoveSnapshot_Task", session, work)

    def RevertToSnapshot_Task(self, call: Any, session: Session) -> Any:
        """Make the VM what it was at this snapshot."""
        return self.world.tasks.start(
            self.vm, "RevertToSnapshot_Task", session, lambda: revert(self.vm, self.moid)
        )

    def RenameSnapshot(self, call: Any, session: Session) -> None:
        """Give the snapshot another name or description."""
        with self.world.lock:
            record = self.vm.record.snapshots[self.moid]
            record.name = call.name or record.name
            record.description = call.description or record.description
            self.vm.save()


@dataclass(frozen=True)
class Request:
    """What to call a snapshot and how to take it."""

    name: str
    description: str = ""
    memory: bool = False
    quiesce: bool = False


def with_descendants(vm: VirtualMachine, ref: str) -> list[str]:
    """A snapshot and all that came after it."""
    found = [ref]
    for at in found:
        found.extend(s.ref for s in vm.record.snapshots.values() if s.parent == at)
    return found


def _check_possible(vm: VirtualMachine) -> None:
    config = vm.record.config
    vm.require_connected()
    if config.template:
        raise vmodl.fault.NotSupported(msg="A template cannot have snapshots.")
    shared = next((d for d in config.disks if d.sharing == "sharingMultiWriter"), None)
    if shared:
        raise vim.fault.GenericVmConfigFault(
            reason="multi-writer",
            msg=f"Cannot take a snapshot: {shared.label} is shared between VMs (multi-writer).",
        )
    bus = next((c for c in config.controllers if c.sharing != "noSharing"), None)
    if bus:
        raise vim.fault.GenericVmConfigFault(
            reason="bus-sharing",
            msg="A snapshot operation cannot be performed: the VM has virtual disks that are "
            f"engaged in bus-sharing ({bus.kind} {bus.bus}).",
        )
    depth, at = 0, vm.record.current_snapshot
    while at is not None:
        depth, at = depth + 1, vm.record.snapshots[at].parent
    if depth >= MOST_LEVELS:
        raise vim.fault.TooManySnapshotLevels(msg=f"The VM has {MOST_LEVELS} snapshots in a row.")


def _datastores(vm: VirtualMachine) -> set[str]:
    """The names of those that have disks of the VM."""
    moids = {disk.chain.datastore for disk in vm.disks.values()}
    return {vm.world.entity_named(moid, vim.Datastore, "datastore").name for moid in moids}


def _on_datastore(world: World, name: str) -> int:
    """How many snapshots have disks there."""
    with_snapshots = [vm for vm in _all(world, vim.VirtualMachine) if vm.record.snapshots]
    return sum(len(vm.record.snapshots) for vm in with_snapshots if name in _datastores(vm))


def count(world: World, names: set[str] | None = None) -> None:
    """Let the meters know how many there are on these datastores, or on all."""
    if names is None:
        names = {str(each.name) for each in _all(world, vim.Datastore)}
    for name in names:
        world.meters.are_now("snapshots", name, _on_datastore(world, name))


def _all(world: World, kind: Any) -> list[Any]:
    return list(world.children_by_type(kind))


def _require_room(vm: VirtualMachine) -> None:
    """Refuse a snapshot as a full datastore does, where no more were allowed."""
    for name in _datastores(vm) & set(vm.world.most_snapshots):
        if _on_datastore(vm.world, name) >= vm.world.most_snapshots[name]:
            raise vim.fault.NoDiskSpace(
                file=vm.record.vmx_path,
                datastore=name,
                msg=f"Insufficient disk space on datastore '{name}'.",
            )


def create(vm: VirtualMachine, request: Request) -> Any:
    """Freeze all disks (except independent ones) at one moment. Returns the snapshot's reference.

    Without running tools, quiescing is silently skipped; the tree tells what was achieved."""
    _check_possible(vm)
    record = vm.record
    running = record.power_state == POWERED_ON
    ref = vm.world.new_id("snapshot")
    with vm.frozen_disks(), vm.world.lock:
        _require_room(vm)
        taken_at = (codec.utc_now() + vm.world.host_clock_ahead).isoformat()
        untracked = {k for k, disk in vm.disks.items() if disk.chain.epoch is None}
        vm.stun()
        config = record.frozen_config()
        eras = {d.key: vm.disks[d.key].freeze(ref) for d in config.disks if not d.independent}
        ids = {k: vm.disks[k].change_id(era) for k, era in eras.items()} if config.tracking else {}
        if vm.world.tracking_begins_late:
            ids = {k: i for k, i in ids.items() if k not in untracked}
        record.snapshots[ref] = SnapshotRecord(
            ref=ref,
            number=int(ref.rpartition("-")[2]),
            name=request.name,
            description=request.description,
            created_at=taken_at,
            quiesced=request.quiesce and running and record.tools is not None,
            power_state=record.power_state if request.memory else POWERED_OFF,
            parent=record.current_snapshot,
            config=config,
            change_ids={k: i for k, i in ids.items() if i},
            eras=eras,
        )
        record.current_snapshot = ref
        Snapshot(vm.world, ref, vm)
        vm.save()
        count(vm.world, _datastores(vm))
        vm.world.meters.taken(vm.name, ref, request.name, taken_at)
    log.info("%s: snapshot %s %r", vm.moid, ref, request.name)
    return vim.vm.Snapshot(ref)


def kept_path(world: World, snapshot: str, key: int) -> Path:
    """Where a snapshot's content of one disk is (or would be) kept."""
    return world.paths.kept / f"{snapshot}-{key}.raw"


def keep_content(vm: VirtualMachine, ref: str) -> None:
    """Write the content of all of a snapshot's disks into raw files."""
    vm.world.paths.kept.mkdir(exist_ok=True)
    for key, disk in vm.disks.items():
        layer = disk.layer_of_snapshot(ref)
        target = kept_path(vm.world, ref, key)
        if layer is not None and not target.exists():
            disk.export(layer, target)


def remove(vm: VirtualMachine, refs: list[str]) -> None:
    """Remove snapshots and merge their layers into what remains."""
    record = vm.record
    if record.refuse_snapshot_removal:
        raise vim.fault.GenericVmConfigFault(
            reason="locked",
            msg="Unable to access a file since it is locked. An error occurred while "
            "consolidating disks.",
        )
    refs = [r for r in refs if r in record.snapshots]
    if vm.world.estate.keep_snapshots:
        for ref in refs:
            keep_content(vm, ref)
    with vm.frozen_disks(), vm.world.lock:
        for ref in refs:
            _unlink_from_tree(vm, ref)
        count(vm.world, _datastores(vm))
        is_left = record.consolidation_needed or record.leave_consolidation
        record.consolidation_needed = is_left and not record.hide_consolidation
        vm.save()
    if not is_left:
        collapse(vm)
    with vm.frozen_disks(), vm.world.lock:
        vm.stun()
        vm.save()
    log.info("%s: removed %s", vm.moid, ", ".join(refs))


def _unlink_from_tree(vm: VirtualMachine, ref: str) -> None:
    record = vm.record
    gone = record.snapshots.pop(ref)
    for other in record.snapshots.values():
        if other.parent == ref:
            other.parent = gone.parent
    if record.current_snapshot == ref:
        record.current_snapshot = gone.parent
    for disk in vm.disks.values():
        disk.release(ref)
    vm.world.remove(vm.world.objects[ref])


def collapse(vm: VirtualMachine) -> None:
    """Merge or drop every layer that no snapshot and no running VM needs."""
    for key, disk in list(vm.disks.items()):
        disk.collapse(vm.save)
        if not disk.chain.layers:
            with vm.world.lock:
                del vm.disks[key], vm.record.chains[key]
                vm.save()


def consolidate(vm: VirtualMachine) -> None:
    """Merge what a removal left behind."""
    if vm.record.refuse_consolidation:
        raise vim.fault.FileLocked(
            file=vm.record.vmx_path,
            msg="Unable to access a file since it is locked. An error occurred while "
            "consolidating disks.",
        )
    collapse(vm)
    with vm.world.lock:
        vm.record.consolidation_needed = False
        vm.save()


def revert(vm: VirtualMachine, ref: str) -> None:
    """Throw away what was written since a snapshot, and its later configuration."""
    record = vm.record
    snapshot = record.snapshots[ref]
    with vm.frozen_disks(), vm.world.lock:
        kept_name, tracking = record.config.name, record.config.tracking
        discard = [vm.disks[key].revert(ref, era) for key, era in snapshot.eras.items()]
        preserved = {d.key for d in snapshot.config.disks}
        for key, disk in vm.disks.items():
            if key not in preserved:
                disk.detach()
        record.config = copy.deepcopy(snapshot.config)
        record.config.name, record.config.tracking = kept_name, tracking
        # A VM that goes on from memory counts as having run since it was powered on.
        record.power_state = snapshot.power_state
        record.booted_at = record.booted_at if record.power_state == POWERED_ON else None
        record.current_snapshot = ref
        vm.stun()
        vm.save(reconfigured=True)
    for discarded in discard:
        discarded()
    collapse(vm)
    vm.world.events.post(
        REVERTED,
        vm,
        f"The execution state of {vm.name} was reverted to the snapshot {snapshot.name}",
        snapshotName=snapshot.name,
        snapshotId=snapshot.number,
    )
