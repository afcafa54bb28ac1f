"""Disk controllers: their kinds, and the keys that vSphere gives them and their disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from vmrep.lab.world import device_parts

device = vim.vm.device


@dataclass(frozen=True)
class ControllerKind:
    """`first_key` is the key of bus 0, `first_disk_key` that of its unit 0; a bus has `width` keys
    of disks, of which `units` can be used."""

    type: Any
    label: str
    buses: int
    first_key: int
    first_disk_key: int
    width: int
    units: tuple[int, ...]

    def key(self, bus: int) -> int:
        """A controller's key."""
        return self.first_key + bus

    def disk_key(self, bus: int, unit: int) -> int:
        """A disk's key."""
        return self.first_disk_key + bus * self.width + unit


def _scsi(kind: Any) -> ControllerKind:
    units = tuple(u for u in range(16) if u != 7)  # 7 is the controller's own
    return ControllerKind(kind, "SCSI controller", 4, 1000, 2000, 16, units)


KINDS = {
    "pvscsi": _scsi(device.ParaVirtualSCSIController),
    "lsisas": _scsi(device.VirtualLsiLogicSASController),
    "lsilogic": _scsi(device.VirtualLsiLogicController),
    "buslogic": _scsi(device.VirtualBusLogicController),
    "sata": ControllerKind(
        device.VirtualAHCIController, "SATA controller", 4, 15000, 16000, 30, tuple(range(30))
    ),
    "nvme": ControllerKind(
        device.VirtualNVMEController, "NVME controller", 4, 31000, 32000, 15, tuple(range(15))
    ),
    "ide": ControllerKind(device.VirtualIDEController, "IDE", 2, 200, 3000, 2, (0, 1)),
}
_SUMMARIES = {
    device.ParaVirtualSCSIController: "VMware paravirtual SCSI",
    device.VirtualLsiLogicSASController: "LSI Logic SAS",
    device.VirtualLsiLogicController: "LSI Logic",
}
SCSI = ("pvscsi", "lsisas", "lsilogic", "buslogic")


def usual(guest_id: str) -> str:
    """The kind that VMs of a guest begin with."""
    return "lsisas" if guest_id.startswith("windows") else "pvscsi"


def free_place(kind: ControllerKind, taken: set[int], bus: int | None = None) -> tuple[int, int]:
    """Bus and unit of the first disk key that is not taken. Raises ValueError when all are."""
    for at in range(kind.buses) if bus is None else (bus,):
        for unit in kind.units:
            if kind.disk_key(at, unit) not in taken:
                return at, unit
    raise ValueError(f"no place is free on any {kind.label}")


def device_of(kind: ControllerKind, bus: int, disks: list[int], sharing: str) -> Any:
    """A controller as the VM's hardware shows it."""
    made = kind.type(
        key=kind.key(bus),
        busNumber=bus,
        device=disks,
        deviceInfo=vim.Description(
            label=f"{kind.label} {bus}", summary=_SUMMARIES.get(kind.type, f"{kind.label} {bus}")
        ),
    )
    if kind.label != "IDE":
        made.controllerKey = 100
    if isinstance(made, device.VirtualSCSIController):
        made.unitNumber, made.slotInfo = 3 + bus, device_parts.slot(160 + bus)
        made.sharedBus = getattr(device.VirtualSCSIController.Sharing, sharing)
        made.hotAddRemove, made.scsiCtlrUnitNumber = True, 7
    return made
