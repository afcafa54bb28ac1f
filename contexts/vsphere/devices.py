"""Disks, network adapters and snapshots out of vSphere's device lists and trees."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pyVmomi import vim

from contexts.vsphere import paths
from contexts.vsphere.names import Places, decode_name
from contexts.vsphere.records import DiskRecord, NicRecord, ProvisioningType, SnapshotRecord
from contexts.vsphere.specs import LARGEST_INT
from contexts.vsphere.texts import (
    MOST_ADDRESSES,
    MOST_IDENTIFIER,
    MOST_NAME,
    MOST_TYPE_NAME,
    MOST_WORD,
    cut,
)
from contexts.vsphere.values import Data, NotAsDescribed, Parts, kind_of, type_name
from contexts.vsphere.xml_text import REPLACED

_MOST_LINKS = 1000  # vSphere allows 32 snapshots in a row
_CONTROLLER, _DISK = vim.vm.device.VirtualController, vim.vm.device.VirtualDisk
_ETHERNET = vim.vm.device.VirtualEthernetCard
# Looked up once: pyVmomi finds a class within a class slowly.
_PORT, _NETWORK = _ETHERNET.DistributedVirtualPortBackingInfo, _ETHERNET.NetworkBackingInfo
_OPAQUE = _ETHERNET.OpaqueNetworkBackingInfo
_RAW_MAPPING = _DISK.RawDiskMappingVer1BackingInfo
_LARGEST_CAPACITY = 2**63 - 1

_CONTROLLERS = {
    "ParaVirtualSCSIController": "pvscsi",
    "VirtualLsiLogicController": "lsilogic",
    "VirtualLsiLogicSASController": "lsilogic-sas",
    "VirtualBusLogicController": "buslogic",
    "VirtualAHCIController": "sata",
    "VirtualIDEController": "ide",
    "VirtualNVMEController": "nvme",
    "VirtualUSBController": "usb",
    "VirtualUSBXHCIController": "usb",
}
_ADAPTERS = {
    "VirtualVmxnet3": "vmxnet3",
    "VirtualVmxnet3Vrdma": "vmxnet3-vrdma",
    "VirtualVmxnet2": "vmxnet2",
    "VirtualVmxnet": "vmxnet",
    "VirtualE1000": "e1000",
    "VirtualE1000e": "e1000e",
    "VirtualPCNet32": "pcnet32",
    "VirtualSriovEthernetCard": "sriov",
}
_BACKINGS = {
    "VirtualDiskFlatVer1BackingInfo": "flat",
    "VirtualDiskFlatVer2BackingInfo": "flat",
    "VirtualDiskSparseVer1BackingInfo": "sparse",
    "VirtualDiskSparseVer2BackingInfo": "sparse",
    "VirtualDiskSeSparseBackingInfo": "sesparse",
    "VirtualDiskRawDiskVer2BackingInfo": "raw",
    "VirtualDiskPartitionedRawDiskVer2BackingInfo": "raw",
    "VirtualDiskLocalPMemBackingInfo": "pmem",
}


def that_matter(devices: Sequence[Any]) -> Sequence[Any]:
    """Without the keyboards, video cards and other devices of which nothing is kept."""
    return devices.only(_matters) if isinstance(devices, Parts) else devices


@lru_cache(maxsize=1024)
def _matters(kind: Any) -> bool:
    return _family(kind) in (None, _CONTROLLER, _DISK, _ETHERNET)


def disks_of(
    devices: Iterable[Any],
    datastore_types: Mapping[str, str],
    datastore_names: Mapping[str, str] | None = None,
) -> tuple[DiskRecord, ...]:
    """The disks among a VM's or snapshot's devices, by device key. Types and names of datastores by
    moref, as far as they are known.

    Raises NotAsDescribed (or another of NOT_AS_DESCRIBED) when it is not certain that these are all
    of them: half of the disks would look like a VM that lost the others.
    """
    controllers: list[Any] = []
    disks: dict[int, Any] = {}
    for device in devices:
        family = _family(kind_of(device))
        if family is None or (isinstance(device, Data) and device.unknown):
            _require_known(device)
        if family is _CONTROLLER:
            controllers.append(device)
        elif family is _DISK:
            if device.key in disks:
                raise NotAsDescribed(f"two disks have the device key {device.key}")
            disks[device.key] = device
    by_key = _by_key(controllers, {device.controllerKey for device in disks.values()})
    found = [
        _disk(device, by_key.get(device.controllerKey), datastore_types, datastore_names or {})
        for device in disks.values()
    ]
    return tuple(sorted(found, key=lambda disk: disk.device_key))


def _by_key(controllers: Sequence[Any], keys: Set[int]) -> Mapping[int, Any]:
    """The controllers with these keys. Those that somebody added, which mostly have the disks, come
    after those that every VM has."""
    found: dict[int, Any] = {}
    for controller in reversed(controllers):
        if keys <= found.keys():
            break
        found.setdefault(controller.key, controller)
    return found


_MARKS_OF_DISKS = ("capacityInBytes", "capacityInKB", "diskObjectId", "vDiskId")


def _require_known(device: Any) -> None:
    if not _is(device, vim.vm.device.VirtualDevice):
        raise NotAsDescribed(f"a {kind_of(device).__name__} is among the devices")
    if (
        isinstance(device, Data)
        and device.unknown
        and any(device.says(mark) for mark in _MARKS_OF_DISKS)
    ):
        raise NotAsDescribed(f"{device.unknown} may be a disk, of a kind that vmrep does not know")


def unknown_devices(devices: Iterable[Any]) -> list[str]:
    """The types of devices that vmrep does not know; none of them is a disk (see above)."""
    names = (device.unknown for device in devices if isinstance(device, Data) and device.unknown)
    return list(dict.fromkeys(names))


def _is(device: Any, kind: Any) -> bool:
    return issubclass(kind_of(device), kind)


@lru_cache(maxsize=1024)
def _family(kind: Any) -> Any:
    """Which family a device is of; None for what is no device."""
    return next((family for family in _FAMILIES if issubclass(kind, family)), None)


_FAMILIES = (
    vim.vm.device.VirtualPCIController,  # no disk is on these three
    vim.vm.device.VirtualPS2Controller,
    vim.vm.device.VirtualSIOController,
    vim.vm.device.VirtualController,
    vim.vm.device.VirtualDisk,
    vim.vm.device.VirtualEthernetCard,
    vim.vm.device.VirtualDevice,  # any other
)


def _disk(
    device: Any,
    controller: Any,
    datastore_types: Mapping[str, str],
    datastore_names: Mapping[str, str],
) -> DiskRecord:
    backing = device.backing
    if backing is None:
        raise NotAsDescribed(f"the disk {device.key} has no backing")
    path = _word(getattr(backing, "fileName", None), MOST_NAME)
    datastore = getattr(backing, "datastore", None)
    moref = str(datastore._moId) if datastore is not None else None
    named = paths.split(path, datastore_names.get(moref or ""))
    return DiskRecord(
        device_key=_device_key(device),
        disk_uuid=_word(getattr(backing, "uuid", None), MOST_IDENTIFIER),
        label=_label(device),
        capacity_bytes=_capacity_bytes(device),
        vmdk_path=path,
        datastore=named[0] if named else None,
        provisioning_type=_provisioning(backing),
        disk_mode=_word(getattr(backing, "diskMode", None)),
        sharing=_sharing(backing, controller),
        backing_type=_backing_type(backing),
        controller_type=_kind(controller, _CONTROLLERS) if controller is not None else None,
        change_id=_word(getattr(backing, "changeId", None), MOST_IDENTIFIER),
        has_parent=backing.parent is not None if hasattr(backing, "parent") else None,
        datastore_type=datastore_types.get(moref or ""),
        datastore_moref=_word(moref, MOST_IDENTIFIER),
        base_path=_base_path(backing),
        encrypted=backing.keyId is not None if hasattr(backing, "keyId") else None,
    )


def _base_path(backing: Any) -> str | None:
    """The file at the bottom of a delta's chain."""
    at = getattr(backing, "parent", None)
    for _ in range(_MOST_LINKS):
        below = getattr(at, "parent", None)
        if below is None:
            return _word(getattr(at, "fileName", None), MOST_NAME)
        at = below
    raise ValueError(f"a disk on more than {_MOST_LINKS} files")


