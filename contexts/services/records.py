"""Conversion between a discovered VM's row and the vSphere layer's record."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, cast

from contexts.models import DiscoveredVM
from contexts.services.refresh import spec_columns
from contexts.vsphere.inventory import DiskRecord, NicRecord, VmRecord
from contexts.vsphere.preflight import Refusal, refusals
from contexts.vsphere.specs import SpecValue


def columns_of(record: VmRecord) -> dict[str, Any]:
    """The columns of a DiscoveredVM that a record fills."""
    return {
        **spec_columns(record),
        "disks": [_flat(disk) for disk in record.disks],
        # A list, as the database returns it, so that an unchanged value compares equal.
        "networks": [
            _flat(nic) | {"ip_addresses": list(nic.ip_addresses)} for nic in record.networks
        ],
        "refusals": [_flat(refusal) for refusal in refusals(record)],
    }


_NAMES = {
    kind: tuple(each.name for each in fields(kind)) for kind in (DiskRecord, NicRecord, Refusal)
}


def _flat(record: DiskRecord | NicRecord | Refusal) -> dict[str, Any]:
    """Like `asdict`, but without its deep copies, which take longer than the database for thousands
    of VMs."""
    return {name: getattr(record, name) for name in _NAMES[type(record)]}


def from_discovered(vm: DiscoveredVM) -> VmRecord:
    """The record that the row was made from, without its snapshots (a job reads those again)."""
    return VmRecord(
        instance_uuid=vm.vmware_vm_id,
        specs={
            name: cast("SpecValue", tuple(value) if isinstance(value, list) else value)
            for name, value in vm.spec_values().items()
        },
        disks=tuple(DiskRecord(**disk) for disk in vm.disks),
        networks=tuple(
            NicRecord(**{**nic, "ip_addresses": tuple(nic["ip_addresses"])}) for nic in vm.networks
        ),
        snapshots=(),
    )
