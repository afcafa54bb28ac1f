"""Scenarios: the inventory that a lab begins with, read from TOML files.

docs/lab.md describes the format. Everything is checked here, and an error names the file and the
place, so that adding a scenario is adding data.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pyVmomi import vim

from vmrep.lab.errors import ScenarioError
from vmrep.lab.world.controllers import KINDS
from vmrep.lab.world.datastores import TYPES
from vmrep.lab.world.products import PRODUCTS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCENARIOS = Path(__file__).parent / "scenarios"
CONTENTS = ("linux", "windows", "random", "empty")
PROVISIONING = ("thin", "thick_lazy", "thick_eager")
MODES = ("persistent", "independent_persistent", "independent_nonpersistent")
BUS_SHARING = ("noSharing", "physicalSharing", "virtualSharing")
CONNECTIONS = tuple(vim.VirtualMachine.ConnectionState.values)
NETWORKS = {"standard": "network", "distributed": "dvportgroup", "opaque": "opaquenetwork"}
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

T = TypeVar("T", bound="DataclassInstance")


@dataclass
class DiskSpec:
    """A disk of a VM: its size, what is on it, and how vSphere shows it."""

    capacity: str
    content: str = "linux"
    data: str = "32MiB"
    provisioning: str = "thin"
    mode: str = "persistent"
    sharing: str = "sharingNone"
    tracking: str = "blocks"
    datastore: str | None = None
    uuid: str | None = None
    controller: str = "scsi"
    bus: int | None = None
    bus_sharing: str = "noSharing"
    raw: str | None = None
    encrypted: bool = False
    linked_to: str | None = None

    @property
    def capacity_bytes(self) -> int:
        """The virtual size."""
        return parse_size(self.capacity)

    @property
    def data_bytes(self) -> int:
        """How much content the disk begins with, roughly."""
        return parse_size(self.data)


@dataclass
class NicSpec:
    """A network adapter."""

    network: str
    addresses: list[str] = field(default_factory=list)
    adapter: str = "vmxnet3"
    connected: bool = True


@dataclass
class SnapshotSpec:
    """A snapshot that the VM begins with; `write` is how much the guest writes after it."""

    name: str
    description: str = ""
    write: str = "1MiB"
    after: str | None = None
    age_days: float = 0.0


@dataclass
class OddSpec:
    """Something about a VM that no client expects: what stands at `path` is `xml`, or refused with
    a `fault`; or the VM goes while it is read (`vanishes`: "page", or "call" for a fault of the
    whole call)."""

    path: str = ""
    xml: str = ""
    fault: str = ""
    message: str = ""
    vanishes: str = ""


@dataclass
class ToolsSpec:
    """VMware Tools in the guest."""

    version: str = "12352"
    status: str = "toolsOk"
    version_status: str = "guestToolsCurrent"
    hostname: str | None = None


@dataclass
class VmSpec:
    """A virtual machine, or `count` of them with numbered names."""

    name: str
    folder: str = ""
    datacenter: str | None = None
    datastore: str | None = None
    count: int = 1
    cpu: int = 1
    cores_per_socket: int | None = None
    memory_mb: int = 1024
    guest_id: str = "debian12_64Guest"
    guest_name: str = "Debian GNU/Linux 12 (64-bit)"
    hardware_version: str = "vmx-19"
    firmware: str = "bios"
    notes: str | None = None
    power: str = "on"
    template: bool = False
    bare: bool = False
    tracking: bool = False
    instance_uuid: str | None = None
    bios_uuid: str | None = None
    managed_by: list[str] | None = None
    vapp: str | None = None
    encrypted: bool = False
    vtpm: bool = False
    connection_state: str = "connected"
    hidden: list[str] = field(default_factory=list)
    odd: list[OddSpec] = field(default_factory=list)
    fault_tolerance_state: str = "notConfigured"
    consolidation_needed: bool = False
    tools: ToolsSpec | None = None
    disks: list[DiskSpec] = field(default_factory=list)
    nics: list[NicSpec] = field(default_factory=list)
    snapshots: list[SnapshotSpec] = field(default_factory=list)


@dataclass
class DatastoreSpec:
    """A datastore, of one of the types in `world.datastores`."""

    name: str
    type: str = "vmfs"


@dataclass
class NetworkSpec:
    """A port group of one host, a distributed one, or an opaque (NSX) network."""

    name: str
    type: str = "standard"


@dataclass
class DatacenterSpec:
    """A datacenter with one host, in folders when its path says so."""

    path: str
    host: str = "esx1.example.com"
    datastores: list[DatastoreSpec] = field(default_factory=lambda: [DatastoreSpec("datastore1")])
    networks: list[NetworkSpec] = field(default_factory=lambda: [NetworkSpec("VM Network")])


@dataclass
class EstateSpec:
    """Settings of the server as a whole; `product` is "vcenter", or "esxi" for a lone host."""

    product: str = "vcenter"
    version: str = "8.0.2"
    task_delay_seconds: float = 0.05
    session_idle_seconds: float = 1800.0
    page_extents: int = 2000
    page_span: str | None = None
    session_limit: int = 0
    lock_after_failures: int = 0
    other_backups_seconds: float = 0.0
    folder_ranges: bool = True
    folder_bytes_per_second: int | None = None


@dataclass
class Scenario:
    """A whole scenario."""

    name: str
    estate: EstateSpec
    datacenters: list[DatacenterSpec]
    vms: list[VmSpec]

    def datacenter(self, called: str | None) -> DatacenterSpec:
        """The one with this path or, where no other has it, this name; the first without either.
        Raises ScenarioError."""
        if called is None:
            return self.datacenters[0]
        for one in self.datacenters:
            if one.path == called:
                return one
        named = [one for one in self.datacenters if one.path.rpartition("/")[2] == called]
        if len(named) != 1:
            which = "are several datacenters" if named else "is no datacenter"
            raise ScenarioError(f"there {which} {called!r}")
        return named[0]


NESTED: dict[str, type] = {
    "tools": ToolsSpec,
    "disks": DiskSpec,
    "nics": NicSpec,
    "snapshots": SnapshotSpec,
    "datastores": DatastoreSpec,
    "networks": NetworkSpec,
    "odd": OddSpec,
}
# What can be written as a text alone stands for a table with this name.
NAMED = (DatastoreSpec, NetworkSpec)


def parse_size(text: str) -> int:
    """Bytes of a size such as `512MiB`. Raises ValueError."""
    found = re.fullmatch(r"(\d+)\s*([KMGT]?i?B)", text)
    if not found or found[2] not in UNITS:
        raise ValueError(f"{text!r} is not a size such as 64MiB, 2GiB or 2TiB")
    return int(found[1]) * UNITS[found[2]]


def available() -> list[str]:
    """Names of the scenarios that ship with the lab."""
    return sorted(p.stem for p in SCENARIOS.glob("*.toml"))


def load(name: str) -> Scenario:
    """A scenario by name, or by the path of a TOML file. Raises ScenarioError."""
    path = Path(name) if name.endswith(".toml") else SCENARIOS / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(available())
        raise ScenarioError(f"there is no scenario {name!r}; there are: {known}")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    unknown = set(data) - {"estate", "datacenters", "vms"}
    if unknown:
        raise ScenarioError(f"{path}: unknown table {', '.join(sorted(unknown))}")
    scenario = Scenario(
        name=path.stem,
        estate=_read(EstateSpec, data.get("estate", {}), f"{path}: [estate]"),
        datacenters=[
            _read(DatacenterSpec, d, f"{path}: datacenter {n + 1}")
            for n, d in enumerate(data.get("datacenters", [{"path": "Datacenter"}]))
        ],
        vms=[
            _read(VmSpec, v, f"{path}: VM {n + 1} ({v.get('name', 'without a name')!r})")
            for n, v in enumerate(data.get("vms", []))
        ],
    )
    _check(scenario, str(path))
    return scenario


def _read(kind: type[T], data: Any, where: str) -> T:
    """A dataclass from a table; unknown, missing and wrongly typed keys are errors."""
    if not isinstance(data, dict):
        raise ScenarioError(f"{where}: must be a table")
    known = {f.name: f for f in fields(kind)}
    unknown = set(data) - set(known)
    if unknown:
        raise ScenarioError(f"{where}: unknown key {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {}
    for key, value in data.items():
        nested = NESTED.get(key)
        if nested is ToolsSpec:
            values[key] = _read(ToolsSpec, value, f"{where}, tools")
        elif nested:
            if not isinstance(value, list):
                raise ScenarioError(f"{where}, {key}: must be a list of tables")
            tables = [{"name": v} if nested in NAMED and isinstance(v, str) else v for v in value]
            values[key] = [
                _read(nested, v, f"{where}, {key} {n + 1}") for n, v in enumerate(tables)
            ]
        else:
            _check_type(str(known[key].type), value, f"{where}, {key}")
            values[key] = value
    try:
        return kind(**values)
    except TypeError as error:
        missing = str(error).rpartition(":")[2].strip()
        raise ScenarioError(f"{where}: missing {missing}") from error


def _check_type(declared: str, value: Any, where: str) -> None:
    kinds: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}
    name = declared.partition(" ")[0]
    right = (
        isinstance(value, list) and all(isinstance(v, str) for v in value)
        if name.startswith("list")
        else isinstance(value, kinds[name]) and (name == "bool" or not isinstance(value, bool))
    )
    if not right:
        raise ScenarioError(f"{where}: must be {name}, not {value!r}")


def _check(scenario: Scenario, path: str) -> None:
    """Check what goes beyond single values."""
    paths = {d.path for d in scenario.datacenters}
    if len(paths) != len(scenario.datacenters) or not paths:
        raise ScenarioError(f"{path}: datacenters need different paths, and there must be one")
    _one_of(scenario.estate.product, tuple(PRODUCTS), f"{path}: [estate] product")
    only = PRODUCTS[scenario.estate.product].datacenter
    if only is not None and [d.path for d in scenario.datacenters] != [only]:
        raise ScenarioError(f"{path}: a lone host has one datacenter, {only}")
    if scenario.estate.page_span:
        _size(scenario.estate.page_span, f"{path}: [estate] page_span")
    for datacenter in scenario.datacenters:
        for datastore in datacenter.datastores:
            _one_of(datastore.type, TYPES, f"{path}: datastore {datastore.name!r}, type")
        for network in datacenter.networks:
            known = NETWORKS if only is None else ("standard",)
            _one_of(network.type, known, f"{path}: network {network.name!r}, type")
    for vm in scenario.vms:
        where = f"{path}: VM {vm.name!r}"
        try:
            datacenter = scenario.datacenter(vm.datacenter)
        except ScenarioError as error:
            raise ScenarioError(f"{where}: {error}") from error
        if only is not None and vm.folder:
            raise ScenarioError(f"{where}: a lone host has no folders")
        _one_of(vm.power, ("on", "off", "suspended"), f"{where}, power")
        _one_of(vm.connection_state, CONNECTIONS, f"{where}, connection_state")
        if vm.managed_by is not None and len(vm.managed_by) != 2:
            raise ScenarioError(f"{where}: managed_by is an extension's key and a type")
        _check_links(vm, scenario.vms, where)
        for odd in vm.odd:
            _one_of(odd.vanishes, ("", "page", "call"), f"{where}, odd, vanishes")
        for wanted in [vm.datastore, *(d.datastore for d in vm.disks)]:
            if wanted is not None:
                _one_of(wanted, [d.name for d in datacenter.datastores], f"{where}, datastore")
        for nic in vm.nics:
            _one_of(nic.network, [n.name for n in datacenter.networks], f"{where}, network")
            _one_of(nic.adapter, ("vmxnet3", "e1000", "e1000e"), f"{where}, adapter")
        for disk in vm.disks:
            _check_disk(disk, where)
        for snapshot in vm.snapshots:
            _size(snapshot.write, f"{where}, snapshot {snapshot.name!r}")


def _check_links(vm: VmSpec, vms: list[VmSpec], where: str) -> None:
    """A linked clone's disk stands on the same disk of an earlier VM, which never runs."""
    earlier = {other.name: other for other in vms[: vms.index(vm)]}
    for number, disk in enumerate(vm.disks):
        if disk.linked_to is None:
            continue
        source = earlier.get(disk.linked_to)
        if source is None or source.power == "on" or number >= len(source.disks):
            raise ScenarioError(
                f"{where}: linked_to names an earlier VM that is off and has a disk {number + 1}"
            )


