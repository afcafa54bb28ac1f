"""What the control surface can set on a VM, and what it refuses.

One table lists the settings, their types, and which of them may be null: vSphere then leaves them
unset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from pyVmomi import vim, vmodl

from vmrep.lab.errors import ControlError
from vmrep.lab.soap import codec
from vmrep.lab.world import reconfigure
from vmrep.lab.world.objects import check_path
from vmrep.lab.world.records import POWERED_OFF, POWERED_ON, SUSPENDED, Tools
from vmrep.lab.world.vm import VirtualMachine
from vmrep.lab.world.vm_view import ADAPTERS

FAULT_TOLERANCE = "|".join(vim.VirtualMachine.FaultToleranceState.values)
CONNECTION = "|".join(vim.VirtualMachine.ConnectionState.values)
POWER = {"on": POWERED_ON, "off": POWERED_OFF, "suspended": SUSPENDED}


@dataclass(frozen=True)
class Setting:
    """`attribute` of the record it belongs to; `allowed` is a pattern that texts must match."""

    attribute: str
    kind: type
    nullable: bool = False
    allowed: str = ""


CONFIG = {
    "cpu": Setting("cpu", int),
    "cores_per_socket": Setting("cores_per_socket", int, nullable=True),
    "memory_mb": Setting("memory_mb", int),
    "guest_id": Setting("guest_id", str),
    "guest_name": Setting("guest_full_name", str),
    "hardware_version": Setting("hardware_version", str, allowed=r"vmx-\d\d"),
    "firmware": Setting("firmware", str, nullable=True, allowed="bios|efi"),
    "notes": Setting("annotation", str, nullable=True),
    "template": Setting("template", bool),
}
MACHINE = {
    "bios_uuid": Setting("bios_uuid", str, allowed=r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "consolidation_needed": Setting("consolidation_needed", bool),
    "connection_state": Setting("connection_state", str, allowed=CONNECTION),
    "fault_tolerance_state": Setting("fault_tolerance_state", str, allowed=FAULT_TOLERANCE),
}
# These do not change the configuration: vSphere's changeVersion stays.
OTHERS = {
    "power": Setting("power", str, allowed="|".join(POWER)),
    "tracking": Setting("tracking", bool),
    "tools": Setting("tools", dict, nullable=True),
}
TOOLS = {field.name: Setting(field.name, str, nullable=True) for field in fields(Tools)}
ADAPTER = {
    "label": Setting("label", str),
    "network": Setting("network", str),
    "mac_address": Setting("mac_address", str, allowed=r"([0-9a-f]{2}:){5}[0-9a-f]{2}"),
    "adapter": Setting("adapter", str, allowed="|".join(ADAPTERS)),
    "connected": Setting("connected", bool),
    "addresses": Setting("ip_addresses", list),
}
DISK = {
    "label": Setting("label", str),
    "uuid": Setting("uuid", str),
    "mode": Setting("mode", str, allowed="(independent_(non)?)?persistent"),
    "sharing": Setting("sharing", str, allowed="sharingNone|sharingMultiWriter"),
    "provisioning": Setting("provisioning", str, allowed="thin|thick_lazy|thick_eager"),
    "capacity_bytes": Setting("capacity_bytes", int),
}


def configure(vm: VirtualMachine, values: Mapping[str, Any]) -> None:
    """Set what CONFIG, MACHINE and OTHERS list: all or nothing. Raises ControlError."""
    checked = _checked(values, CONFIG | MACHINE | OTHERS)
    tools = checked.get("tools")
    new_tools = _tools(vm, tools) if tools is not None else None
    with vm.frozen_disks(), vm.world.lock:
        for name, value in checked.items():
            if name in CONFIG:
                setattr(vm.record.config, CONFIG[name].attribute, value)
            elif name in MACHINE:
                setattr(vm.record, MACHINE[name].attribute, value)
        if "tools" in checked:
            vm.record.tools = new_tools
        if "tracking" in checked:
            reconfigure.set_tracking(vm, checked["tracking"])
        if "power" in checked:
            if checked["power"] == "on":
                vm.stun()
            if POWER[checked["power"]] != vm.record.power_state:
                vm.record.booted_at = codec.utc_now().isoformat()
            vm.record.power_state = POWER[checked["power"]]
        vm.save(reconfigured=any(name in CONFIG for name in checked) or "tracking" in checked)


def _tools(vm: VirtualMachine, values: Mapping[str, Any]) -> Tools:
    changes = _checked(values, TOOLS)
    if any(value is None for name, value in changes.items() if name != "hostname"):
        raise ControlError("only the tools' hostname may be null")
    return replace(vm.record.tools or Tools(), **changes)


def set_adapter(vm: VirtualMachine, key: int, values: Mapping[str, Any]) -> None:
    """Set what ADAPTER lists of one network adapter; `network` by its name."""
    nic = next((n for n in vm.record.config.nics if n.key == key), None)
    if nic is None:
        raise ControlError(f"there is no network adapter {key}", status=404)
    checked = _checked(values, ADAPTER)
    if not all(isinstance(a, str) for a in checked.get("addresses", [])):
        raise ControlError("addresses must be list[str]")
    if "network" in checked:
        checked["network"] = _network(vm, checked["network"])
    with vm.world.lock:
        for name, value in checked.items():
            setattr(nic, ADAPTER[name].attribute, value)
        vm.save(reconfigured=set(checked) != {"addresses"})


def _network(vm: VirtualMachine, name: str) -> str:
    home = vm.world.objects[vm.record.datacenter]
    refs = home.get("network")
    found = [r._moId for r in refs if vm.world.entity(r).name == name]
    if not found:
        raise ControlError(f"there is no network {name!r} in the VM's datacenter", status=404)
    return str(found[0])


def set_disk(vm: VirtualMachine, key: int, values: Mapping[str, Any]) -> None:
    """Set what DISK lists of one disk. Without snapshots it can grow; it never shrinks."""
    device = vm.record.config.disk(key)
    if device is None:
        raise ControlError(f"there is no disk {key}", status=404)
    checked = _checked(values, DISK)
    capacity = checked.get("capacity_bytes", device.capacity_bytes)
    if capacity < device.capacity_bytes or capacity % 512:
        raise ControlError("a disk can only grow, in sectors of 512 bytes")
    with vm.frozen_disks(), vm.world.lock:
        if capacity > device.capacity_bytes:
            if vm.disks[key].has_snapshots:
                raise ControlError("a disk with snapshots cannot grow")
            vm.disks[key].extend(capacity)
        for name, value in checked.items():
            setattr(device, DISK[name].attribute, value)
        vm.save(reconfigured=True)


def hide(vm: VirtualMachine, paths: list[str]) -> None:
    """Make property paths of the VM look unset to everyone who asks for them."""
    for path in paths:
        try:
            if not path:
                raise ControlError("a property path is needed")
            check_path(vim.VirtualMachine, path)
        except vmodl.query.InvalidProperty as fault:
            raise ControlError(str(fault.msg)) from fault
    with vm.world.lock:
        vm.record.hidden = sorted(set(paths))
        vm.save(reconfigured=True)


def _checked(values: Mapping[str, Any], known: Mapping[str, Setting]) -> dict[str, Any]:
    if unknown := set(values) - set(known):
        raise ControlError(
            f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    if not values:
        raise ControlError(f"nothing to set; known: {', '.join(sorted(known))}")
    for name, value in values.items():
        _check(name, value, known[name])
    return dict(values)


def _check(name: str, value: Any, setting: Setting) -> None:
    if value is None and setting.nullable:
        return
    is_bool = isinstance(value, bool)
    if not isinstance(value, setting.kind) or (is_bool and setting.kind is not bool):
        null = " or null" if setting.nullable else ""
        raise ControlError(f"{name} must be {setting.kind.__name__}{null}")
    if isinstance(value, int) and not is_bool and value < 1:
        raise ControlError(f"{name} counts from 1")
    if isinstance(value, str) and setting.allowed and not re.fullmatch(setting.allowed, value):
        raise ControlError(f"{name} must be {setting.allowed}, not {value!r}")
