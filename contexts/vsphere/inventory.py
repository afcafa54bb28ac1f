"""Reading VMs with everything that a context holds: all of them in bulk, or one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from contexts.vsphere.answers import NOT_AS_DESCRIBED
from contexts.vsphere.collector import (
    PAGE_SIZE,
    BulkReading,
    Collector,
    Found,
    read_related,
)
from contexts.vsphere.devices import disks_of, networks_of, snapshots_of
from contexts.vsphere.errors import AmbiguousUUID, AnotherVM, ObjectGone, PrivilegeMissing
from contexts.vsphere.names import (
    PLACE_PATHS,
    Places,
    decode_name,
    parent_of,
    places_of,
    read_places,
)
from contexts.vsphere.records import (
    DiskRecord,
    InventoryPage,
    NicRecord,
    ProvisioningType,
    SnapshotRecord,
    VmRecord,
    no_specs,
)
from contexts.vsphere.session import Session
from contexts.vsphere.specs import (
    SPEC_FIELDS,
    SPEC_FIELDS_BY_NAME,
    SpecField,
    SpecValue,
    clean,
)

__all__ = [
    "SPEC_FIELDS",
    "SPEC_FIELDS_BY_NAME",
    "DiskRecord",
    "InventoryPage",
    "NicRecord",
    "ProvisioningType",
    "SnapshotRecord",
    "SpecField",
    "SpecValue",
    "VmRecord",
    "read_vm",
    "read_vms",
]

logger = logging.getLogger(__name__)

VM_PATHS: tuple[str, ...] = (
    *(field.path for field in SPEC_FIELDS if field.path is not None),
    "name",
    "parent",
    "parentVApp",
    "runtime.host",
    "config.instanceUuid",
    "config.hardware.device",
    "snapshot",
    "guest.toolsVersion",
    "guest.toolsStatus",
    "guest.toolsRunningStatus",
    "guest.hostName",
    "guest.ipAddress",
    "guest.net",
)

_INSTANCE_UUID_LENGTH = 64
_UUID_TOO_LONG = (
    f"This VM's instance UUID has more than {_INSTANCE_UUID_LENGTH} characters, so it cannot be a"
    " UUID. Give the VM a new one."
)
_DEVICES = "config.hardware.device"
_MOST_PARTS = 1_000  # devices, or snapshots: vSphere allows a few hundred disks and adapters


def read_vms(
    session: Session, page_size: int = PAGE_SIZE, on_page: Callable[[], None] = lambda: None
) -> Iterator[InventoryPage]:
    """All VMs and templates that the account may see, in pages; at least one (maybe empty) page.

    Never a call per VM: places (folders, datacenters, hosts, networks, datastores) are read in
    bulk first, then the VMs. A VM that cannot be read as described is delivered with
    `instance_uuid` None and `problem`; two VMs with one instance UUID are delivered as they are.
    `on_page` is called after each page, those of the places included, and may raise to stop.

    Raises ConnectionLost (SessionExpired) when the connection or login is lost between pages:
    then nothing may be concluded from what was not seen, and the reading starts again.
    """
    places = read_places(session, page_size, on_page)
    reading = BulkReading(
        session,
        "Reading the virtual machines",
        {vim.VirtualMachine: VM_PATHS},
        page_size,
        count=True,
    )
    empty = True
    for page in reading:
        empty = False
        on_page()
        yield InventoryPage(tuple(record_of(found, places) for found in page), reading.total)
    if empty:
        yield InventoryPage((), reading.total)


def read_vm(session: Session, instance_uuid: str, moref_hint: str | None = None) -> VmRecord:
    """One VM by its instance UUID, read afresh, whatever its moref is by now.

    The hint (where the VM was last time) saves a search; it is believed only when the VM there
    has the right instance UUID.

    Raises ObjectGone when the vCenter has no such VM; AnotherVM, carrying the one found, when the
    moref now belongs to a VM with another instance UUID; AmbiguousUUID when several VMs have this
    UUID and the hint does not tell which is meant.
    """
    doing = f"Reading the virtual machine {instance_uuid}"
    hinted = _hinted(session, doing, moref_hint)
    if hinted is not None and _same(hinted.instance_uuid, instance_uuid):
        return hinted
    search = session.content.searchIndex
    refs = session.invoke(doing, lambda: search.FindAllByUuid(None, instance_uuid, True, True))
    if not refs:
        gone = (
            f"{doing}: the vCenter has no VM with this instance UUID. It was deleted or "
            "unregistered, or is not visible to the account."
        )
        raise AnotherVM(gone, found=hinted) if hinted is not None else ObjectGone(gone)
    if len(refs) > 1:
        raise AmbiguousUUID(
            f"{doing}: {len(refs)} VMs have this instance UUID, so vmrep cannot tell which one is"
            " meant. Give the others a new UUID, then try again."
        )
    return _read_one(session, doing, str(refs[0]._moId))


def _hinted(session: Session, doing: str, moref_hint: str | None) -> VmRecord | None:
    if not moref_hint:
        return None
    try:
        return _read_one(session, doing, moref_hint)
    except ObjectGone:
        return None


def places_above(session: Session, doing: str, vm_moref: str) -> tuple[Found, Places]:
    """A VM (all of VM_PATHS) and the places around it, in two calls whatever the estate's size."""
    ref = session.object(vim.VirtualMachine, vm_moref)
    found = read_related(
        session, doing, ref, {vim.VirtualMachine: VM_PATHS, **PLACE_PATHS}, _upwards()
    )
    vm = next((one for one in found if one.moref == vm_moref), None)
    if vm is None:
        raise ObjectGone(f"{doing}: {vm_moref} no longer exists.")
    host = vm.properties.get("runtime.host")
    if host is not None:
        found += read_related(session, doing, host, {vim.HostSystem: ("name",)})
    return vm, places_of(session, (one for one in found if one is not vm))


