"""What vmrep knows of a VM, as plain values. pyVmomi's objects never leave this package.

Text is hostile input: exactly what vCenter holds, of any length and with any characters.
None always means "vSphere did not say".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from contexts.vsphere.specs import SPEC_FIELDS, SpecValue

ProvisioningType = Literal["thin", "thick_lazy", "thick_eager"]

# vm_tools_status values (both of vSphere's vocabularies) that mean: tools answer now.
_TOOLS_RUNNING = frozenset({"toolsOk", "toolsOld", "guestToolsRunning"})


@dataclass(frozen=True, slots=True)
class DiskRecord:
    """One virtual disk, of a VM as it is now or of a snapshot.

    - `vmdk_path` is "[datastore] folder/name.vmdk"; `datastore` is its first part, and
      `datastore_moref` the object;
      `datastore_type` as in vSphere ("VMFS", "NFS", "vsan", "VVOL", …).
    - `backing_type`: "flat", "sparse", "sesparse", "rdm_virtual", "rdm_physical", "raw", "pmem",
      or pyVmomi's class name for what is new.
    - `disk_mode` as in vSphere ("persistent", "independent_persistent", …).
    - `sharing`: "sharingNone" or "sharingMultiWriter" of the disk, or "physicalSharing" or
      "virtualSharing" when its controller's bus is shared between VMs.
    - `controller_type`: "pvscsi", "lsilogic", "lsilogic-sas", "buslogic", "sata", "ide", "nvme",
      "usb", or pyVmomi's class name.
    - `change_id` needs changed block tracking. Only that of a snapshot's disk names a state; a
      running VM's moves on.
    - `has_parent`: the file is a delta on another one (snapshot, linked clone).
    - `base_path`: the file at the bottom of its chain; None when it has no parent, or when nobody
      knows.
    """

    device_key: int
    disk_uuid: str | None
    label: str | None
    capacity_bytes: int
    vmdk_path: str | None
    datastore: str | None
    provisioning_type: ProvisioningType | None
    disk_mode: str | None
    sharing: str | None
    backing_type: str | None
    controller_type: str | None
    change_id: str | None
    has_parent: bool | None
    datastore_type: str | None = None
    datastore_moref: str | None = None
    encrypted: bool | None = None
    base_path: str | None = None

    @property
    def is_beside_its_base(self) -> bool:
        """Whether it is a delta on a file in its own folder, as snapshots make them. Without a
        snapshot it is what a removal left behind."""
        return bool(self.has_parent) and self.base_path is not None and not self.is_linked

    @property
    def is_linked(self) -> bool:
        """Whether it builds on a file in another folder, as the disk of a linked clone does: a
        snapshot's deltas are beside the disk."""
        if self.base_path is None or self.vmdk_path is None:
            return False
        return self.base_path.rpartition("/")[0] != self.vmdk_path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class NicRecord:
    """One network adapter. `adapter_type`: "vmxnet3", "e1000", "e1000e", … or the class name.

    `ip_addresses` are what the guest's tools report for it; empty when they report nothing.
    """

    device_key: int
    label: str | None
    mac_address: str | None
    network_name: str | None
    adapter_type: str | None
    connected: bool | None
    ip_addresses: tuple[str, ...]

    def with_guest(self, ip_addresses: tuple[str, ...], network_name: str | None) -> NicRecord:
        """With what the guest's tools say. (`dataclasses.replace` takes three times as long, for
        every adapter of every VM.)"""
        return NicRecord(
            self.device_key,
            self.label,
            self.mac_address,
            network_name,
            self.adapter_type,
            self.connected,
            ip_addresses,
        )


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """One node of a VM's snapshot tree. `created_at` is aware, by its host's clock."""

    moref: str
    name: str
    quiesced: bool | None
    created_at: datetime | None
    parent_moref: str | None


