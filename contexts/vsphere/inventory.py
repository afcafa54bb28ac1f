"""Reading VMs with everything that a context holds."""

from __future__ import annotations

from contexts.vsphere.records import (
    DiskRecord,
    InventoryPage,
    NicRecord,
    ProvisioningType,
    SnapshotRecord,
    VmRecord,
)
from contexts.vsphere.specs import SPEC_FIELDS, SPEC_FIELDS_BY_NAME, SpecField, SpecValue

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
]
