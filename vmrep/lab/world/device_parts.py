"""What stands in every disk and adapter beside what anybody asked for, as an ESXi host shows it.

Shares, limits, slots and states: they are a good half of an adapter and a third of a disk, whoever
reads devices meets them, and few want them.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from pyVmomi import vim

_card = vim.vm.device.VirtualEthernetCard


def slot(number: int) -> Any:
    """A place on the PCI bus."""
    return vim.vm.device.VirtualDevice.PciBusSlotInfo(pciSlotNumber=number)


def _normal(shares: int) -> Any:
    return vim.SharesInfo(shares=shares, level="normal")


def of_disks(vm: str, key: int) -> dict[str, Any]:
    """The fields of a disk of a VM (its reference) that nobody has limited."""
    allocation = vim.StorageResourceManager.IOAllocationInfo(
        limit=-1, shares=_normal(1000), reservation=0
    )
    return {
        "shares": _normal(1000),
        "storageIOAllocation": allocation,
        "diskObjectId": f"{vm.rpartition('-')[2]}-{key}",
        "nativeUnmanagedLinkedClone": False,
    }


def of_adapters(number: int) -> dict[str, Any]:
    """The fields of a VM's first, second … adapter that nobody has limited."""
    return {
        "slotInfo": slot(160 + 32 * (number + 1)),
        "wakeOnLanEnabled": True,
        "resourceAllocation": _card.ResourceAllocation(reservation=0, share=_normal(50), limit=-1),
        "uptCompatibilityEnabled": True,
    }


def connection(*, starts: bool, connected: bool) -> Any:
    """Whether an adapter's cable is plugged in."""
    return vim.vm.device.VirtualDevice.ConnectInfo(
        migrateConnect="unset",
        startConnected=starts,
        allowGuestControl=True,
        connected=connected,
        status="ok" if connected else "untried",
    )


def ip_config(addresses: Iterable[str]) -> Any:
    """A guest's addresses with their networks; None for an adapter that has none."""
    found = [
        vim.net.IpConfigInfo.IpAddress(
            ipAddress=address,
            prefixLength=24 if _is_ipv4(address) else 64,
            state="preferred",
        )
        for address in addresses
    ]
    return vim.net.IpConfigInfo(ipAddress=found) if found else None


def _is_ipv4(address: str) -> bool:
    try:
        return ip_address(address).version == 4
    except ValueError:
        return False  # a scenario may let a guest say anything
