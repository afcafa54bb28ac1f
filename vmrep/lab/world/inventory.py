"""Inventory objects other than VMs, container views, and the search index."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from vmrep.lab.soap import codec
from vmrep.lab.world import inventory_view
from vmrep.lab.world.datastores import TYPES, DatastoreType
from vmrep.lab.world.objects import Entity, Managed, World
from vmrep.lab.world.records import EntityRecord

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session


def encode_name(name: str) -> str:
    """An inventory name as vSphere stores it: `%`, `/` and `\\` are written %25, %2f and %5c."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


class Folder(Entity):
    """A folder of any kind."""

    type = vim.Folder

    def _childEntity(self) -> list[Any]:
        return self.world.children_of(self.moid)

    def _childType(self) -> list[str]:
        return list(self.values.get("child_types", ()))


class Datacenter(Entity):
    """A datacenter with its four folders."""

    type = vim.Datacenter

    def _folder(self, kind: str) -> Any:
        return next(r for r in self.world.children_of(self.moid) if self.kind_of(r) == kind)

    def kind_of(self, ref: Any) -> str:
        """`vm`, `host`, `datastore` or `network`."""
        return str(self.world.entity(ref).name)

    def _vmFolder(self) -> Any:
        return self._folder("vm")

    def _hostFolder(self) -> Any:
        return self._folder("host")

    def _datastoreFolder(self) -> Any:
        return self._folder("datastore")

    def _networkFolder(self) -> Any:
        return self._folder("network")

    def _datastore(self) -> list[Any]:
        return self.world.children_of(self._datastoreFolder()._moId)

    def _network(self) -> list[Any]:
        return self.world.children_of(self._networkFolder()._moId)

    def PowerOnMultiVM_Task(self, call: Any, session: Session) -> Any:
        """Power VMs on, each by a task of its own; the result names them."""

        def work() -> Any:
            attempted = vim.cluster.AttemptedVmInfo
            vms = [self.world.find(ref) for ref in call.vm]
            return vim.cluster.PowerOnVmResult(
                attempted=[
                    # call.vm has references to VMs, and to nothing else
                    attempted(vm=vm.ref, task=vm.PowerOnVM_Task(call, session))  # type: ignore[attr-defined]
                    for vm in vms
                ]
            )

        return self.world.tasks.start(self, "PowerOnMultiVM_Task", session, work)


def datacenter_of(entity: Entity) -> Datacenter:
    """The datacenter that an entity is in."""
    return next(place for place in entity.ancestors() if isinstance(place, Datacenter))


class ComputeResource(Entity):
    """A standalone host, with its resource pool."""

    type = vim.ComputeResource

    def _host(self) -> list[Any]:
        return self.world.children_of(self.moid, vim.HostSystem)

    def _resourcePool(self) -> Any:
        return self.world.children_of(self.moid, vim.ResourcePool)[0]

    def _summary(self) -> Any:
        return inventory_view.compute_summary()

    def _datastore(self) -> list[Any]:
        return datacenter_of(self)._datastore()

    def _network(self) -> list[Any]:
        return datacenter_of(self)._network()


class ResourcePool(Entity):
    """The root resource pool of a compute resource."""

    type = vim.ResourcePool
    volatile = True

    def _owner(self) -> Any:
        return self._parent()

    def _runtime(self) -> Any:
        return inventory_view.pool_runtime()

    def _summary(self) -> Any:
        return vim.ResourcePool.Summary(
            name=self.name, config=codec.make(vim.ResourceConfigSpec), runtime=self._runtime()
        )

    def _vm(self) -> list[Any]:
        vms = self.world.children_by_type(vim.VirtualMachine)
        return [vm.ref for vm in vms if vm.get("resourcePool") == self.ref]

    def _resourcePool(self) -> list[Any]:
        return [app.ref for app in self.world.of_type(VirtualApp) if app._parent() == self.ref]


