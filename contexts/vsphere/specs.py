"""The one list of a VM's spec fields.

Model columns, table columns, API fields and admin lists are generated from `SPEC_FIELDS`, so that
a name exists in exactly one place and a field that nobody knows can be refused by name.

Every value is unknown (None) until vSphere has said it. Nothing is defaulted: a missing CPU count
is not 0, missing tools are not version "0".

The values that `inventory` delivers keep these promises, so that a hostile vCenter or guest cannot
make a database refuse a whole page of VMs:

- "text" is a str exactly as in vCenter. Where `max_length` is set (identifiers and vSphere's own
  words) a longer value is not such a value and counts as unknown; elsewhere text is free, and is
  cut after `cut_after` characters, with a note at its end.
- "int" is a whole number from 0 to 2**31 - 1.
- "list" is a tuple of at most MOST_ADDRESSES str, each cut like a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contexts.vsphere.texts import MOST_ADDRESSES, MOST_NAME, MOST_NOTES, cut

SpecValue = str | int | bool | tuple[str, ...] | None
SpecKind = Literal["text", "int", "bool", "list"]
SpecGroup = Literal["identity", "location", "hardware", "guest", "state", "protection"]


@dataclass(frozen=True, slots=True)
class SpecField:
    """One spec of a VM.

    `name` is the column's and the API's name. `path` is the property of vim.VirtualMachine that
    holds it as it is; None when `inventory` works it out of several. `label` is for people,
    `group` is the heading under which it is shown, `unit` follows the number.
    """

    name: str
    kind: SpecKind
    path: str | None
    label: str
    group: SpecGroup
    max_length: int | None = None
    unit: str = ""
    help: str = ""
    cut_after: int = MOST_NAME


def _text(
    name: str,
    path: str | None,
    label: str,
    group: SpecGroup,
    max_length: int | None = None,
    help: str = "",
) -> SpecField:
    return SpecField(name, "text", path, label, group, max_length=max_length, help=help)


SPEC_FIELDS: tuple[SpecField, ...] = (
    _text("vm_name", None, "Name", "identity", help="As people see it, with %2f decoded."),
    _text("moref", None, "Managed object", "identity", 255, "vSphere's own reference, like vm-12."),
    _text("bios_uuid", "config.uuid", "BIOS UUID", "identity", 64),
    _text("vmx_path", "config.files.vmPathName", "Configuration file", "identity"),
    _text("change_version", "config.changeVersion", "Configuration version", "identity", 255),
    SpecField("annotation", "text", "config.annotation", "Notes", "identity", cut_after=MOST_NOTES),
    _text(
        "vm_path",
        None,
        "Inventory path",
        "location",
        help="/datacenter/vm/folder/name; a slash within a name is written as %2f.",
    ),
    _text("datacenter", None, "Datacenter", "location"),
    _text("host_name", None, "Host", "location"),
    SpecField("cpu_count", "int", "config.hardware.numCPU", "CPUs", "hardware"),
    SpecField(
        "cores_per_socket",
        "int",
        "config.hardware.numCoresPerSocket",
        "Cores per socket",
        "hardware",
    ),
    SpecField("memory_mb", "int", "config.hardware.memoryMB", "Memory", "hardware", unit="MiB"),
    _text("hardware_version", "config.version", "Hardware version", "hardware", 32),
    _text("firmware", "config.firmware", "Firmware", "hardware", 32),
    _text("os_type", "config.guestFullName", "Operating system", "guest"),
    _text("guest_id", "config.guestId", "Guest ID", "guest", 255),
    _text("vm_tools_version", None, "VMware Tools version", "guest", 255),
    _text("vm_tools_status", None, "VMware Tools status", "guest", 64),
    _text("guest_hostname", None, "Guest host name", "guest"),
    SpecField("ip_addresses", "list", None, "IP addresses", "guest"),
    _text("power_state", "runtime.powerState", "Power", "state", 32),
    _text("connection_state", "runtime.connectionState", "Connection", "state", 32),
    SpecField("is_template", "bool", "config.template", "Template", "state"),
    SpecField(
        "cbt_enabled",
        "bool",
        "config.changeTrackingEnabled",
        "Changed block tracking",
        "protection",
    ),
    SpecField("snapshot_count", "int", None, "Snapshots", "protection"),
    SpecField(
        "consolidation_needed",
        "bool",
        "runtime.consolidationNeeded",
        "Consolidation needed",
        "protection",
    ),
    _text(
        "fault_tolerance_state",
        "runtime.faultToleranceState",
        "Fault tolerance",
        "protection",
        32,
    ),
)

SPEC_FIELDS_BY_NAME: dict[str, SpecField] = {field.name: field for field in SPEC_FIELDS}

LARGEST_INT = 2**31 - 1


def clean(field: SpecField, value: object) -> SpecValue:
    """The value when it is what the field promises (see the module's text), else None."""
    if field.kind == "bool":
        return value if isinstance(value, bool) else None
    if field.kind == "int":
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        return int(value) if 0 <= value <= LARGEST_INT else None
    if field.kind == "list":
        if not isinstance(value, list | tuple):
            return None
        return tuple(cut(str(item), field.cut_after) for item in value[:MOST_ADDRESSES])
    if not isinstance(value, str) or not value:
        return None
    if field.max_length is not None and len(value) > field.max_length:
        return None
    return str(value) if field.max_length is not None else cut(str(value), field.cut_after)
