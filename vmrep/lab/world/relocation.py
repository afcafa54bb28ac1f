"""What changes a VM's place or identity: moving, re-registering, cloning.

Files are linked to their new place before the record is saved, and removed from the old one after
that, so that a lab that is killed in between has every file where a record says.
"""

from __future__ import annotations

import copy
import random
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyVmomi import vim

from vmrep.lab.disks.disk import create_disk, link_disk
from vmrep.lab.errors import ControlError
from vmrep.lab.world.inventory import build_entity, encode_name
from vmrep.lab.world.objects import Entity, World
from vmrep.lab.world.records import (
    POWERED_OFF,
    ChainRecord,
    DiskDevice,
    EntityRecord,
    VmRecord,
)
from vmrep.lab.world.vm import VirtualMachine

UNREGISTERED = "unregistered"


def folder_at(world: World, datacenter: str, path: str) -> str:
    """The reference of a VM folder by its path inside a datacenter, made if it is missing."""
    at = _below(world, datacenter, "vm")
    for part in filter(None, path.split("/")):
        name = encode_name(part.replace("%2f", "/"))
        at = next(
            (r._moId for r in world.children_of(at, vim.Folder) if world.entity(r).name == name),
            None,
        ) or _new_folder(world, name, at)
    return at


def _new_folder(world: World, name: str, parent: str) -> str:
    ref = world.new_id("folder").replace("folder-", "group-v")
    record = EntityRecord(ref, "folder", name, parent)
    with world.changed:
        world.store.put("entity", record.ref, vars(record))
        build_entity(world, record)
        world.objects[parent].touch()
    return record.ref


def _below(world: World, moid: str, *names: str) -> str:
    """The reference of what is below an entity at a path of names. Raises ControlError."""
    for name in names:
        found = [r._moId for r in world.children_of(moid) if world.entity(r).name == name]
        if not found:
            raise ControlError(f"there is no {name!r} in {world.objects[moid].moid}", status=404)
        moid = found[0]
    return moid


def move(vm: VirtualMachine, folder: str, datacenter: str, datastore: str) -> None:
    """Move to another folder; to another datacenter, host, networks and files move, too.

    In the other datacenter the VM is on `datastore`, or on the first one, and is connected to the
    networks of the same name, or else to the first. Raises ControlError."""
    world, record = vm.world, vm.record
    home = world.entity_named(datacenter, vim.Datacenter, "datacenter").moid if datacenter else ""
    leaves = bool(home) and home != record.datacenter
    with vm.task_lock, vm.frozen_disks(), world.lock:
        at = home or record.datacenter
        parent = folder_at(world, at, folder)
        target = _below(world, at, "datastore", datastore) if datastore else None
        if leaves:
            target = target or _first(world, _below(world, at, "datastore"))
            host_folder = _below(world, at, "host")
            compute = _first(world, host_folder)
            record.host = world.children_of(compute, vim.HostSystem)[0]._moId
            _reconnect(vm, _below(world, at, "network"))
            record.datacenter = at
        world.reparent(vm, parent)
        record.parent = parent
        left = _relocate(vm, target) if target and target != record.datastore else []
        vm.save(reconfigured=bool(left) or leaves)
        for path in left:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # other files are still in it
                path.parent.rmdir()


def _first(world: World, moid: str) -> str:
    return str(world.children_of(moid)[0]._moId)


def _reconnect(vm: VirtualMachine, networks: str) -> None:
    """Connect the adapters, in all the VM's configurations, to another datacenter's networks."""
    world = vm.world
    there = {world.entity(r).name: r._moId for r in world.children_of(networks)}
    if not there:
        raise ControlError("the other datacenter has no network")
    frozen = (s.config for s in vm.record.snapshots.values())
    for config in (vm.record.config, *frozen):
        for nic in config.nics:
            network = world.objects[nic.network]
            name = network.name if isinstance(network, Entity) else ""
            nic.network = there.get(name) or next(iter(there.values()))


def _relocate(vm: VirtualMachine, datastore: str) -> list[Path]:
    """Link all files into a new folder on another datastore; returns the old files' paths."""
    record, left = vm.record, []
    folder = free_folder(vm.world, datastore, record.folder_on_datastore)
    for disk in vm.disks.values():
        left += disk.link_into(datastore, folder)
    record.datastore, record.folder_on_datastore = datastore, folder
    return left


def free_folder(world: World, datastore: str, wanted: str) -> str:
    """A folder on a datastore without files, which no VM has, registered or not."""
    records = [*world.store.all("vm"), *world.store.all(UNREGISTERED)]
    taken = {r["folder_on_datastore"] for r in records if r["datastore"] == datastore}
    on_disk = world.paths.datastores / datastore
    names = (f"{wanted}{f'_{n}' if n else ''}" for n in range(100_000))
    return next(n for n in names if n not in taken and not (on_disk / n).exists())


def unregister(vm: VirtualMachine) -> str:
    """Take a VM out of the inventory; its files stay. Returns the configuration file's path."""
    world, record = vm.world, vm.record
    with vm.task_lock, vm.frozen_disks(), world.changed:
        path = f"[{vm.datastore_name(record.datastore)}] {record.vmx_path}"
        if world.store.get(UNREGISTERED, path) is not None:
            raise ControlError(f"{path} is already unregistered")
        world.store.move("vm", vm.moid, UNREGISTERED, path, record.dump())
        vm.leave_inventory()
    return path