def _check_disk(disk: DiskSpec, where: str) -> None:
    _one_of(disk.controller, ("scsi", *KINDS), f"{where}, controller")
    _one_of(disk.bus_sharing, BUS_SHARING, f"{where}, bus_sharing")
    _one_of(disk.raw, (None, "physical", "virtual"), f"{where}, raw")
    _one_of(disk.content, CONTENTS, f"{where}, content")
    _one_of(disk.provisioning, PROVISIONING, f"{where}, provisioning")
    _one_of(disk.mode, MODES, f"{where}, mode")
    _one_of(disk.sharing, ("sharingNone", "sharingMultiWriter"), f"{where}, sharing")
    _one_of(disk.tracking, ("blocks", "adaptive"), f"{where}, tracking")
    capacity, data = _size(disk.capacity, where), _size(disk.data, where)
    if capacity < 1 or capacity % 512:
        raise ScenarioError(f"{where}: a capacity must be a multiple of 512 bytes")
    if disk.content != "empty" and data + (16 << 20) > capacity:
        raise ScenarioError(f"{where}: {disk.data} of data needs a disk 16MiB larger than that")


def _one_of(value: str | None, allowed: Any, where: str) -> None:
    if value not in allowed:
        raise ScenarioError(f"{where}: {value!r} is not one of {', '.join(filter(None, allowed))}")


def _size(text: str, where: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from error
