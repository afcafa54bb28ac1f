"""Datastore files: which ones exist, and what a client gets when it asks for one.

A base disk's extent (`-flat.vmdk`) is its bytes, where the datastore's type has such files and
does not refuse them. A disk descriptor is text, made from the VM's record. A delta's extent
(`-sesparse.vmdk`) cannot be read this way: 500, as on estates that refuse it; its bytes
would be in VMware's own format, which the lab does not write.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyVmomi import vim

from vmrep.lab.disks.disk import Disk
from vmrep.lab.world.authorization import BROWSE, FILE_MANAGEMENT, is_denied
from vmrep.lab.world.datastores import DatastoreType
from vmrep.lab.world.inventory import Datacenter, Datastore
from vmrep.lab.world.objects import World
from vmrep.lab.world.records import POWERED_ON, LayerRecord
from vmrep.lab.world.vm import VirtualMachine

SECTOR = 512


class FileRefused(Exception):
    """The server does not hand out the file; `status` is the HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class TextFile:
    """A file that is text."""

    content: bytes


@dataclass(frozen=True)
class ExtentFile:
    """A file that is a disk's bytes."""

    path: Path


def open_file(
    world: World, path: str, datacenter_path: str, datastore_name: str
) -> TextFile | ExtentFile:
    """The file at a path inside a datastore. Raises FileRefused (401, 404, 500)."""
    with world.lock:
        datastore = _datastore(world, datacenter_path, datastore_name)
        _require_rights(world, datastore)
        if not path.strip("/"):
            return TextFile(_listing(world, datastore))
        for vm, disk, layer in _layers(world, datastore.moid):
            if layer.private is not None:
                continue  # the file of the VM that a linked clone was made of
            if path == layer.descriptor:
                return TextFile(_descriptor_file(world, datastore.kind, vm, disk, layer))
            if path == layer.extent and not datastore.kind.objects and not _raw(vm, disk):
                return _extent(world, datastore, disk, layer)
        for vm in world.of_type(VirtualMachine):
            if vm.record.datastore == datastore.moid and path == vm.record.vmx_path:
                return TextFile(_vmx(vm).encode())
    raise FileRefused(404, "there is no such file")


def _datastore(world: World, datacenter_path: str, name: str) -> Datastore:
    wanted = datacenter_path.strip("/")
    for found in world.of_type(Datacenter):
        if found.inventory_path() == wanted:
            for ref in world.children_of(found._datastoreFolder()._moId, vim.Datastore):
                datastore = world.objects[ref._moId]
                if isinstance(datastore, Datastore) and datastore.name == name:
                    return datastore
    raise FileRefused(404, f"there is no datastore {name!r} in {datacenter_path!r}")


def _require_rights(world: World, datastore: Datastore) -> None:
    """If the account lacks the rights, vCenter asks for a login."""
    places = [datastore, *datastore.ancestors()]
    if any(place.moid in world.invisible for place in places):
        raise FileRefused(401, "the account does not see the datastore")
    for privilege in (BROWSE, FILE_MANAGEMENT):
        if is_denied(world, privilege, datastore.moid):
            raise FileRefused(401, f"the account lacks {privilege}")


def _layers(world: World, datastore: str) -> Iterator[tuple[VirtualMachine, Disk, LayerRecord]]:
    for vm in world.of_type(VirtualMachine):
        for disk in vm.disks.values():
            if disk.chain.datastore == datastore:
                for layer in disk.chain.layers.values():
                    yield vm, disk, layer


def _listing(world: World, datastore: Datastore) -> bytes:
    """What a browser shows of a datastore: its folders."""
    folders = {layer.extent.rpartition("/")[0] for _, _, layer in _layers(world, datastore.moid)}
    rows = "".join(f"<li>{html.escape(folder)}/</li>" for folder in sorted(folders))
    return f"<html><body><ul>{rows}</ul></body></html>".encode()


def _raw(vm: VirtualMachine, disk: Disk) -> str | None:
    device = vm.record.config.disk(disk.chain.key)
    return device.raw if device else None


