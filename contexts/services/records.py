"""Between a discovered VM's row and the record that the vSphere layer speaks in."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from contexts.models import DiscoveredVM
from contexts.services.refresh import spec_columns
from contexts.vsphere.inventory import DiskRecord, NicRecord, VmRecord
from contexts.vsphere.preflight import refusals
from contexts.vsphere.specs import SpecValue


def columns_of(record: VmRecord) -> dict[str, Any]:
    """The columns of a DiscoveredVM that a record fills."""
    return {
        **spec_columns(record),
        "disks": [asdict(disk) for disk in record.disks],
        "networks": [asdict(nic) for nic in record.networks],
        "refusals": [asdict(refusal) for refusal in refusals(record)],
    }


def from_discovered(vm: DiscoveredVM) -> VmRecord:
    """The record that the row was made from, less its snapshots (a job reads those afresh)."""
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
