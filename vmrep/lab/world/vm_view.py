"""What vSphere shows about a VM, made from its record."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from pyVmomi import vim

from vmrep.lab.disks.disk import Disk
from vmrep.lab.soap import codec
from vmrep.lab.world import controllers, device_parts
from vmrep.lab.world.controllers import KINDS
from vmrep.lab.world.inventory import Datastore, opaque_network_id
from vmrep.lab.world.records import (
    POWERED_ON,
    Config,
    ControllerDevice,
    DiskDevice,
    LayerRecord,
    NicDevice,
    SnapshotRecord,
    VmRecord,
)
from vmrep.lab.world.standard_devices import standard_devices

SCSI_KEY = 1000
device = vim.vm.device
CREATED = datetime.datetime(2024, 1, 15, 8, 30, tzinfo=datetime.UTC)
ADAPTERS = {
    "vmxnet3": device.VirtualVmxnet3,
    "e1000": device.VirtualE1000,
    "e1000e": device.VirtualE1000e,
}


def _backing(
    disk: DiskDevice,
    chain: Disk,
    layer: LayerRecord,
    datastore: Datastore,
    change_id: str | None,
) -> Any:
    """A disk's backing at a layer, with its parents."""
    kind = datastore.kind
    parent = chain.chain.layers[layer.parent] if layer.parent is not None else None
    delta = parent is not None
    if disk.raw:
        return _raw_backing(disk, chain, layer, datastore, change_id)
    return device.VirtualDisk.FlatVer2BackingInfo(
        fileName=f"[{datastore.name}] {layer.descriptor}",
        datastore=datastore.ref,
        backingObjectId=chain.object_id(layer) if kind.objects else "",
        diskMode=disk.mode,
        split=False,
        writeThrough=False,
        thinProvisioned=disk.provisioning == "thin" or delta,
        eagerlyScrub=True if disk.provisioning == "thick_eager" and not delta else None,
        uuid=disk.uuid,
        contentId=f"{layer.content_id:0>32}",
        changeId=change_id,
        deltaDiskFormat=kind.delta_format if delta else None,
        digestEnabled=False,
        sharing=disk.sharing,
        parent=_backing(disk, chain, parent, datastore, None) if parent else None,
        keyId=crypto_key(disk.uuid) if disk.encrypted else None,
    )


def _raw_backing(
    disk: DiskDevice,
    chain: Disk,
    layer: LayerRecord,
    datastore: Datastore,
    change_id: str | None,
) -> Any:
    """A raw device mapping: its file only says which LUN it stands for."""
    lun = f"0200{disk.uuid.replace('-', '').lower()}"
    return device.VirtualDisk.RawDiskMappingVer1BackingInfo(
        fileName=f"[{datastore.name}] {layer.descriptor}",
        datastore=datastore.ref,
        lunUuid=lun,
        deviceName=f"vml.{lun}",
        compatibilityMode=f"{disk.raw}Mode",
        diskMode="independent_persistent" if disk.raw == "physical" else disk.mode,
        uuid=disk.uuid,
        changeId=change_id if disk.raw == "virtual" else None,
        sharing=disk.sharing,
        parent=_backing(disk, chain, chain.chain.layers[layer.parent], datastore, None)
        if layer.parent is not None
        else None,
    )


def crypto_key(name: str) -> Any:
    """The key of an encrypted VM or disk, from a key provider."""
    return vim.encryption.CryptoKeyId(
        keyId=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        providerId=vim.encryption.KeyProviderId(id="lab-key-provider"),
    )


def _disk(vm: VmRecord, disk: DiskDevice, backing: Any) -> Any:
    kib = disk.capacity_bytes // 1024
    return device.VirtualDisk(
        key=disk.key,
        controllerKey=disk.controller_key,
        unitNumber=disk.unit,
        capacityInKB=kib,
        capacityInBytes=disk.capacity_bytes,
        deviceInfo=vim.Description(label=disk.label, summary=f"{kib:,} KB"),
        backing=backing,
        **device_parts.of_disks(vm.ref, disk.key),
    )


def _network_backing(ref: str, name: str) -> Any:
    card = device.VirtualEthernetCard
    if ref.startswith("dvportgroup-"):
        port = vim.dvs.PortConnection(
            switchUuid=str(uuid.uuid5(uuid.NAMESPACE_URL, "lab-switch")), portgroupKey=ref
        )
        return card.DistributedVirtualPortBackingInfo(port=port)
    if ref.startswith("opaquenetwork-"):
        return card.OpaqueNetworkBackingInfo(
            opaqueNetworkId=opaque_network_id(ref), opaqueNetworkType="nsx.LogicalSwitch"
        )
    return card.NetworkBackingInfo(deviceName=name, useAutoDetect=False, network=vim.Network(ref))


