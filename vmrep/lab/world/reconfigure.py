"""ReconfigVM: what can be changed about a VM, including its disks."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from vmrep.lab.disks.disk import create_disk
from vmrep.lab.errors import ControlError
from vmrep.lab.world import controllers
from vmrep.lab.world.objects import invalid_argument
from vmrep.lab.world.records import ControllerDevice, DiskDevice

if TYPE_CHECKING:
    from vmrep.lab.world.vm import VirtualMachine

SCSI = controllers.KINDS["pvscsi"]
VirtualDisk = vim.vm.device.VirtualDisk


def apply(vm: VirtualMachine, spec: Any) -> None:
    """Apply a configuration spec. Raises InvalidDeviceSpec and InvalidArgument."""
    config = vm.record.config
    with vm.frozen_disks(), vm.world.lock:
        for index, change in enumerate(spec.deviceChange):
            _change_device(vm, index, change)
        if spec.changeTrackingEnabled is not None:
            set_tracking(vm, spec.changeTrackingEnabled)
        if spec.numCPUs is not None:
            config.cpu = spec.numCPUs
        if spec.memoryMB is not None:
            config.memory_mb = spec.memoryMB
        if spec.annotation is not None:
            config.annotation = spec.annotation
        if spec.name:
            vm.rename(spec.name)
        vm.save(reconfigured=True)


def set_tracking(vm: VirtualMachine, on: bool) -> None:
    """Takes effect at the next stun (power on, or creating or removing a snapshot): a VM that is
    told to stop and to start again in between goes on as it was. Change IDs are not shown while it
    is off."""
    vm.record.config.tracking = on


def _change_device(vm: VirtualMachine, index: int, change: Any) -> None:
    if not isinstance(change.device, VirtualDisk):
        raise _invalid_device(index, "only disks can be changed in this vCenter")
    if change.operation == "add":
        _add_disk(vm, index, change)
    elif change.operation == "edit":
        _edit_disk(vm, index, change.device)
    elif change.operation == "remove":
        _remove_disk(vm, index, change.device)
    else:
        raise invalid_argument("spec.deviceChange.operation")


def _invalid_device(index: int, reason: str) -> Any:
    return vim.fault.InvalidDeviceSpec(
        deviceIndex=index,
        property="virtualDeviceSpec.device",
        msg=f"Invalid configuration for device '{index}': {reason}.",
    )


def _capacity(device: Any) -> int:
    return int(device.capacityInBytes or (device.capacityInKB or 0) * 1024)


def free_place(vm: VirtualMachine) -> tuple[int, int]:
    """Bus and unit: the lowest free ones of a SCSI disk whose device key is free, too.

    The key of a removed disk is used again, as in vSphere; the UUID then differs."""
    return controllers.free_place(SCSI, {*(d.key for d in vm.record.config.disks), *vm.disks})


def _add_disk(vm: VirtualMachine, index: int, change: Any) -> None:
    capacity, backing = _capacity(change.device), change.device.backing
    if change.fileOperation != "create" or capacity < 1 or capacity % 512:
        raise _invalid_device(index, "a new disk needs fileOperation create and a capacity")
    bus, unit = free_place(vm)
    thin = backing is None or backing.thinProvisioned is not False
    eager = backing is not None and bool(backing.eagerlyScrub)
    device = DiskDevice(
        key=SCSI.disk_key(bus, unit),
        uuid=str((backing and backing.uuid) or uuid.uuid4()),
        label=f"Hard disk {bus * 15 + unit + 1}",
        capacity_bytes=capacity,
        controller_key=SCSI.key(bus),
        unit=unit,
        provisioning="thin" if thin else "thick_eager" if eager else "thick_lazy",
        mode=(backing and backing.diskMode) or "persistent",
    )
    datastore = vm.record.datastore
    if backing and backing.datastore:
        datastore = vm.world.find(backing.datastore).moid
    folder = vm.record.folder_on_datastore
    taken = {x.descriptor for d in vm.disks.values() for x in d.chain.layers.values()}
    names = (f"{folder}/{folder}{f'_{n}' if n else ''}" for n in range(1000))
    stem = next(n for n in names if f"{n}.vmdk" not in taken)
    chain = create_disk(vm.world.paths.datastores, device, datastore, stem)
    vm.record.config.disks.append(device)
    vm.record.chains[device.key] = chain
    vm.disks[device.key] = vm.open_disk(vm.world, chain)


def move_disk(vm: VirtualMachine, key: int, controller: str) -> int:
    """Attach a disk to another controller. Returns its new key. Raises ControlError."""
    device, kind = vm.record.config.disk(key), controllers.KINDS[controller]
    if device is None:
        raise ControlError(f"there is no disk {key}", status=404)
    if vm.record.snapshots:
        raise ControlError("a VM with snapshots keeps its devices")
    with vm.frozen_disks(), vm.world.lock:
        config, disk = vm.record.config, vm.disks.pop(key)
        bus, unit = controllers.free_place(kind, {d.key for d in config.disks} | {key})
        device.key, device.controller_key = kind.disk_key(bus, unit), kind.key(bus)
        device.unit = unit
        if not any((c.kind, c.bus) == (controller, bus) for c in config.controllers):
            config.controllers.append(ControllerDevice(controller, bus))
        disk.chain.key = device.key
        vm.disks[device.key] = disk
        vm.record.chains = {d.chain.key: d.chain for d in vm.disks.values()}
        vm.save(reconfigured=True)
    return device.key


def _edit_disk(vm: VirtualMachine, index: int, edited: Any) -> None:
    device = vm.record.config.disk(edited.key)
    if device is None:
        raise _invalid_device(index, f"there is no disk with key {edited.key}")
    capacity, disk = _capacity(edited), vm.disks[edited.key]
    if edited.backing and edited.backing.diskMode:
        device.mode = edited.backing.diskMode
    if capacity == device.capacity_bytes:
        return
    if capacity < device.capacity_bytes:
        raise _invalid_device(index, "a disk cannot become smaller")
    if disk.has_snapshots:
        raise _invalid_device(index, "a disk with snapshots cannot become larger")
    disk.extend(capacity)
    device.capacity_bytes = capacity


def _remove_disk(vm: VirtualMachine, index: int, removed: Any) -> None:
    device = vm.record.config.disk(removed.key)
    if device is None:
        raise _invalid_device(index, f"there is no disk with key {removed.key}")
    vm.record.config.disks.remove(device)
    disk = vm.disks[device.key]
    disk.detach()
    if not disk.has_snapshots:
        del vm.disks[device.key], vm.record.chains[device.key]
        disk.unlink()
    else:
        disk.collapse(vm.save)
