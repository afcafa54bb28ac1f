"""The lab's lasting facts as plain data: what the state file holds, and what a restart begins from.

vSphere's objects are made from these records when a client asks for them (see `vm_view`), so a
change is complete once its record is changed and saved.
"""

from __future__ import annotations

import copy
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

POWERED_ON = "poweredOn"
POWERED_OFF = "poweredOff"
SUSPENDED = "suspended"


@dataclass
class Estate:
    """Facts of the whole simulated vCenter; settings come from the scenario's [estate] table."""

    scenario: str
    instance_uuid: str
    product: str = "vcenter"
    version: str = "8.0.2"
    task_delay_seconds: float = 0.05
    session_idle_seconds: float = 1800.0
    page_extents: int = 2000
    page_span_bytes: int | None = None
    boots: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    keep_snapshots: bool = False
    session_limit: int = 0  # 0: none
    lock_after_failures: int = 0  # 0: never
    other_backups_seconds: float = 0.0  # 0: none
    folder_ranges: bool = True
    folder_bytes_per_second: int | None = None


@dataclass
class EntityRecord:
    """A folder, datacenter, host, network or datastore: kind, name, parent, and details."""

    ref: str
    kind: str
    name: str
    parent: str | None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class DiskDevice:
    """A virtual disk as the VM's configuration shows it."""

    key: int
    uuid: str
    label: str
    capacity_bytes: int
    controller_key: int
    unit: int
    provisioning: str = "thin"
    mode: str = "persistent"
    sharing: str = "sharingNone"
    raw: str | None = None  # "physical" or "virtual": a raw device mapping
    encrypted: bool = False

    @property
    def independent(self) -> bool:
        """Independent disks are not part of snapshots, nor are physical raw device mappings."""
        return self.mode.startswith("independent") or self.raw == "physical"


@dataclass
class ControllerDevice:
    """A disk controller other than the one that the VM's guest usually has."""

    kind: str
    bus: int
    sharing: str = "noSharing"


@dataclass
class NicDevice:
    """A network adapter as the VM's configuration shows it, and what the guest says about it."""

    key: int
    label: str
    network: str
    mac_address: str
    adapter: str = "vmxnet3"
    connected: bool = True
    ip_addresses: list[str] = field(default_factory=list)


@dataclass
class Config:
    """The part of a VM that a snapshot preserves."""

    name: str
    guest_id: str
    guest_full_name: str
    hardware_version: str = "vmx-19"
    firmware: str | None = "bios"
    cpu: int = 1
    cores_per_socket: int | None = None
    memory_mb: int = 1024
    annotation: str | None = None
    tracking: bool = False
    template: bool = False
    disks: list[DiskDevice] = field(default_factory=list)
    nics: list[NicDevice] = field(default_factory=list)
    controllers: list[ControllerDevice] = field(default_factory=list)
    managed_by: list[str] | None = None  # an extension's key, and the type that it gave the VM
    encrypted: bool = False
    vtpm: bool = False

    @classmethod
    def load(cls, data: dict[str, Any]) -> Config:
        """From JSON data."""
        disks = [DiskDevice(**d) for d in data.pop("disks")]
        nics = [NicDevice(**n) for n in data.pop("nics")]
        controllers = [ControllerDevice(**c) for c in data.pop("controllers", ())]
        return cls(**data, disks=disks, nics=nics, controllers=controllers)

    def disk(self, key: int) -> DiskDevice | None:
        """The disk with this device key."""
        return next((d for d in self.disks if d.key == key), None)


@dataclass
class LayerRecord:
    """One file of a disk's chain. Frozen by `snapshot`; when that is None and the layer is not the
    chain's current one, it is left from a removed snapshot whose files are yet to be merged."""

    number: int
    descriptor: str
    extent: str
    parent: int | None
    snapshot: str | None = None
    content_id: str = "fffffffe"
    private: str | None = None  # of a linked clone's base: the lab's copy of another VM's file