def _nic(nic: NicDevice, networks: Mapping[str, str], powered_on: bool) -> Any:
    name = networks[nic.network]
    return ADAPTERS[nic.adapter](
        key=nic.key,
        controllerKey=100,
        unitNumber=nic.key - 4000 + 7,
        macAddress=nic.mac_address,
        addressType="assigned",
        deviceInfo=vim.Description(label=nic.label, summary=name),
        backing=_network_backing(nic.network, name),
        connectable=device_parts.connection(
            starts=nic.connected, connected=nic.connected and powered_on
        ),
        **device_parts.of_adapters(nic.key - 4000),
    )


def _controllers(config: Config) -> list[Any]:
    """The controllers that the disks are attached to, in the order of their keys."""
    given = {KINDS[c.kind].key(c.bus): c for c in config.controllers}
    made = []
    for key in sorted({d.controller_key for d in config.disks} | set(given)):
        usual = ControllerDevice(controllers.usual(config.guest_id), key - SCSI_KEY)
        found = given.get(key, usual)
        disks = [d.key for d in config.disks if d.controller_key == key]
        made.append(controllers.device_of(KINDS[found.kind], found.bus, disks, found.sharing))
    return made


def hardware(
    record: VmRecord,
    config: Config,
    backings: Mapping[int, Any],
    networks: Mapping[str, str],
) -> Any:
    """The VM's devices, processors and memory."""
    tpm = [
        device.VirtualTPM(key=11000, deviceInfo=vim.Description(label="Virtual TPM", summary=""))
    ]
    powered_on = record.power_state == POWERED_ON
    own = _controllers(config)
    return codec.make(
        vim.vm.VirtualHardware,
        numCPU=config.cpu,
        numCoresPerSocket=config.cores_per_socket,
        memoryMB=config.memory_mb,
        device=[
            *standard_devices({d.key for d in config.disks} | {c.key for c in own}),
            *own,
            *(tpm if config.vtpm else ()),
            *(_disk(record, d, backings[d.key]) for d in config.disks),
            *(_nic(n, networks, powered_on) for n in config.nics),
        ],
    )


def config_info(
    record: VmRecord,
    config: Config,
    backings: Mapping[int, Any],
    networks: Mapping[str, str],
    datastore_name: str,
) -> Any:
    """A VM's (or a snapshot's) configuration."""
    folder = f"[{datastore_name}] {record.folder_on_datastore}/"
    tools = record.tools
    return codec.make(
        vim.vm.ConfigInfo,
        name=config.name,
        uuid=record.bios_uuid,
        instanceUuid=record.instance_uuid,
        version=config.hardware_version,
        template=config.template,
        guestId=config.guest_id,
        guestFullName=config.guest_full_name,
        alternateGuestName="",
        annotation=config.annotation,
        changeVersion=f"2024-01-15T08:30:00.{record.change_version:06d}Z",
        modified=CREATED,
        createDate=CREATED,
        changeTrackingEnabled=config.tracking,
        firmware=config.firmware,
        managedBy=managed_by(config),
        keyId=crypto_key(record.bios_uuid) if config.encrypted or config.vtpm else None,
        files=vim.vm.FileInfo(
            vmPathName=f"[{datastore_name}] {record.vmx_path}",
            snapshotDirectory=folder,
            suspendDirectory=folder,
            logDirectory=folder,
        ),
        tools=codec.make(vim.vm.ToolsConfigInfo, toolsVersion=int(tools.version))
        if tools
        else None,
        hardware=hardware(record, config, backings, networks),
    )


def managed_by(config: Config) -> Any:
    """The extension that the VM belongs to: a cluster's agents, another product's appliances."""
    if config.managed_by is None:
        return None
    key, kind = config.managed_by
    return vim.ext.ManagedByInfo(extensionKey=key, type=kind)


def disk_backings(
    record: VmRecord,
    config: Config,
    disks: Mapping[int, Disk],
    datastores: Mapping[str, Datastore],
    snapshot: SnapshotRecord | None = None,
) -> dict[int, Any]:
    """Each disk's backing: at the snapshot's frozen file, or at the one that the guest writes."""
    found = {}
    for disk in config.disks:
        chain = disks[disk.key]
        frozen = chain.layer_of_snapshot(snapshot.ref) if snapshot else None
        number = frozen if frozen is not None else chain.chain.current
        if number is None:
            number = min(chain.chain.layers)
        change_id = (
            snapshot.change_ids.get(disk.key)
            if snapshot
            else chain.change_id(chain.chain.era - 1)
            if config.tracking
            else None
        )
        datastore = datastores[chain.chain.datastore]
        found[disk.key] = _backing(disk, chain, chain.chain.layers[number], datastore, change_id)
    return found