PARTS = frozenset(
    {
        *("instance_uuid", "disks", "networks", "snapshots"),
        *("addresses", "network_names", "datastore_types"),
        "folder",
    }
)
"""What a record holds besides specs. "addresses" and "network_names": those of its adapters, and
"datastore_types" those of its disks; the names and types that are there count nevertheless.
"folder": that of its path; the path needs the VM's name as well."""
NEEDED = frozenset({"instance_uuid", "disks", "snapshots"})
PLACES: Mapping[str, frozenset[str]] = {
    "folder": frozenset({"folder"}),
    "datacenter": frozenset({"datacenter"}),
    "host": frozenset({"host_name"}),
    "datastores": frozenset({"disks", "datastore_types"}),
    "networks": frozenset({"networks", "network_names"}),
}
"""Where a VM is, and what of a record tells that. A vApp that holds it counts as a folder."""


@dataclass(frozen=True, slots=True)
class KnownDevices:
    """The devices as an earlier reading found them, under that `devices_version`. `unsaid`: what of
    PARTS it was not told of them. The version has the names of what is around a VM, so this is
    still so."""

    devices_version: str
    disks: tuple[DiskRecord, ...]
    networks: tuple[NicRecord, ...]
    unsaid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Traits:
    """What vSphere says about a VM that needs more care than an ordinary one; hostile text.

    `managed_by`: the key of the solution that owns it, or empty; `managed_type`: that solution's
    word for it. `products`: those of the appliance that it was deployed from.
    """

    managed_by: str = ""
    managed_type: str = ""
    products: tuple[str, ...] = ()
    has_tpm: bool = False
    is_encrypted: bool = False


@dataclass(frozen=True, slots=True)
class VmRecord:
    """One VM as read from vSphere.

    `specs` has every name of SPEC_FIELDS. `instance_uuid` None means that the VM cannot be
    identified, and so cannot be taken; `problem` then says why.

    `unsaid` names what vSphere did not say this time, or not in a way that vmrep understands: specs
    and PARTS. Its value here means nothing: what was known before stays known. `oddities` say in
    words what was unexpected, with the server's own; there may be some although nothing is unsaid.

    `devices_version` names the state of the VM's devices: as long as it is the same, so are they.
    None when that cannot be told. `devices_were_read`: this time, and not taken from before.

    `traits`: None when vSphere did not say.
    """

    instance_uuid: str | None
    specs: Mapping[str, SpecValue]
    disks: tuple[DiskRecord, ...] = ()
    networks: tuple[NicRecord, ...] = ()
    snapshots: tuple[SnapshotRecord, ...] = ()
    problem: str | None = None
    unsaid: frozenset[str] = frozenset()
    oddities: tuple[str, ...] = ()
    devices_version: str | None = None
    devices_were_read: bool = field(default=True, compare=False)
    traits: Traits | None = None

    @property
    def lacks(self) -> frozenset[str]:
        """What a replication needs of what is unsaid."""
        return self.unsaid & NEEDED

    @property
    def untold_places(self) -> tuple[str, ...]:
        """Those of PLACES that vSphere did not tell, or not completely."""
        return tuple(place for place, parts in PLACES.items() if parts & self.unsaid)

    @property
    def unreadable(self) -> str:
        """What could not be read of the VM, in words; empty when everything could."""
        return " ".join(self.oddities)

    def text(self, name: str) -> str | None:
        """A text spec, typed."""
        value = self.specs[name]
        return value if isinstance(value, str) else None

    @property
    def moref(self) -> str:
        """vSphere's reference to the VM; always known, but not permanent: identity is the UUID."""
        return self.text("moref") or ""

    @property
    def name(self) -> str:
        """The VM's name for messages; its moref when the name is unknown."""
        return self.text("vm_name") or self.moref

    @property
    def tools_running(self) -> bool | None:
        """Whether VMware Tools answer (a quiesced snapshot has a chance); None when unknown."""
        status = self.text("vm_tools_status")
        return None if status is None else status in _TOOLS_RUNNING


@dataclass(frozen=True, slots=True)
class InventoryPage:
    """Some VMs of a whole reading. `total` is the number of VMs in the vCenter, when known."""

    records: tuple[VmRecord, ...]
    total: int | None = field(default=None)


_NO_SPECS: Mapping[str, SpecValue] = {spec.name: None for spec in SPEC_FIELDS}


def no_specs() -> dict[str, SpecValue]:
    """All spec names, all unknown."""
    return dict(_NO_SPECS)