@dataclass
class ChainRecord:
    """A disk's files: a tree of layers, of which the guest writes into `current`.

    `era` counts the change-tracking sequence: it rises with each snapshot, and every write is
    recorded under its era. `epoch` is None while change tracking is off."""

    key: int
    identity: str
    datastore: str
    capacity_bytes: int
    layers: dict[int, LayerRecord]
    current: int | None
    era: int = 1
    epoch: str | None = None
    tracked_from: int | None = None  # the layer that was current when the epoch began
    block_bytes: int = 65536
    whole_when_allocated: bool = False
    tracking_lost: bool = False  # until tracking is off at a stun, and on again
    stem: str | None = None  # of a linked clone: where its own files are
    churn_start: int = 0

    @classmethod
    def load(cls, data: dict[str, Any]) -> ChainRecord:
        """From JSON data (whose object keys are strings)."""
        layers = {int(n): LayerRecord(**layer) for n, layer in data.pop("layers").items()}
        return cls(**data, layers=layers)


@dataclass
class SnapshotRecord:
    """A snapshot in a VM's tree, with the configuration that it preserves."""

    ref: str
    number: int
    name: str
    description: str
    created_at: str
    quiesced: bool
    power_state: str
    parent: str | None
    config: Config
    change_ids: dict[int, str]
    eras: dict[int, int]

    @classmethod
    def load(cls, data: dict[str, Any]) -> SnapshotRecord:
        """From JSON data."""
        config = Config.load(data.pop("config"))
        change_ids = {int(k): v for k, v in data.pop("change_ids").items()}
        eras = {int(k): v for k, v in data.pop("eras").items()}
        return cls(**data, config=config, change_ids=change_ids, eras=eras)


@dataclass
class Tools:
    """VMware Tools in a guest; None in a VM's record means that there are none."""

    version: str = "12352"
    status: str = "toolsOk"
    version_status: str = "guestToolsCurrent"
    hostname: str | None = None


@dataclass
class VmRecord:
    """A whole virtual machine."""

    ref: str
    parent: str
    datacenter: str
    host: str
    datastore: str
    folder_on_datastore: str
    instance_uuid: str | None
    bios_uuid: str
    config: Config
    power_state: str = POWERED_ON
    booted_at: str | None = None  # None while it is on: since before the lab was built
    tools: Tools | None = None
    bare: bool = False
    chains: dict[int, ChainRecord] = field(default_factory=dict)
    snapshots: dict[str, SnapshotRecord] = field(default_factory=dict)
    current_snapshot: str | None = None
    change_version: int = 1
    consolidation_needed: bool = False
    refuse_snapshot_removal: bool = False
    unlist_snapshots: bool = False  # the tree is empty, but each reference is there
    leave_consolidation: bool = False
    hide_consolidation: bool = False  # what is left is not told of
    refuse_consolidation: bool = False
    fault_tolerance_state: str = "notConfigured"
    connection_state: str = "connected"
    hidden: list[str] = field(default_factory=list)  # property paths that look unset
    odd: list[dict[str, str]] = field(default_factory=list)  # what to answer oddly, at each start

    @classmethod
    def load(cls, data: dict[str, Any]) -> VmRecord:
        """From JSON data."""
        tools = data.pop("tools")
        config = Config.load(data.pop("config"))
        chains = {int(k): ChainRecord.load(c) for k, c in data.pop("chains").items()}
        snapshots = {r: SnapshotRecord.load(s) for r, s in data.pop("snapshots").items()}
        return cls(
            **data,
            tools=Tools(**tools) if tools else None,
            config=config,
            chains=chains,
            snapshots=snapshots,
        )

    def dump(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)

    @property
    def vmx_path(self) -> str:
        """The configuration file's path inside its datastore."""
        stem = self.folder_on_datastore
        return f"{stem}/{stem}.vmx"

    def frozen_config(self) -> Config:
        """A copy of the configuration for a snapshot to keep."""
        return copy.deepcopy(self.config)


def new_epoch() -> str:
    """A change-tracking epoch in the form that ESXi writes:
    `52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63`."""
    digits = uuid.uuid4().bytes
    pairs = [f"{byte:02x}" for byte in digits]
    return f"{' '.join(pairs[:8])}-{' '.join(pairs[8:])}"
