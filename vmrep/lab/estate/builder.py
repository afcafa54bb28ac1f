"""From a scenario to a lab's first state: records and disk files."""

from __future__ import annotations

import logging
import random
import re
import shutil
import uuid
from contextlib import nullcontext
from pathlib import Path

from vmrep.lab.disks.disk import Disk, create_disk, link_disk
from vmrep.lab.estate.content import ContentMaker, find_tools
from vmrep.lab.estate.scenario import (
    NETWORKS,
    DatacenterSpec,
    DiskSpec,
    Scenario,
    VmSpec,
    parse_size,
)
from vmrep.lab.world import controllers
from vmrep.lab.world.inventory import encode_name
from vmrep.lab.world.objects import Paths
from vmrep.lab.world.products import PRODUCTS
from vmrep.lab.world.records import (
    ChainRecord,
    Config,
    ControllerDevice,
    DiskDevice,
    EntityRecord,
    Estate,
    NicDevice,
    Tools,
    VmRecord,
)
from vmrep.lab.world.settings import POWER
from vmrep.lab.world.state import Store

log = logging.getLogger(__name__)

ADAPTIVE_BLOCK_BYTES = 512
BLOCK_BYTES = 65536


def safe_file_name(name: str) -> str:
    """A name for the VM's folder on a datastore, whatever characters the VM's name has."""
    plain = re.sub(r"[^\w.\[\](){}+,;=@#&! -]", "_", name).strip(". ")
    return plain.encode()[:100].decode(errors="ignore") or "vm"