@dataclass(frozen=True, slots=True)
class DatastorePlace:
    """A datastore's name, as in vSphere, and its datacenter's path, as `Place` has it."""

    name: str
    datacenter_path: str | None


def place_of_datastore(session: Session, doing: str, moref: str) -> DatastorePlace | None:
    """By its own way up to its datacenter. None when the account may not see it."""
    ref = session.object(vim.Datastore, moref)
    up = Collector.TraversalSpec(
        name="up",
        type=vim.ManagedEntity,
        path="parent",
        skip=False,
        selectSet=[Collector.SelectionSpec(name="up")],
    )
    kinds = {**PLACE_PATHS, vim.Datastore: ("name", "parent")}
    try:
        found = read_related(session, doing, ref, kinds, [up])
    except (ObjectGone, PrivilegeMissing):
        return None
    own = next((one for one in found if one.moref == moref), None)
    if own is None or "name" not in own.properties:
        return None
    place = places_of(session, found).place(None, parent_of(own.properties))
    return DatastorePlace(str(own.properties["name"]), place.datacenter_path)


def _read_one(session: Session, doing: str, moref: str) -> VmRecord:
    return record_of(*places_above(session, doing, moref))


def _upwards() -> list[Any]:
    """Traversals from a VM to its ancestors, networks and datastores."""
    up = [Collector.SelectionSpec(name=name) for name in ("up", "vapp-folder", "vapp-vapp")]

    def step(name: str, kind: Any, path: str, selects: list[Any]) -> Any:
        return Collector.TraversalSpec(
            name=name, type=kind, path=path, skip=False, selectSet=selects
        )

    return [
        step("vapp-folder", vim.VirtualApp, "parentFolder", up),
        step("vapp-vapp", vim.VirtualApp, "parentVApp", up),
        step("up", vim.ManagedEntity, "parent", up),
        step("vm-vapp", vim.VirtualMachine, "parentVApp", up),
        step("network", vim.VirtualMachine, "network", []),
        step("datastore", vim.VirtualMachine, "datastore", []),
    ]


def record_of(found: Found, places: Places) -> VmRecord:
    """The record of a VM that was read with VM_PATHS. Never raises for what vSphere delivered."""
    try:
        return _record(found, places)
    except NOT_AS_DESCRIBED as error:
        logger.warning("VM %s cannot be understood: %r", found.moref, error)
        specs = {**no_specs(), "moref": found.moref, "vm_name": _name(found.properties)}
        return VmRecord(
            None,
            specs,
            problem=f"vSphere describes this VM in a way that vmrep does not know: {error!r}",
        )


