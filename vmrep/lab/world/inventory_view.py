"""What vSphere shows of hosts, resource pools and datastores, made from the little that is known.

Capacities of hosts are the same everywhere and mean nothing; those of datastores are those of the
file system that the lab's folder is on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from vmrep.lab.soap import codec
from vmrep.lab.world.datastores import DatastoreType

MEMORY_BYTES = 64 << 30
CPU_MHZ, CORES = 2500, 16


def host_hardware(uuid: str) -> Any:
    """A host's hardware."""
    return codec.make(
        vim.host.HardwareInfo,
        systemInfo=codec.make(
            vim.host.SystemInfo,
            vendor="VMware, Inc.",
            model="VMware Virtual Platform",
            uuid=uuid,
        ),
        cpuInfo=vim.host.CpuInfo(
            numCpuPackages=1, numCpuCores=CORES, numCpuThreads=CORES, hz=CPU_MHZ * 1_000_000
        ),
        cpuPkg=[codec.make(vim.host.CpuPackage, vendor="intel", threadId=[0])],
        memorySize=MEMORY_BYTES,
    )


def host_summary(ref: Any, name: str, uuid: str, runtime: Any, product: Any) -> Any:
    """A host's summary."""
    return codec.make(
        vim.host.Summary,
        host=ref,
        hardware=vim.host.Summary.HardwareSummary(
            vendor="VMware, Inc.",
            model="VMware Virtual Platform",
            uuid=uuid,
            memorySize=MEMORY_BYTES,
            cpuModel="Lab CPU",
            cpuMhz=CPU_MHZ,
            numCpuPkgs=1,
            numCpuCores=CORES,
            numCpuThreads=CORES,
            numNics=2,
            numHBAs=1,
        ),
        runtime=runtime,
        config=vim.host.Summary.ConfigSummary(
            name=name,
            port=902,
            product=product,
            vmotionEnabled=True,
            faultToleranceEnabled=False,
        ),
        overallStatus="green",
        rebootRequired=False,
    )


def host_product(version: str) -> Any:
    """What a host says that it is."""
    return vim.AboutInfo(
        name="VMware ESXi",
        fullName=f"VMware ESXi {version} build-22617221 (vmrep lab)",
        vendor="VMware, Inc.",
        version=version,
        build="22617221",
        osType="vmnix-x86",
        productLineId="embeddedEsx",
        apiType="HostAgent",
        apiVersion=codec.VERSION_ID,
    )


def compute_summary() -> Any:
    """The summary of a compute resource of one host."""
    return vim.ComputeResource.Summary(
        totalCpu=CPU_MHZ * CORES,
        totalMemory=MEMORY_BYTES,
        numCpuCores=CORES,
        numCpuThreads=CORES,
        effectiveCpu=CPU_MHZ * CORES,
        effectiveMemory=MEMORY_BYTES >> 20,
        numHosts=1,
        numEffectiveHosts=1,
        overallStatus="green",
    )


def pool_runtime() -> Any:
    """What a resource pool has and uses."""
    usage = vim.ResourcePool.ResourceUsage
    return vim.ResourcePool.RuntimeInfo(
        memory=usage(maxUsage=MEMORY_BYTES, unreservedForPool=MEMORY_BYTES),
        cpu=usage(maxUsage=CPU_MHZ * CORES, unreservedForPool=CPU_MHZ * CORES),
        overallStatus="green",
    )


def datastore_info(name: str, moid: str, kind: DatastoreType, free_bytes: int) -> Any:
    """A datastore's details, of the data type that goes with its type."""
    values: dict[str, Any] = {
        "name": name,
        "url": f"ds:///vmfs/volumes/{moid}/",
        "freeSpace": free_bytes,
        "maxFileSize": 62 << 40,
        "maxMemoryFileSize": 62 << 40,
        "timestamp": codec.utc_now(),
    }
    if kind.shown == "NFS":
        nas = vim.host.NasVolume(
            type="NFS",
            name=name,
            capacity=0,
            remoteHost="nas.example.com",
            remotePath=f"/volumes/{moid}",
            userName="",
        )
        return vim.host.NasDatastoreInfo(**values, nas=nas)
    if kind.shown != "VMFS":
        return vim.Datastore.Info(**values)
    volume = codec.make(
        vim.host.VmfsVolume,
        type="VMFS",
        name=name,
        blockSizeMb=1,
        maxBlocks=63963136,
        majorVersion=6,
        version="6.82",
        uuid=moid,
        vmfsUpgradable=False,
        extent=[vim.host.ScsiDisk.Partition(diskName=f"naa.{moid}", partition=1)],
    )
    return vim.host.VmfsDatastoreInfo(
        **values, maxPhysicalRDMFileSize=62 << 40, maxVirtualRDMFileSize=62 << 40, vmfs=volume
    )


def datastore_mounts(moid: str, hosts: Sequence[Any]) -> list[Any]:
    """Which hosts see a datastore, and how."""
    mount = vim.host.MountInfo(
        path=f"/vmfs/volumes/{moid}", accessMode="readWrite", mounted=True, accessible=True
    )
    return [vim.Datastore.HostMount(key=host, mountInfo=mount) for host in hosts]