class VirtualApp(Entity):
    """A vApp: a resource pool that VMs and other vApps lie in, shown in a folder of VMs."""

    type = vim.VirtualApp
    volatile = True

    def _parent(self) -> Any:
        return self._parentVApp() or vim.ResourcePool(self.values["pool"])

    def _parentFolder(self) -> Any:
        return None if self._parentVApp() else super()._parent()

    def _parentVApp(self) -> Any:
        above = super()._parent()
        return above if isinstance(above, vim.VirtualApp) else None

    def _resourcePool(self) -> list[Any]:
        return self.world.children_of(self.moid, vim.VirtualApp)

    def _owner(self) -> Any:
        return self.world.objects[self.values["pool"]].get("owner")

    def _runtime(self) -> Any:
        return inventory_view.pool_runtime()

    def _vm(self) -> list[Any]:
        return self.world.children_of(self.moid, vim.VirtualMachine)


class Host(Entity):
    """An ESXi host."""

    type = vim.HostSystem
    volatile = True

    def _vm(self) -> list[Any]:
        vms = self.world.children_by_type(vim.VirtualMachine)
        return [vm.ref for vm in vms if getattr(vm, "host", None) == self.moid]

    def _datastore(self) -> list[Any]:
        return datacenter_of(self)._datastore()

    def _network(self) -> list[Any]:
        return datacenter_of(self)._network()

    def _summary(self) -> Any:
        return inventory_view.host_summary(
            self.ref,
            self.name,
            self.values.get("hardware_uuid") or "",
            self._runtime(),
            inventory_view.host_product(self.world.estate.version),
        )

    def _hardware(self) -> Any:
        return inventory_view.host_hardware(self.values.get("hardware_uuid") or "")

    def _runtime(self) -> Any:
        state = self.values.get("host_state") or "connected"
        in_maintenance = state == "maintenance"
        return codec.make(
            vim.host.RuntimeInfo,
            connectionState="connected" if in_maintenance else state,
            powerState="unknown" if state == "notResponding" else "poweredOn",
            inMaintenanceMode=in_maintenance,
        )


class Network(Entity):
    """A standard port group."""

    type = vim.Network

    def _summary(self) -> Any:
        return codec.make(
            vim.Network.Summary, network=self.ref, name=self.name, accessible=True, ipPoolName=""
        )


class DistributedPortgroup(Network):
    """A port group of a distributed switch; its key is its reference."""

    type = vim.dvs.DistributedVirtualPortgroup

    def _key(self) -> str:
        return self.moid


def opaque_network_id(moref: str) -> str:
    """NSX's own name for the network that vSphere has under this reference."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lab-{moref}"))


class OpaqueNetwork(Network):
    """A network that NSX manages; adapters name it by `opaqueNetworkId` alone."""

    type = vim.OpaqueNetwork

    def _summary(self) -> Any:
        return codec.make(
            vim.OpaqueNetwork.Summary,
            network=self.ref,
            name=self.name,
            accessible=True,
            opaqueNetworkId=opaque_network_id(self.moid),
            opaqueNetworkType="nsx.LogicalSwitch",
        )


class Datastore(Entity):
    """A datastore of one of the types in `datastores`: a folder in the lab's folder."""

    type = vim.Datastore
    volatile = True

    @property
    def kind(self) -> DatastoreType:
        """What it does and refuses."""
        return TYPES[self.values.get("kind", "vmfs")]

    def _space(self) -> os.statvfs_result:
        self.world.paths.datastores.mkdir(exist_ok=True)
        return os.statvfs(self.world.paths.datastores)

    def _info(self) -> Any:
        space = self._space()
        free_bytes = space.f_frsize * space.f_bavail
        return inventory_view.datastore_info(self.name, self.moid, self.kind, free_bytes)

    def _host(self) -> list[Any]:
        hosts = [h.ref for h in self.world.of_type(Host) if datacenter_of(h) is datacenter_of(self)]
        return inventory_view.datastore_mounts(self.moid, hosts)

    def _vm(self) -> list[Any]:
        vms = self.world.children_by_type(vim.VirtualMachine)
        return [vm.ref for vm in vms if self.ref in (vm.get("datastore") or ())]

    def _browser(self) -> Any:
        return vim.host.DatastoreBrowser(f"datastoreBrowser-{self.moid}")

    def _capability(self) -> Any:
        return codec.make(
            vim.Datastore.Capability,
            directoryHierarchySupported=True,
            rawDiskMappingsSupported=self.kind.shown == "VMFS",
            perFileThinProvisioningSupported=True,
        )

    def _summary(self) -> Any:
        space = self._space()
        return codec.make(
            vim.Datastore.Summary,
            datastore=self.ref,
            name=self.name,
            url=f"ds:///vmfs/volumes/{self.moid}/",
            capacity=space.f_frsize * space.f_blocks,
            freeSpace=space.f_frsize * space.f_bavail,
            accessible=True,
            multipleHostAccess=False,
            type=self.kind.shown,
        )