def _record(found: Found, places: Places) -> VmRecord:
    read = found.properties
    if not found.understood(_DEVICES) or not found.understood("snapshot"):
        # Half of the disks would look like a VM that lost the others.
        raise ValueError("its devices or snapshots are of a kind that vmrep does not know")
    devices = list(read.get(_DEVICES) or ())
    snapshots = snapshots_of(read.get("snapshot"))
    if len(devices) > _MOST_PARTS or len(snapshots) > _MOST_PARTS:
        raise ValueError(f"it has {len(devices)} devices and {len(snapshots)} snapshots")
    nics = list(read.get("guest.net") or ())
    instance_uuid = read.get("config.instanceUuid") or None
    if is_odd := instance_uuid is not None and len(instance_uuid) > _INSTANCE_UUID_LENGTH:
        instance_uuid = None
    specs = {field.name: clean(field, read.get(field.path or "")) for field in SPEC_FIELDS}
    disks = disks_of(devices, places.datastore_types, places.names)
    snapshot_count = _snapshot_count(found, len(snapshots))
    computed = {
        **_where(found, places),
        **_guest(read, nics),
        "snapshot_count": snapshot_count,
    }
    if snapshot_count == 0 and any(disk.is_beside_its_base for disk in disks):
        computed["consolidation_needed"] = True  # vSphere does not always say so
    for name, value in computed.items():
        specs[name] = clean(SPEC_FIELDS_BY_NAME[name], value)
    return VmRecord(
        instance_uuid=str(instance_uuid) if instance_uuid else None,
        specs=specs,
        disks=disks,
        networks=networks_of(devices, nics if _tools_answer(read) is not False else (), places),
        snapshots=snapshots,
        problem=None if instance_uuid else _UUID_TOO_LONG if is_odd else _why_unidentified(found),
    )


def _where(found: Found, places: Places) -> dict[str, SpecValue]:
    read = found.properties
    name = _name(read)
    place = places.place(name, parent_of(read))
    host = read.get("runtime.host")
    return {
        "vm_name": name,
        "moref": found.moref,
        "vm_path": place.path,
        "datacenter": place.datacenter,
        "host_name": places.shown(host._moId) if host is not None else None,
    }


def _guest(read: Mapping[str, Any], nics: list[Any]) -> dict[str, SpecValue]:
    """What the guest's tools say.

    The version "0" is vSphere's "no tools known" and counts as unknown, not as a version.
    vSphere keeps the last host name and addresses of a guest whose tools no longer run:
    they would look current for days, so they count as unknown too.
    """
    version = str(read.get("guest.toolsVersion") or "")
    specs: dict[str, SpecValue] = {
        "vm_tools_version": version if version.strip("0") else None,
        "vm_tools_status": read.get("guest.toolsStatus") or read.get("guest.toolsRunningStatus"),
        "guest_hostname": None,
        "ip_addresses": None,
    }
    answer = _tools_answer(read)
    if answer is not False:
        specs["guest_hostname"] = read.get("guest.hostName")
        first = read.get("guest.ipAddress")
        reported = [address for nic in nics for address in nic.ipAddress]
        addresses = [str(address) for address in reported or ([first] if first else [])]
        if addresses or answer:
            specs["ip_addresses"] = tuple(dict.fromkeys(addresses))
    return specs


def _tools_answer(read: Mapping[str, Any]) -> bool | None:
    running = read.get("guest.toolsRunningStatus")
    if running:
        return str(running) == "guestToolsRunning"
    status = read.get("guest.toolsStatus")
    return str(status) in ("toolsOk", "toolsOld") if status else None


def _snapshot_count(found: Found, count: int) -> int | None:
    # An unset `snapshot` means none, but only where the VM could be read at all.
    readable = "config.hardware.device" in found.properties and "snapshot" not in found.missing
    return count if count or readable else None


def _why_unidentified(found: Found) -> str:
    if not found.understood("config.instanceUuid"):
        return "vmrep does not understand the instance UUID that vSphere reports for this VM."
    if "config.instanceUuid" in found.missing:
        return "The account has no permission to read this VM's configuration."
    if "config.hardware.device" not in found.properties:
        return "vSphere cannot read this VM's configuration (inaccessible, orphaned or incomplete)."
    return "vSphere reports no instance UUID for this VM."


def _name(read: Mapping[str, Any]) -> str | None:
    name = read.get("name")
    return decode_name(str(name)) if name else None


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.lower() == other.lower()