def _extent(world: World, datastore: Datastore, disk: Disk, layer: LayerRecord) -> ExtentFile:
    if layer.parent is not None:
        raise FileRefused(500, "a delta disk cannot be read over HTTPS")
    held = datastore.kind.held
    for vm, holder, same in _layers(world, datastore.moid):
        running = same.extent == layer.extent and vm.record.power_state == POWERED_ON
        current = same.number == holder.chain.current
        if running and (held == "chain" or (held == "current" and current)):
            raise FileRefused(500, "Device or resource busy: a running VM holds the file")
    return ExtentFile(disk.path_of(layer))


def _descriptor_file(
    world: World, kind: DatastoreType, vm: VirtualMachine, disk: Disk, layer: LayerRecord
) -> bytes:
    given = world.descriptors.get(disk.chain.identity)
    if given is None:
        return _descriptor(kind, vm, disk, layer).encode()
    extent = layer.extent.rpartition("/")[2]
    return given.replace(b"%CID", layer.content_id.encode()).replace(b"%extent", extent.encode())


def _descriptor(kind: DatastoreType, vm: VirtualMachine, disk: Disk, layer: LayerRecord) -> str:
    parent = disk.chain.layers[layer.parent] if layer.parent is not None else None
    create_type, extent = _extent_line(kind, vm, disk, layer)
    lines = [
        "# Disk DescriptorFile",
        "version=1",
        'encoding="UTF-8"',
        f"CID={layer.content_id}",
        f"parentCID={parent.content_id if parent else 'ffffffff'}",
        f'createType="{create_type}"',
    ]
    if parent:
        hint = parent.descriptor.rpartition("/")[2]
        if parent.private is not None:
            hint = f"/vmfs/volumes/{disk.chain.datastore}/{parent.descriptor}"
        lines.append(f'parentFileNameHint="{hint}"')
    lines += ["", "# Extent description", extent, ""]
    if not parent:
        lines += [*_disk_data_base(vm, disk), ""]
    return "\n".join(lines)


def _extent_line(
    kind: DatastoreType, vm: VirtualMachine, disk: Disk, layer: LayerRecord
) -> tuple[str, str]:
    """The descriptor's type, and the line that says where the data is."""
    delta = layer.parent is not None
    create_type, extent_type = kind.delta_extent if delta else ("vmfs", "VMFS")
    extent = layer.extent.rpartition("/")[2]
    if (raw := _raw(vm, disk)) and not delta:
        create_type = "vmfsPassthroughRawDeviceMap" if raw == "physical" else "vmfsRawDeviceMap"
        extent_type = "VMFSRDM"
        extent = extent.replace("-flat.vmdk", "-rdmp.vmdk" if raw == "physical" else "-rdm.vmdk")
    if kind.objects:
        extent = f"{kind.objects}://{disk.object_id(layer)}"
    return create_type, f'RW {disk.chain.capacity_bytes // SECTOR} {extent_type} "{extent}"'


def _disk_data_base(vm: VirtualMachine, disk: Disk) -> list[str]:
    device = vm.record.config.disk(disk.chain.key)
    cylinders = min(disk.chain.capacity_bytes // SECTOR // (255 * 63), 65535)
    lines = [
        "# The Disk Data Base",
        "#DDB",
        "",
        'ddb.adapterType = "lsilogic"',
        f'ddb.geometry.cylinders = "{cylinders}"',
        'ddb.geometry.heads = "255"',
        'ddb.geometry.sectors = "63"',
        f'ddb.uuid = "{_in_bytes(device.uuid) if device else ""}"',
        'ddb.virtualHWVersion = "19"',
    ]
    if device is not None and device.provisioning == "thin":
        lines.append('ddb.thinProvisioned = "1"')
    return lines


def _in_bytes(uuid: str) -> str:
    """A UUID as vSphere writes it into descriptors: "60 00 C2 9a 01 02 03 04-05 …"."""
    digits = uuid.replace("-", "")
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    return f"{' '.join(pairs[:8])}-{' '.join(pairs[8:])}"


def _vmx(vm: VirtualMachine) -> str:
    config = vm.record.config
    values = {
        "config.version": "8",
        "virtualHW.version": config.hardware_version.removeprefix("vmx-"),
        "guestOS": config.guest_id,
        "memSize": str(config.memory_mb),
        "numvcpus": str(config.cpu),
        "uuid.bios": vm.record.bios_uuid,
        "ctkEnabled": "TRUE" if config.tracking else "FALSE",
    }
    return "".join(f'{k} = "{v}"\n' for k, v in values.items())