KINDS: dict[str, type[Entity]] = {
    "folder": Folder,
    "datacenter": Datacenter,
    "compute": ComputeResource,
    "pool": ResourcePool,
    "vapp": VirtualApp,
    "host": Host,
    "network": Network,
    "dvportgroup": DistributedPortgroup,
    "opaquenetwork": OpaqueNetwork,
    "datastore": Datastore,
}


def build_entity(world: World, record: EntityRecord) -> Entity:
    """The object of a record."""
    return KINDS[record.kind](world, record.ref, record.name, record.parent, **record.details)


class SearchIndex(Managed):
    """Finds entities by UUID, path, address or name."""

    type = vim.SearchIndex

    def _vms(self, datacenter: Any = None) -> list[Any]:
        inside = self.world.find(datacenter).moid if datacenter else None
        with self.world.lock:
            return [
                o
                for o in self.world.objects.values()
                if isinstance(o, Entity)
                and o.type is vim.VirtualMachine
                and (inside is None or any(a.moid == inside for a in o.ancestors()))
            ]

    def FindAllByUuid(self, call: Any, session: Session) -> list[Any]:
        """VMs by BIOS or instance UUID; hosts by that of their hardware."""
        wanted = call.uuid.lower()
        if not call.vmSearch:
            hosts = self.world.of_type(Host)
            return [h.ref for h in hosts if h.values.get("hardware_uuid") == wanted]
        return [
            vm.ref
            for vm in self._vms(call.datacenter)
            if wanted == (vm.instance_uuid if call.instanceUuid else vm.record.bios_uuid)
        ]

    def FindByUuid(self, call: Any, session: Session) -> Any:
        """The first of them."""
        return next(iter(self.FindAllByUuid(call, session)), None)

    def FindByInventoryPath(self, call: Any, session: Session) -> Any:
        """An entity by its path from below the root folder."""
        path = call.inventoryPath.strip("/")
        with self.world.lock:
            for found in self.world.objects.values():
                if isinstance(found, Entity) and found.parent and found.inventory_path() == path:
                    return found.ref
        return None

    def FindByDatastorePath(self, call: Any, session: Session) -> Any:
        """A VM by its configuration file."""
        return next(
            (
                v.ref
                for v in self._vms(call.datacenter)
                if v.get("config.files.vmPathName") == call.path
            ),
            None,
        )

    def FindAllByDnsName(self, call: Any, session: Session) -> list[Any]:
        """VMs by their guests' host name, or hosts by theirs."""
        if not call.vmSearch:
            return [h.ref for h in self.world.of_type(Host) if h.name == call.dnsName]
        vms = self._vms(call.datacenter)
        return [vm.ref for vm in vms if vm.get("guest.hostName") == call.dnsName]

    def FindByDnsName(self, call: Any, session: Session) -> Any:
        """The first of them."""
        return next(iter(self.FindAllByDnsName(call, session)), None)

    def FindAllByIp(self, call: Any, session: Session) -> list[Any]:
        """VMs by an address of their guests (the lab's hosts have none of their own)."""
        if not call.vmSearch:
            return []
        return [
            vm.ref
            for vm in self._vms(call.datacenter)
            if any(call.ip in n.ipAddress for n in vm.get("guest.net") or ())
        ]

    def FindByIp(self, call: Any, session: Session) -> Any:
        """The first of them."""
        return next(iter(self.FindAllByIp(call, session)), None)

    def FindChild(self, call: Any, session: Session) -> Any:
        """An entity directly below another, by name."""
        below = self.world.children_of(self.world.entity(call.entity).moid)
        return next((r for r in below if self.world.entity(r).name == call.name), None)