class Builder:
    """Builds one lab's folder; the scenario was checked when it was loaded."""

    def __init__(self, scenario: Scenario, paths: Paths, store: Store) -> None:
        self.scenario = scenario
        self.product = PRODUCTS[scenario.estate.product]
        self.paths = paths
        self.store = store
        self.entities: dict[str, EntityRecord] = {}
        self.counters: dict[str, int] = {"vm": 100}
        self._by_place: dict[tuple[str | None, str], str] = {}
        self._datacenters: dict[str, str] = {}  # by their paths
        self._built: dict[str, VmRecord] = {}
        self._datastore_folders: set[tuple[str, str]] = set()
        self._random = random.Random(scenario.name)  # noqa: S311 - MAC addresses

    def build(self) -> None:
        """Make everything; the estate's record is saved last and says that it is complete."""
        find_tools()
        for folder in (self.paths.datastores, self.paths.journals, self.paths.kept):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        content = self.paths.root / "content"
        self._content = ContentMaker(content)
        self._add("folder", self.product.root_name, None, ref=self.product.root_folder)
        for datacenter in self.scenario.datacenters:
            self._datacenter(datacenter)
        vms = [self._vm(v, n) for v in self.scenario.vms for n in range(1, v.count + 1)]
        self.store.put_all(
            [("entity", e.ref, vars(e)) for e in self.entities.values()]
            + [("vm", v.ref, v.dump()) for v in vms]
            + [("estate", "estate", vars(self._estate()))]
        )
        shutil.rmtree(content)
        log.info("built scenario %s: %d VMs", self.scenario.name, len(vms))

    def _estate(self) -> Estate:
        settings = self.scenario.estate
        return Estate(
            scenario=self.scenario.name,
            instance_uuid=str(uuid.uuid4()),
            product=settings.product,
            version=settings.version,
            task_delay_seconds=settings.task_delay_seconds,
            session_idle_seconds=settings.session_idle_seconds,
            page_extents=settings.page_extents,
            page_span_bytes=parse_size(settings.page_span) if settings.page_span else None,
            other_backups_seconds=settings.other_backups_seconds,
            folder_ranges=settings.folder_ranges,
            folder_bytes_per_second=settings.folder_bytes_per_second,
            counters=self.counters,
            session_limit=settings.session_limit,
            lock_after_failures=settings.lock_after_failures,
        )

    # --- inventory

    def _number(self, kind: str) -> int:
        self.counters[kind] = self.counters.get(kind, 0) + 1
        return self.counters[kind]

    def _add(
        self, kind: str, name: str, parent: str | None, /, ref: str | None = None, **details: object
    ) -> str:
        if ref is None:
            ref = self.product.reference(kind, name, self._number(kind) + 1)
        self.entities[ref] = EntityRecord(ref, kind, name, parent, dict(details))
        self._by_place[parent, name] = ref
        return ref

    def _folder(self, path: str, parent: str) -> str:
        """A folder by its path below another, made if it is missing."""
        for part in filter(None, path.split("/")):
            name = encode_name(part.replace("%2f", "/"))
            parent = self._by_place.get((parent, name)) or self._add("folder", name, parent)
        return parent

    def _datacenter(self, spec: DatacenterSpec) -> None:
        folders, _, name = spec.path.rpartition("/")
        at = self._add("datacenter", name, self._folder(folders, self.product.root_folder))
        self._datacenters[spec.path] = at
        below = {k: self._add("folder", k, at) for k in ("vm", "host", "datastore", "network")}
        compute = self._add("compute", spec.host, below["host"])
        self._add("pool", "Resources", compute)
        self._add("host", spec.host, compute, hardware_uuid=str(uuid.uuid4()))
        for datastore in spec.datastores:
            self._add("datastore", datastore.name, below["datastore"], kind=datastore.type)
        for network in spec.networks:
            self._add(NETWORKS[network.type], network.name, below["network"])

    def _place(self, datacenter: str, *names: str) -> str:
        """The reference of what is under a datacenter at a path of names."""
        at = self._datacenters[datacenter]
        for name in names:
            at = self._by_place[at, name]
        return at

    # --- VMs

    def _vm(self, spec: VmSpec, number: int) -> VmRecord:
        datacenter = self.scenario.datacenter(spec.datacenter)
        home = datacenter.path
        named = f"{spec.name}-{number:04d}" if spec.count > 1 else spec.name
        name = encode_name(named)
        datastore = self._place(home, "datastore", spec.datastore or datacenter.datastores[0].name)
        host = datacenter.host
        record = VmRecord(
            ref=self.product.reference("vm", name, self._number("vm")),
            parent=self._vm_parent(spec, home),
            datacenter=self._place(home),
            host=self._place(home, "host", host, host),
            datastore=datastore,
            folder_on_datastore=self._datastore_folder(datastore, name),
            instance_uuid=_instance_uuid(spec),
            bios_uuid=spec.bios_uuid or str(uuid.uuid4()),
            config=self._config(spec, name, home),
            power_state=POWER["off" if spec.template else spec.power],
            tools=Tools(**vars(spec.tools)) if spec.tools else None,
            bare=spec.bare,
            fault_tolerance_state=spec.fault_tolerance_state,
            consolidation_needed=spec.consolidation_needed,
            connection_state=spec.connection_state,
            hidden=spec.hidden,
            odd=[vars(odd) for odd in spec.odd],
        )
        self._built[spec.name] = record
        for index, disk in enumerate(spec.disks):
            self._disk(record, disk, index, home)
        return record

    def _vm_parent(self, spec: VmSpec, home: str) -> str:
        """The VM's folder, or a vApp in it, which may be in another one."""
        folder = self._folder(spec.folder, self._place(home, "vm"))
        if spec.vapp is None:
            return folder
        host = next(d.host for d in self.scenario.datacenters if d.path == home)
        pool = self._place(home, "host", host, "Resources")
        at = folder
        for part in filter(None, spec.vapp.split("/")):
            name = encode_name(part.replace("%2f", "/"))
            at = self._by_place.get((at, name)) or self._add("vapp", name, at, pool=pool)
        return at

    def _datastore_folder(self, datastore: str, name: str) -> str:
        """A folder for this VM alone: as in vSphere, the second VM of a name gets a suffix."""
        stem = safe_file_name(name)
        names = (f"{stem}{f'_{n}' if n else ''}" for n in range(100_000))
        free = next(n for n in names if (datastore, n) not in self._datastore_folders)
        self._datastore_folders.add((datastore, free))
        return free

    def _config(self, spec: VmSpec, name: str, home: str) -> Config:
        return Config(
            name=name,
            guest_id=spec.guest_id,
            guest_full_name=spec.guest_name,
            hardware_version=spec.hardware_version,
            firmware=None if spec.bare else spec.firmware,
            cpu=spec.cpu,
            cores_per_socket=spec.cores_per_socket,
            memory_mb=spec.memory_mb,
            annotation=spec.notes,
            tracking=spec.tracking,
            template=spec.template,
            managed_by=spec.managed_by,
            encrypted=spec.encrypted,
            vtpm=spec.vtpm,
            nics=[
                NicDevice(
                    key=4000 + n,
                    label=f"Network adapter {n + 1}",
                    network=self._place(home, "network", nic.network),
                    mac_address="00:50:56:" + self._random.randbytes(3).hex(":"),
                    adapter=nic.adapter,
                    connected=nic.connected,
                    ip_addresses=nic.addresses,
                )
                for n, nic in enumerate(spec.nics)
            ],
        )

    def _disk(self, record: VmRecord, spec: DiskSpec, index: int, home: str) -> None:
        device = self._device(record.config, spec, index)
        datastore = (
            self._place(home, "datastore", spec.datastore) if spec.datastore else record.datastore
        )
        stem = f"{record.folder_on_datastore}/{record.folder_on_datastore}"
        stem = f"{stem}_{index}" if index else stem
        if spec.linked_to is not None:
            source = self._built[spec.linked_to]
            chain = self._linked_disk(device, list(source.chains.values())[index], stem)
        else:
            chain = self._filled_disk(record, spec, device, datastore, stem)
        chain.block_bytes = ADAPTIVE_BLOCK_BYTES if spec.tracking == "adaptive" else BLOCK_BYTES
        record.config.disks.append(device)
        record.chains[device.key] = chain

    def _device(self, config: Config, spec: DiskSpec, index: int) -> DiskDevice:
        """The next disk on its controller, which is made if no disk has been on it."""
        usual = controllers.usual(config.guest_id)
        name = usual if spec.controller == "scsi" else spec.controller
        kind = controllers.KINDS[name]
        bus, unit = controllers.free_place(kind, {d.key for d in config.disks}, spec.bus)
        known = any((c.kind, c.bus) == (name, bus) for c in config.controllers)
        if not known and (name != usual or spec.bus_sharing != "noSharing"):
            config.controllers.append(ControllerDevice(name, bus, spec.bus_sharing))
        return DiskDevice(
            key=kind.disk_key(bus, unit),
            uuid=spec.uuid or f"6000C29{uuid.uuid4().hex[:1]}-{str(uuid.uuid4())[9:]}",
            label=f"Hard disk {index + 1}",
            capacity_bytes=spec.capacity_bytes,
            controller_key=kind.key(bus),
            unit=unit,
            provisioning=spec.provisioning,
            mode=spec.mode,
            sharing=spec.sharing,
            raw=spec.raw,
            encrypted=spec.encrypted,
        )

    def _filled_disk(
        self, record: VmRecord, spec: DiskSpec, device: DiskDevice, datastore: str, stem: str
    ) -> ChainRecord:
        chain = create_disk(self.paths.datastores, device, datastore, stem)
        chain.churn_start = self._content.put(
            spec.content,
            spec.data_bytes,
            self._path(chain),
            spec.capacity_bytes,
            f"{record.config.name} {record.bios_uuid} disk {device.key}",
        )
        return chain

    def _linked_disk(self, device: DiskDevice, source: ChainRecord, stem: str) -> ChainRecord:
        """A delta of the clone's own on a copy of what the source's disk holds."""
        datastores, journals = self.paths.datastores, self.paths.journals
        disk = Disk(source, datastores, journals, nullcontext())
        return link_disk(disk, source.layers[min(source.layers)].number, device, stem)

    def _path(self, chain: ChainRecord) -> Path:
        return self.paths.datastores / chain.datastore / chain.layers[0].extent


def _instance_uuid(spec: VmSpec) -> str | None:
    """As the scenario says: its own, none at all (`none`), or a new one."""
    if spec.instance_uuid == "none":
        return None
    return spec.instance_uuid or str(uuid.uuid4())
