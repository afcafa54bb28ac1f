"""Reading VMs with everything that a context holds: all of them in bulk, or one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyVmomi import vim

from contexts.vsphere.collector import (
    PAGE_SIZE,
    BulkReading,
    Collector,
    Found,
    gone_moref,
    read_objects,
    read_related,
)
from contexts.vsphere.errors import (
    AmbiguousUUID,
    AnotherVM,
    NotVSphere,
    ObjectGone,
    PrivilegeMissing,
    VmUnreadable,
    VSphereFault,
)
from contexts.vsphere.faults import understanding
from contexts.vsphere.names import PLACE_PATHS, Places, parent_of, places_of, read_places
from contexts.vsphere.records import (
    DiskRecord,
    InventoryPage,
    KnownDevices,
    NicRecord,
    ProvisioningType,
    SnapshotRecord,
    VmRecord,
)
from contexts.vsphere.session import Session
from contexts.vsphere.specs import (
    SPEC_FIELDS,
    SPEC_FIELDS_BY_NAME,
    SpecField,
    SpecValue,
)
from contexts.vsphere.vm_reading import CHEAP_PATHS, DEVICES, VM_PATHS, record_of

__all__ = [
    "SPEC_FIELDS",
    "SPEC_FIELDS_BY_NAME",
    "DiskRecord",
    "InventoryPage",
    "KnownDevices",
    "NicRecord",
    "ProvisioningType",
    "SnapshotRecord",
    "SpecField",
    "SpecValue",
    "VmRecord",
    "read_vm",
    "read_vms",
    "record_of",
]

# VMs with their devices, which are most of what there is: the tree of more of them has left the
# processor's caches by the time it is read.
_AT_ONCE = 100

Known = Callable[[Sequence[str]], Mapping[str, KnownDevices]]
"""Of some VMs (morefs) the devices that are known from an earlier reading."""


def nothing_known(morefs: Sequence[str]) -> Mapping[str, KnownDevices]:
    """As before the first reading."""
    return {}


def read_vms(
    session: Session,
    page_size: int = PAGE_SIZE,
    on_page: Callable[[], None] = lambda: None,
    known: Known = nothing_known,
) -> Iterator[InventoryPage]:
    """All VMs and templates that the account may see, in pages; at least one (maybe empty) page.

    Never a call per VM: places (folders, datacenters, hosts, networks, datastores) are read in bulk
    first, then the VMs; the devices only of those that are not `known`, or whose `devices_version`
    is another one now. What vSphere did not say, or said in a way that vmrep does not understand,
    is in a record's `unsaid`; two VMs with one instance UUID are delivered as they are. `on_page`
    is called after each page, those of the places included, and may raise to stop.

    Raises ConnectionLost when the connection is lost twice in a row: then nothing may be concluded
    from what was not seen, and the reading starts again.
    """
    places = read_places(session, page_size, on_page)
    reading = BulkReading(
        session, "Reading the virtual machines", {vim.VirtualMachine: VM_PATHS}, page_size
    )
    empty = True
    for refs in reading.pages():
        empty = False
        records = tuple(_records(reading, refs, places, known))
        on_page()
        yield InventoryPage(records, reading.total)
    if empty:
        yield InventoryPage((), reading.total)


def _records(
    reading: BulkReading, refs: Sequence[Any], places: Places, known: Known
) -> Iterator[VmRecord]:
    earlier = known([str(ref._moId) for ref in refs])
    fresh = [ref for ref in refs if ref._moId not in earlier]
    for begin in range(0, len(fresh), _AT_ONCE):
        # Not a loop with a variable: the last VM in it would keep the tree of all of them.
        some = fresh[begin : begin + _AT_ONCE]
        yield from (record_of(one, places) for one in reading.read(some))
    moved: list[Found] = []
    kept = [ref for ref in refs if ref._moId in earlier]
    for one in reading.read(kept, {vim.VirtualMachine: CHEAP_PATHS}):
        record = record_of(one, places, earlier[one.moref])
        if record.devices_version == earlier[one.moref].devices_version:
            yield record
        else:
            moved.append(one)
    # What tells the version was read before the devices: should they change in between, the next
    # reading finds a newer version.
    devices = reading.read([one.ref for one in moved], {vim.VirtualMachine: (DEVICES,)})
    for cheap, more in _pairs(moved, devices):
        yield record_of(_joined(cheap, more), places)


def _pairs(moved: Iterable[Found], devices: Iterable[Found]) -> Iterator[tuple[Found, Found]]:
    """A VM that disappeared meanwhile is only in the first."""
    by_moref = {one.moref: one for one in devices}
    return ((one, by_moref[one.moref]) for one in moved if one.moref in by_moref)


def _joined(cheap: Found, devices: Found) -> Found:
    problem = {DEVICES: devices.problem} if devices.problem else {}
    return replace(
        cheap,
        properties={**cheap.properties, **devices.properties},
        missing={**cheap.missing, **devices.missing},
        odd={**cheap.odd, **devices.odd, **problem},
    )


def read_vm(session: Session, instance_uuid: str, moref_hint: str | None = None) -> VmRecord:
    """One VM by its instance UUID, read afresh, whatever its moref is by now.

    The hint (where the VM was last time) saves a search; it is believed only when the VM there
    has the right instance UUID.

    Raises ObjectGone when the vCenter has no such VM; AnotherVM, with that one, when the moref
    now is a VM of another instance UUID; AmbiguousUUID when several VMs have this one and the
    hint does not tell which is meant; VmUnreadable when vSphere does not say, in a way that vmrep
    understands, what a replication needs: identity, disks and snapshots.
    """
    doing = f"Reading the virtual machine {instance_uuid}"
    hinted = _hinted(session, doing, moref_hint)
    if hinted is not None and _same(hinted.instance_uuid, instance_uuid):
        return _readable(hinted, doing)
    search = session.content.searchIndex
    refs = session.invoke(doing, lambda: search.FindAllByUuid(None, instance_uuid, True, True))
    if not refs:
        if hinted is not None and hinted.instance_uuid is None:
            # A moref is never used twice: it is the VM, or was.
            raise _unreadable(hinted, doing)
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
    with understanding(doing):
        moref = str(refs[0]._moId)
    return _readable(_read_one(session, doing, moref), doing)


def _readable(record: VmRecord, doing: str) -> VmRecord:
    if record.lacks:
        raise _unreadable(record, doing)
    return record


def _unreadable(record: VmRecord, doing: str) -> VmUnreadable:
    return VmUnreadable(
        f"{doing}: {record.name} cannot be read. {record.unreadable} What is known of the VM stays"
        " as it is. Check the VM and the account's rights in the vCenter.",
        found=record,
    )


def _hinted(session: Session, doing: str, moref_hint: str | None) -> VmRecord | None:
    if not moref_hint:
        return None
    try:
        return _read_one(session, doing, moref_hint)
    except ObjectGone:
        return None


def places_above(session: Session, doing: str, vm_moref: str) -> tuple[Found, Places]:
    """A VM (all of VM_PATHS) and the places around it, in two calls whatever the estate's size.

    What cannot be read of the places, because they are gone, hidden or odd, stays unknown."""
    found = _with_places(session, doing, session.object(vim.VirtualMachine, vm_moref))
    vm = next((one for one in found if one.moref == vm_moref), None)
    if vm is None:
        raise ObjectGone(f"{doing}: {vm_moref} no longer exists.")
    host = vm.properties.get("runtime.host")
    if host is not None:
        found += _host(session, doing, host)
    return vm, places_of(session, (one for one in found if one is not vm))


def _with_places(session: Session, doing: str, ref: Any) -> list[Found]:
    paths = {vim.VirtualMachine: VM_PATHS}
    try:
        return read_related(session, doing, ref, {**paths, **PLACE_PATHS}, _upwards())
    except (ObjectGone, PrivilegeMissing, VSphereFault, NotVSphere) as problem:
        if isinstance(problem, ObjectGone) and gone_moref(problem) in (None, ref._moId):
            raise
        # One of the places may be why: then the VM can be read by itself.
        alone = read_objects(session, doing, [ref], paths)
        if not isinstance(problem, ObjectGone) and any(one.problem for one in alone):
            raise
        return alone


def _host(session: Session, doing: str, ref: Any) -> list[Found]:
    """The VM's host, which is only needed for its name."""
    try:
        return read_objects(session, doing, [ref], {vim.HostSystem: ("name",)})
    except PrivilegeMissing:
        return []


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


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.lower() == other.lower()