def _capacity_bytes(device: Any) -> int:
    # capacityInBytes came with API 5.5 and is unset from older hosts; capacityInKB rounds down.
    if device.capacityInBytes is not None:
        capacity = int(device.capacityInBytes)
    elif device.capacityInKB is not None:
        capacity = int(device.capacityInKB) * 1024
    else:
        raise NotAsDescribed(f"the disk {device.key} has no capacity")
    if not 0 < capacity <= _LARGEST_CAPACITY:
        raise NotAsDescribed(f"the disk {device.key} has {capacity} bytes")
    return capacity


def _device_key(device: Any) -> int:
    if device.key is None:
        raise NotAsDescribed("a device has no key")
    key = int(device.key)
    if abs(key) > LARGEST_INT:
        raise NotAsDescribed(f"a device has the key {key}")
    return key


def _provisioning(backing: Any) -> ProvisioningType | None:
    if getattr(backing, "thinProvisioned", None):
        return "thin"
    if getattr(backing, "eagerlyScrub", None):
        return "thick_eager"
    # Both unset says nothing; "not thin" alone is vSphere's way of saying lazily zeroed.
    return "thick_lazy" if getattr(backing, "thinProvisioned", None) is False else None


def _sharing(backing: Any, controller: Any) -> str | None:
    own = _word(getattr(backing, "sharing", None))
    bus = _word(getattr(controller, "sharedBus", None))
    if own != "sharingMultiWriter" and bus in ("physicalSharing", "virtualSharing"):
        return bus
    return own


