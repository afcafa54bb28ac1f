from contexts.models.contexts import VMContext
from contexts.models.devices import VMDisk, VMNetworkAdapter
from contexts.models.discovered import DiscoveredVM
from contexts.models.events import ContextEvent
from contexts.models.vcenters import Discovery, VCenter

__all__ = [
    "ContextEvent",
    "DiscoveredVM",
    "Discovery",
    "VCenter",
    "VMContext",
    "VMDisk",
    "VMNetworkAdapter",
]
