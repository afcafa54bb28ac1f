"""One VM's record, out of its properties: what was said, what was not, and what was odd.

Unset is not empty: a property that does not come says nothing. vSphere leaves out what an account
may not see, what a host that is away last knew, and now and then everything; notes that somebody
has emptied it delivers as an empty text. So what is unset goes into the record's `unsaid`.
Exceptions, where the API itself says "no" by leaving out: `snapshot` of a VM without any, and what
a guest would say while its tools do not run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from contexts.vsphere.answers import NOT_AS_DESCRIBED
from contexts.vsphere.devices import (
    disks_of,
    networks_of,
    snapshots_of,
    that_matter,
    unknown_devices,
    with_guest,
)
from contexts.vsphere.devices_version import devices_version
from contexts.vsphere.faults import fault_name, fault_text
from contexts.vsphere.names import MOST_LEVELS, Places, decode_name, parent_of
from contexts.vsphere.notices import TRAIT_PATHS, traits_of
from contexts.vsphere.pages import Found
from contexts.vsphere.records import (
    DiskRecord,
    KnownDevices,
    NicRecord,
    SnapshotRecord,
    Traits,
    VmRecord,
    no_specs,
)
from contexts.vsphere.specs import SPEC_FIELDS, SPEC_FIELDS_BY_NAME, SpecValue, clean
from contexts.vsphere.texts import MOST_FAULT, cut
from contexts.vsphere.values import NotAsDescribed
from contexts.vsphere.xml_text import REPLACED

logger = logging.getLogger(__name__)
T = TypeVar("T")

DEVICES = "config.hardware.device"
# Everything but the devices, which are most of what there is to read.
CHEAP_PATHS: tuple[str, ...] = (
    *(field.path for field in SPEC_FIELDS if field.path is not None),
    "name",
    "parent",
    "parentVApp",
    "runtime.host",
    "config.instanceUuid",
    "summary.config.numVirtualDisks",
    "summary.config.numEthernetCards",
    "datastore",
    "network",
    "snapshot",
    "rootSnapshot",
    "guest.toolsVersion",
    "guest.toolsStatus",
    "guest.toolsRunningStatus",
    "guest.hostName",
    "guest.ipAddress",
    "guest.net",
    *TRAIT_PATHS,
)
VM_PATHS: tuple[str, ...] = (*CHEAP_PATHS, DEVICES)

# Every VM has these (the API describes them as required, or has always delivered them).
_ALWAYS_THERE = (
    "name",
    "config.instanceUuid",
    "config.changeVersion",
    "config.files.vmPathName",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "runtime.powerState",
    "runtime.connectionState",
)
_INSTANCE_UUID_LENGTH = 64
_UUID_TOO_LONG = (
    f"This VM's instance UUID has more than {_INSTANCE_UUID_LENGTH} characters, so it is not one."
    " Give the VM a new one."
)
_ENDLESS = (
    f"The folders that hold it lie in a ring, or in more than {MOST_LEVELS} levels, so vmrep does"
    " not know its inventory path."
)
_MOST_PARTS = 1_000  # devices, or snapshots: vSphere allows some hundred disks and adapters
_MOST_ODDITIES = 10


def record_of(found: Found, places: Places, known: KnownDevices | None = None) -> VmRecord:
    """The record of a VM that was read with VM_PATHS, or with CHEAP_PATHS and the devices that are
    `known`. Never raises for what vSphere delivered."""
    record = _Reading(found, places).record(known)
    if record.oddities:
        logger.warning("VM %s: %s", found.moref, record.unreadable)
    return record


class _Reading:
    def __init__(self, found: Found, places: Places) -> None:
        self._found = found
        self._read: Mapping[str, Any] = found.properties
        self._places = places
        self._unsaid: set[str] = set()
        self._oddities: list[str] = []

    def record(self, known: KnownDevices | None) -> VmRecord:
        self._note_oddities()
        specs = self._specs()
        snapshots = self._snapshots()
        uuid, problem = self._identity()
        version = devices_version(self._found, self._places, snapshots)
        disks, adapters = self._devices(known)
        adapters = self._with_guest(adapters)
        self._unsaid.update(_unsaid_of_places(disks, adapters), known.unsaid if known else ())
        computed = self._where() | self._guest()
        traits = self._traits()
        if "snapshots" in self._unsaid:
            self._unsaid.add("snapshot_count")
        else:
            computed["snapshot_count"] = len(snapshots)
            if not snapshots and any(disk.is_beside_its_base for disk in disks):
                computed["consolidation_needed"] = True  # vSphere does not always say so
                self._unsaid.discard("consolidation_needed")
        for name, value in computed.items():
            specs[name] = clean(SPEC_FIELDS_BY_NAME[name], value)
        is_whole = not self._unsaid & {"disks", "networks", "snapshots", "instance_uuid"}
        return VmRecord(
            instance_uuid=uuid,
            specs=specs,
            disks=disks,
            networks=adapters,
            snapshots=snapshots,
            problem=problem,
            unsaid=frozenset(self._unsaid),
            oddities=tuple(self._oddities[:_MOST_ODDITIES]),
            devices_version=version if is_whole else None,
            devices_were_read=known is None,
            traits=traits,
        )

    def _traits(self) -> Traits | None:
        if not self._has_config:
            return None
        try:
            return traits_of(self._read)
        except NOT_AS_DESCRIBED as why:
            self._note(f"What vSphere says of the VM's owner, encryption and guest: {why}.")
            return None

    @property
    def _has_config(self) -> bool:
        return any(path.startswith("config.") for path in self._read)

    # ---------------------------------------------------------------- what was unexpected

    def _note(self, sentence: str) -> None:
        self._oddities.append(cut(sentence, MOST_FAULT))

    def _note_oddities(self) -> None:
        found, read = self._found, self._read
        if found.problem:
            self._note(f"vSphere's answer about this VM cannot be understood: {found.problem}")
            return
        for path, why in found.odd.items():
            self._note(f"{path}: {why}.")
        for path, fault in found.missing.items():
            if path not in found.odd and path in VM_PATHS:
                text, name = fault_text(fault), fault_name(fault)
                self._note(f"{path}: vSphere refuses it with {name}" + _words(text, name))
        if not self._has_config and not any(path.startswith("config.") for path in found.missing):
            state = read.get("runtime.connectionState")
            self._note(
                "vSphere does not deliver this VM's configuration"
                + (f" (the VM is {state})." if state and state != "connected" else ".")
            )
            return
        for path in _ALWAYS_THERE:
            if path not in read and path not in found.missing:
                self._note(f"{path}: vSphere does not deliver it.")

    def _part(self, name: str, what: str, make: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        """A part of the record; what cannot be understood is unsaid, and empty."""
        try:
            return make()
        except NOT_AS_DESCRIBED as why:
            self._unsaid.add(name)
            self._note(f"{what}: {why}.")
            return ()

    # ---------------------------------------------------------------- the parts

    def _specs(self) -> dict[str, SpecValue]:
        specs = no_specs()
        for field in SPEC_FIELDS:
            if field.path is None:
                continue
            value = self._read.get(field.path)
            specs[field.name] = kept = clean(field, value)
            if value is None:
                self._unsaid.add(field.name)
            elif kept is None and value != "":
                self._unsaid.add(field.name)
                self._note(f"{field.path}: vmrep cannot store this value.")
        return specs

    def _identity(self) -> tuple[str | None, str | None]:
        """The instance UUID; None with the reason why the VM cannot be identified."""
        uuid = self._read.get("config.instanceUuid")
        if uuid and len(uuid) <= _INSTANCE_UUID_LENGTH and REPLACED not in uuid:
            return str(uuid), None
        self._unsaid.add("instance_uuid")
        if uuid and len(uuid) > _INSTANCE_UUID_LENGTH:
            return None, _UUID_TOO_LONG
        return None, self._why_unidentified()

    def _why_unidentified(self) -> str:
        path = "config.instanceUuid"
        if self._found.problem or path in self._found.odd or path in self._found.missing:
            return next((each for each in self._oddities if path in each), self._oddities[0])
        if not self._has_config:
            return (
                "vSphere cannot read this VM's configuration (inaccessible, orphaned or"
                " incomplete)."
            )
        return "vSphere reports no instance UUID for this VM."

    def _snapshots(self) -> tuple[SnapshotRecord, ...]:
        read, found = self._read, self._found
        is_readable = "config.changeVersion" in read or DEVICES in read
        if "snapshot" in found.missing or not found.understood("snapshot") or not is_readable:
            self._unsaid.add("snapshots")
            return ()
        if "snapshot" not in read and read.get("rootSnapshot"):
            self._unsaid.add("snapshots")
            self._note("snapshot: vSphere does not deliver it, but there are snapshots.")
            return ()
        return self._part(
            "snapshots", "snapshot", lambda: tuple(_some(snapshots_of(read.get("snapshot"))))
        )

    def _devices(
        self, known: KnownDevices | None
    ) -> tuple[tuple[DiskRecord, ...], tuple[NicRecord, ...]]:
        if known is not None:
            return known.disks, known.networks
        devices = self._read.get(DEVICES)
        if not devices:  # every VM has some: a keyboard, controllers
            self._unsaid |= {"disks", "networks"}
            if DEVICES not in self._found.missing and self._has_config:
                self._note(f"{DEVICES}: vSphere does not deliver it.")
            return (), ()
        if len(devices) <= _MOST_PARTS:
            devices = that_matter(devices)  # made once for all that look at them
        types, places = self._places.datastore_types, self._places
        disks = self._part("disks", DEVICES, lambda: disks_of(_some(devices), types, places.names))
        adapters = self._part("networks", DEVICES, lambda: networks_of(_some(devices), places))
        if strange := unknown_devices(devices):
            self._note(f"{DEVICES}: vmrep does not know {', '.join(strange[:5])}.")
        return disks, adapters

    def _with_guest(self, adapters: tuple[NicRecord, ...]) -> tuple[NicRecord, ...]:
        if self._tools_answer() is False:
            return with_guest(adapters, ())
        nics = self._nics
        if nics is None:
            self._unsaid.add("addresses")
            return adapters
        return self._part("addresses", "guest.net", lambda: with_guest(adapters, nics)) or adapters

    def _where(self) -> dict[str, SpecValue]:
        read, places = self._read, self._places
        name = decode_name(str(read["name"])) if read.get("name") else None
        place = places.place(name, parent_of(read))
        if place.folder is None:
            self._unsaid.add("folder")
        if place.is_endless:
            self._note(_ENDLESS)
        host = read.get("runtime.host")
        where: dict[str, SpecValue] = {
            "vm_name": name,
            "moref": self._found.moref,
            "vm_path": place.path,
            "datacenter": place.datacenter,
            "host_name": places.shown(host._moId) if host is not None else None,
        }
        self._unsaid |= {spec for spec, value in where.items() if value is None}
        return where

    def _guest(self) -> dict[str, SpecValue]:
        """What the guest's tools say.

        The version "0" is vSphere's "no tools known" and counts as unknown, not as a version.
        vSphere keeps the last host name and addresses of a guest whose tools no longer run:
        they would be shown as true for days, so they count as unknown then.
        """
        read = self._read
        version = str(read.get("guest.toolsVersion") or "")
        status = read.get("guest.toolsStatus") or read.get("guest.toolsRunningStatus")
        specs: dict[str, SpecValue] = {
            "vm_tools_version": version if version.strip("0") else None,
            "vm_tools_status": status,
            "guest_hostname": None,
            "ip_addresses": None,
        }
        if not version and status != "toolsNotInstalled":
            self._unsaid.add("vm_tools_version")
        if not status:
            self._unsaid.add("vm_tools_status")
        answer = self._tools_answer()
        if answer is False:
            return specs
        specs["guest_hostname"] = read.get("guest.hostName")
        if not specs["guest_hostname"]:
            self._unsaid.add("guest_hostname")
        addresses = self._part("ip_addresses", "guest.net", self._addresses)
        if addresses or (answer and "guest.net" in read):
            specs["ip_addresses"] = addresses
        else:
            self._unsaid.add("ip_addresses")
        return specs

    @cached_property
    def _nics(self) -> Sequence[Any] | None:
        nics = self._read.get("guest.net")
        return None if nics is None else list(nics)

    def _addresses(self) -> tuple[str, ...]:
        nics = self._nics or ()
        first = self._read.get("guest.ipAddress")
        reported = [str(address) for nic in nics for address in nic.ipAddress]
        return tuple(dict.fromkeys(reported or ([str(first)] if first else [])))

    def _tools_answer(self) -> bool | None:
        read = self._read
        if running := read.get("guest.toolsRunningStatus"):
            return str(running) == "guestToolsRunning"
        if status := read.get("guest.toolsStatus"):
            return str(status) in ("toolsOk", "toolsOld")
        return False if read.get("runtime.powerState") == "poweredOff" else None


def _unsaid_of_places(
    disks: tuple[DiskRecord, ...], adapters: tuple[NicRecord, ...]
) -> Iterator[str]:
    """What only the datastores and networks themselves tell, and did not."""
    if None in [disk.datastore_type for disk in disks]:
        yield "datastore_types"
    if None in [nic.network_name for nic in adapters]:
        yield "network_names"


def _some(parts: Sequence[T]) -> Sequence[T]:
    if len(parts) > _MOST_PARTS:
        raise NotAsDescribed(f"there are {len(parts):,} of them")
    return parts


def _words(text: str, name: str) -> str:
    return "." if text == name else f": {text}"
