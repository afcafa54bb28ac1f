from contexts.models.contexts import VMContext
from contexts.models.devices import VMDisk, VMNetworkAdapter
from contexts.models.discovered import DiscoveredVM
from contexts.models.events import ContextEvent, ContextEventHead
from contexts.models.vcenters import Discovery, VCenter

__all__ = [
    "ContextEvent",
    "ContextEventHead",
    "DiscoveredVM",
    "Discovery",
    "VCenter",
    "VMContext",
    "VMDisk",
    "VMNetworkAdapter",
]