def _backing_type(backing: Any) -> str:
    if _is(backing, _RAW_MAPPING):
        physical = str(backing.compatibilityMode) == "physicalMode"
        return "rdm_physical" if physical else "rdm_virtual"
    return _kind(backing, _BACKINGS)


def networks_of(devices: Iterable[Any], places: Places) -> tuple[NicRecord, ...]:
    """The network adapters, without what the guest says of them (`with_guest`)."""
    by_key = {device.key: device for device in devices if _family(kind_of(device)) is _ETHERNET}
    found = [_nic(device, places) for device in by_key.values()]
    return tuple(sorted(found, key=lambda nic: nic.device_key))


def _nic(device: Any, places: Places) -> NicRecord:
    connectable = device.connectable
    return NicRecord(
        device_key=_device_key(device),
        label=_label(device),
        mac_address=_word(device.macAddress, MOST_IDENTIFIER),
        network_name=_network_name(device.backing, places),
        adapter_type=_kind(device, _ADAPTERS),
        connected=bool(connectable.connected) if connectable is not None else None,
        ip_addresses=(),
    )


def with_guest(adapters: Iterable[NicRecord], guest_nics: Iterable[Any]) -> tuple[NicRecord, ...]:
    """The adapters with the addresses, and where the configuration tells none the network, that the
    guest's tools report for each. deviceConfigId is -1 when the tools cannot tell which it is."""
    by_key: dict[int, Any] = {}
    by_mac: dict[str, Any] = {}
    for guest in guest_nics:
        by_key.setdefault(guest.deviceConfigId, guest)
        by_mac[(guest.macAddress or "").lower()] = guest
    found = []
    for nic in adapters:
        guest = by_key.get(nic.device_key)
        if guest is None and nic.mac_address:
            guest = by_mac.get(nic.mac_address.lower())
        addresses = tuple(
            cut(str(address), MOST_NAME)
            for address in (guest.ipAddress[:MOST_ADDRESSES] if guest else ())
        )
        network = nic.network_name or (_shown(guest.network) if guest else None)
        if (addresses, network) != (nic.ip_addresses, nic.network_name):
            nic = nic.with_guest(addresses, network)
        found.append(nic)
    return tuple(found)


def _network_name(backing: Any, places: Places) -> str | None:
    moref = None
    if _is(backing, _PORT):
        # A distributed port group's key is its moref.
        moref = backing.port.portgroupKey if backing.port is not None else None
    elif _is(backing, _NETWORK):
        moref = backing.network._moId if backing.network is not None else None
    elif _is(backing, _OPAQUE):
        moref = places.opaque_networks.get(backing.opaqueNetworkId or "")
    name = places.shown(moref)
    return cut(name, MOST_NAME) if name else _shown(getattr(backing, "deviceName", None))


def _shown(name: Any) -> str | None:
    return cut(decode_name(str(name)), MOST_NAME) if name else None


def snapshots_of(info: Any) -> tuple[SnapshotRecord, ...]:
    """A VM's snapshot tree (VirtualMachine.snapshot) as a list, parents before children."""
    found: list[SnapshotRecord] = []
    waiting: deque[tuple[Any, str | None]] = deque(
        (node, None) for node in (info.rootSnapshotList if info is not None else ())
    )
    while waiting:
        node, parent = waiting.popleft()
        moref = str(node.snapshot._moId)
        found.append(
            SnapshotRecord(
                moref=moref,
                name=cut(decode_name(str(node.name)), MOST_NAME),
                quiesced=node.quiesced if isinstance(node.quiesced, bool) else None,
                created_at=utc(node.createTime),
                parent_moref=parent,
            )
        )
        waiting += [(child, moref) for child in node.childSnapshotList]
    return tuple(found)


def utc(time: datetime | None) -> datetime | None:
    """A time from vSphere, aware and in UTC (pyVmomi's times have its own time zone class)."""
    if time is None:
        return None
    return time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _label(device: Any) -> str | None:
    if device.deviceInfo is None or not device.deviceInfo.label:
        return None
    return cut(str(device.deviceInfo.label), MOST_NAME)


def _kind(thing: Any, known: Mapping[str, str]) -> str:
    name = type_name(thing)
    return known.get(name, name[:MOST_TYPE_NAME])


def _word(value: Any, most: int = MOST_WORD) -> str | None:
    """A plain str (pyVmomi's enumerations are a subclass). None when it is unset or empty, or so
    long or so mended that it is no such value: half of an identifier would be another one."""
    return str(value) if value and len(value) <= most and REPLACED not in value else None
