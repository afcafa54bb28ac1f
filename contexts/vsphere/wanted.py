"""Which fields of data objects are read of every VM.

Where an object has many fields and several are wanted, they are read at once, in one pass through
its elements (`values.Read`). Fields that are not named here can be read all the same, at any time,
but each costs a pass: that is cheaper for one that is asked for only where another says nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pyVmomi import vim

_device = vim.vm.device
_card = _device.VirtualEthernetCard

# The first that a kind belongs to counts.
WANTED: tuple[tuple[Any, frozenset[str]], ...] = tuple(
    (kind, frozenset(fields.split()))
    for kind, fields in (
        (
            _device.VirtualDisk,
            "key controllerKey deviceInfo backing capacityInBytes",
        ),
        (
            _device.VirtualDevice.FileBackingInfo,
            "fileName datastore uuid diskMode sharing parent changeId keyId thinProvisioned"
            " eagerlyScrub compatibilityMode",
        ),
        (_device.VirtualSCSIController, "key sharedBus"),
        (_card, "key deviceInfo backing connectable macAddress"),
        (_card.NetworkBackingInfo, "network"),
        (_card.DistributedVirtualPortBackingInfo, "port"),
        (_card.OpaqueNetworkBackingInfo, "opaqueNetworkId"),
        (vim.dvs.PortConnection, "portgroupKey"),
        (_device.VirtualDevice.ConnectInfo, "connected"),
        (vim.Description, "label"),
        (vim.vm.GuestInfo.NicInfo, "ipAddress macAddress deviceConfigId"),
    )
)


@lru_cache(maxsize=1024)
def wanted_of(kind: Any) -> frozenset[str]:
    """The fields of a kind that are read at once."""
    return next((fields for of_kind, fields in WANTED if issubclass(kind, of_kind)), frozenset())