def register(world: World, path: str) -> str:
    """Put an unregistered VM back into its folder. UUIDs stay; the VM and its snapshots get new
    references, as in vSphere. Returns the VM's. Raises ControlError."""
    with world.changed:
        found = world.store.get(UNREGISTERED, path)
        if found is None:
            known = ", ".join(VmRecord.load(r).vmx_path for r in world.store.all(UNREGISTERED))
            raise ControlError(f"{path!r} is not unregistered; these are: {known}", status=404)
        record = VmRecord.load(found)
        record.ref = world.new_id("vm")
        _renumber_snapshots(world, record)
        world.store.move(UNREGISTERED, path, "vm", record.ref, record.dump())
        vm = VirtualMachine(world, record)
        vm.touch()
        world.objects[record.parent].touch()
        world.changed.notify_all()
    return record.ref


def _renumber_snapshots(world: World, record: VmRecord) -> None:
    new = {ref: world.new_id("snapshot") for ref in record.snapshots}
    for snapshot in record.snapshots.values():
        snapshot.ref = new[snapshot.ref]
        snapshot.parent = new[snapshot.parent] if snapshot.parent else None
    record.snapshots = {s.ref: s for s in record.snapshots.values()}
    record.current_snapshot = new.get(record.current_snapshot or "")
    for chain in record.chains.values():
        for layer in chain.layers.values():
            layer.snapshot = new[layer.snapshot] if layer.snapshot else None


def clone(vm: VirtualMachine, name: str) -> VirtualMachine:
    """A copy beside the VM, powered off: its configuration and what is on its disks now, with new
    UUIDs, addresses and files, but without snapshots and change tracking."""
    world = vm.world
    record = _copied_record(vm, name)
    with vm.task_lock, vm.frozen_disks():
        for number, device in enumerate(record.config.disks):
            device.uuid = new_disk_uuid()
            stem = f"{record.folder_on_datastore}/{record.folder_on_datastore}"
            stem = f"{stem}_{number}" if number else stem
            record.chains[device.key] = _copy_disk(vm, device, stem)
    return _enter(world, record)


def _copied_record(vm: VirtualMachine, name: str) -> VmRecord:
    """A VM with the configuration of another one, still without the files of its disks."""
    record = VmRecord.load(vm.record.dump())
    config = record.config
    record.ref = vm.world.new_id("vm")
    record.instance_uuid, record.bios_uuid = str(uuid.uuid4()), str(uuid.uuid4())
    record.change_version, record.power_state, record.booted_at = 1, POWERED_OFF, None
    record.snapshots, record.current_snapshot, record.chains = {}, None, {}
    record.consolidation_needed, record.hidden = False, []
    config.name, config.tracking = encode_name(name), False
    record.folder_on_datastore = free_folder(vm.world, record.datastore, record.folder_on_datastore)
    for nic in config.nics:
        nic.mac_address = "00:50:56:" + random.randbytes(3).hex(":")  # noqa: S311 - no secret
    return record


def _enter(world: World, record: VmRecord) -> VirtualMachine:
    """Take a new VM into the inventory."""
    with world.changed:
        world.store.put("vm", record.ref, record.dump())
        made = VirtualMachine(world, record)
        world.objects[record.parent].touch()
        world.changed.notify_all()
    return made


def link_clone(vm: VirtualMachine, name: str, snapshot: str) -> VirtualMachine:
    """A linked clone beside the VM, powered off: each disk is a delta on the disk as the snapshot
    froze it, in the VM's own folder.

    Simplified: the clone has a copy of what it is based on, so that the snapshot may go."""
    world = vm.world
    if snapshot not in vm.record.snapshots:
        raise ControlError(f"{snapshot!r} is no snapshot of {vm.name!r}", status=404)
    frozen = vm.record.snapshots[snapshot]
    record = _copied_record(vm, name)
    record.config.disks = [copy.deepcopy(d) for d in frozen.config.disks if not d.independent]
    with vm.task_lock, vm.frozen_disks():
        for number, device in enumerate(record.config.disks):
            device.uuid = new_disk_uuid()
            suffix = f"_{number}" if number else ""
            stem = f"{record.folder_on_datastore}/{record.folder_on_datastore}{suffix}"
            source = vm.disks[device.key]
            layer = source.layer_of_snapshot(snapshot)
            if layer is None:
                raise ControlError(f"disk {device.key} is not part of {snapshot!r}")
            record.chains[device.key] = link_disk(source, layer, device, stem)
    return _enter(world, record)


def new_disk_uuid() -> str:
    """As vSphere makes them for disks."""
    return f"6000C29{uuid.uuid4().hex[:1]}-{str(uuid.uuid4())[9:]}"


def _copy_disk(vm: VirtualMachine, device: DiskDevice, stem: str) -> ChainRecord:
    source = vm.disks[device.key]
    if source.chain.current is None:
        raise ControlError(f"disk {device.key} was removed")
    datastores = vm.world.paths.datastores
    chain = create_disk(datastores, device, source.chain.datastore, stem)
    chain.block_bytes = source.chain.block_bytes
    chain.churn_start = source.chain.churn_start
    source.export(source.chain.current, datastores / chain.datastore / chain.layers[0].extent)
    return chain


def describe(vm: VirtualMachine) -> dict[str, Any]:
    """What a caller needs to find a VM that was just made or registered."""
    return {"moref": vm.moid, "name": vm.name, "instance_uuid": vm.instance_uuid}
