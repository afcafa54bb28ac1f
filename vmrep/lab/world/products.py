"""A vCenter Server, or a lone ESXi host: what each calls itself and its first objects.

An ESXi host has one datacenter with fixed references, no folders but the four in it, and no
instance UUID: `about.instanceUuid` is not set.
"""

from __future__ import annotations

from dataclasses import dataclass

_PREFIXES = {"folder": "group-d", "compute": "domain-s-", "pool": "resgroup-", "vapp": "resgroup-v"}


@dataclass(frozen=True)
class Product:
    """Names and references; `fixed` are those of inventory objects, by kind or folder's name."""

    name: str
    license_name: str
    line: str
    os_type: str
    api_type: str
    has_instance_uuid: bool
    root_folder: str
    root_name: str
    property_collector: str
    session_manager: str
    search_index: str
    task_manager: str
    authorization_manager: str
    nfc_service: str
    nfc_door: str  # the service that a ticket names
    event_manager: str
    view_manager: str = "ViewManager"
    datacenter: str | None = None  # the only one there can be

    def reference(self, kind: str, name: str, number: int) -> str:
        """The reference of an inventory object, or of the number-th VM."""
        if self.datacenter is None:
            return f"{_PREFIXES.get(kind, f'{kind}-')}{number}"
        fixed = {
            "datacenter": "ha-datacenter",
            "folder": f"ha-folder-{name}",
            "compute": "ha-compute-res",
            "pool": "ha-root-pool",
            "host": "ha-host",
            "network": f"HaNetwork-{name}",
            # VMFS volumes are known by their UUID
            "datastore": f"{0x5A000000 + number:08x}-0c000000-0001-005056000001",
            "vm": str(number),
        }
        return fixed[kind]


VCENTER = Product(
    name="VMware vCenter Server",
    license_name="VMware VirtualCenter Server",
    line="vpx",
    os_type="linux-x64",
    api_type="VirtualCenter",
    has_instance_uuid=True,
    root_folder="group-d1",
    root_name="Datacenters",
    property_collector="propertyCollector",
    session_manager="SessionManager",
    search_index="SearchIndex",
    task_manager="TaskManager",
    authorization_manager="AuthorizationManager",
    nfc_service="nfcService",
    nfc_door="vpxa-nfc",
    event_manager="EventManager",
)
ESXI = Product(
    name="VMware ESXi",
    license_name="VMware ESX Server",
    line="embeddedEsx",
    os_type="vmnix-x86",
    api_type="HostAgent",
    has_instance_uuid=False,
    root_folder="ha-folder-root",
    root_name="ha-folder-root",
    property_collector="ha-property-collector",
    session_manager="ha-sessionmgr",
    search_index="ha-searchindex",
    task_manager="ha-taskmgr",
    authorization_manager="ha-authmgr",
    nfc_service="ha-nfc-service",
    nfc_door="nfc",
    event_manager="ha-eventmgr",
    datacenter="ha-datacenter",
)
PRODUCTS = {"vcenter": VCENTER, "esxi": ESXI}