def guest_info(record: VmRecord, networks: Mapping[str, str]) -> Any:
    """What VMware Tools report; None for a VM about which nothing at all is known."""
    if record.bare:
        return None
    config, tools = record.config, record.tools
    running = tools is not None and record.power_state == POWERED_ON
    if tools is None:
        return codec.make(
            vim.vm.GuestInfo,
            toolsStatus="toolsNotInstalled",
            toolsVersionStatus2="guestToolsNotInstalled",
            toolsRunningStatus="guestToolsNotRunning",
            toolsVersion="0",
            guestState="running" if record.power_state == POWERED_ON else "notRunning",
        )
    addresses = [a for n in config.nics for a in n.ip_addresses] if running else []
    return codec.make(
        vim.vm.GuestInfo,
        toolsStatus=tools.status if running else "toolsNotRunning",
        toolsVersionStatus=tools.version_status,
        toolsVersionStatus2=tools.version_status,
        toolsRunningStatus="guestToolsRunning" if running else "guestToolsNotRunning",
        toolsVersion=tools.version,
        guestId=config.guest_id if running else None,
        guestFullName=config.guest_full_name if running else None,
        guestFamily="windowsGuest" if config.guest_id.startswith("windows") else "linuxGuest",
        hostName=tools.hostname if running else None,
        ipAddress=next(iter(addresses), None),
        net=[_guest_nic(n, networks) for n in config.nics] if running else [],
        guestState="running" if running else "notRunning",
    )


def _guest_nic(nic: NicDevice, networks: Mapping[str, str]) -> Any:
    return vim.vm.GuestInfo.NicInfo(
        network=networks[nic.network],
        ipAddress=nic.ip_addresses,
        macAddress=nic.mac_address,
        connected=nic.connected,
        deviceConfigId=nic.key,
        ipConfig=device_parts.ip_config(nic.ip_addresses),
    )


def _booted_at(record: VmRecord) -> Any:
    """When the VM was powered on last; unset while it is off."""
    if record.power_state != POWERED_ON:
        return None
    return datetime.datetime.fromisoformat(record.booted_at) if record.booted_at else CREATED


def runtime_info(record: VmRecord) -> Any:
    """Where the VM runs and how it is."""
    return codec.make(
        vim.vm.RuntimeInfo,
        host=vim.HostSystem(record.host),
        connectionState=record.connection_state,
        powerState=record.power_state,
        bootTime=_booted_at(record),
        faultToleranceState=record.fault_tolerance_state,
        toolsInstallerMounted=False,
        consolidationNeeded=record.consolidation_needed,
        numMksConnections=0,
        onlineStandby=False,
    )


def summary(record: VmRecord, datastore_name: str, ref: Any, runtime: Any, guest: Any) -> Any:
    """The VM's summary."""
    config = record.config
    return codec.make(
        vim.vm.Summary,
        vm=ref,
        runtime=runtime,
        guest=codec.make(
            vim.vm.Summary.GuestSummary,
            toolsVersionStatus2=guest.toolsVersionStatus2,
            toolsRunningStatus=guest.toolsRunningStatus,
            hostName=guest.hostName,
            ipAddress=guest.ipAddress,
        )
        if guest
        else None,
        config=codec.make(
            vim.vm.Summary.ConfigSummary,
            name=config.name,
            template=config.template,
            vmPathName=f"[{datastore_name}] {record.vmx_path}",
            memorySizeMB=config.memory_mb,
            numCpu=config.cpu,
            numEthernetCards=len(config.nics),
            numVirtualDisks=len(config.disks),
            uuid=record.bios_uuid,
            instanceUuid=record.instance_uuid,
            guestId=config.guest_id,
            guestFullName=config.guest_full_name,
            annotation=config.annotation,
            managedBy=managed_by(config),
            tpmPresent=config.vtpm,
        ),
        overallStatus="green",
    )


def storage_summary(config: Config, disks: Mapping[int, Disk]) -> Any:
    """What the disks take on their datastores. A thick one has all of it from the beginning."""
    committed = uncommitted = 0
    for each in config.disks:
        disk, size = disks[each.key], each.capacity_bytes
        files = [disk.path_of(layer) for layer in disk.chain.layers.values()]
        taken = sum(file.stat().st_blocks * 512 for file in files)
        committed += taken if each.provisioning == "thin" else size
        uncommitted += max(0, size - taken) if each.provisioning == "thin" else 0
    return codec.make(
        vim.vm.Summary.StorageSummary,
        committed=committed,
        uncommitted=uncommitted,
        unshared=committed,
        timestamp=datetime.datetime.now(datetime.UTC),
    )


def snapshot_info(record: VmRecord) -> Any:
    """The tree of snapshots, or None when there are none."""
    if not record.snapshots or record.unlist_snapshots:
        return None
    roots = [s for s in record.snapshots.values() if s.parent is None]
    current = record.current_snapshot
    return vim.vm.SnapshotInfo(
        currentSnapshot=vim.vm.Snapshot(current) if current else None,
        rootSnapshotList=[_node(record, s) for s in roots],
    )


def _node(record: VmRecord, snapshot: SnapshotRecord) -> Any:
    return vim.vm.SnapshotTree(
        snapshot=vim.vm.Snapshot(snapshot.ref),
        vm=vim.VirtualMachine(record.ref),
        name=snapshot.name,
        description=snapshot.description,
        id=snapshot.number,
        createTime=datetime.datetime.fromisoformat(snapshot.created_at),
        state=snapshot.power_state,
        quiesced=snapshot.quiesced,
        childSnapshotList=[
            _node(record, s) for s in record.snapshots.values() if s.parent == snapshot.ref
        ],
        replaySupported=False,
    )
