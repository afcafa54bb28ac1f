from __future__ import annotations

import datetime
from typing import Any

import pytest
from pyVmomi import vim

from contexts.vsphere.devices import disks_of, networks_of, snapshots_of, with_guest
from contexts.vsphere.names import Places
from contexts.vsphere.records import DiskRecord

dev = vim.vm.device
Disk = dev.VirtualDisk
FLAT = {"fileName": "[ds1] a/a.vmdk", "diskMode": "persistent", "uuid": "6000C29a-1"}


def disk(backing: Any, controller: Any = None, **values: Any) -> DiskRecord:
    controller = controller or dev.ParaVirtualSCSIController(
        key=1000, busNumber=0, sharedBus="noSharing"
    )
    device = Disk(
        key=2000,
        controllerKey=1000,
        capacityInKB=65536,
        deviceInfo=vim.Description(label="Hard disk 1", summary=""),
        backing=backing,
        **values,
    )
    (record,) = disks_of([device, controller], {"datastore-1": "VMFS"})
    return record


def test_a_flat_disk_is_read_whole() -> None:
    backing = Disk.FlatVer2BackingInfo(
        **FLAT,
        datastore=vim.Datastore("datastore-1"),
        thinProvisioned=True,
        sharing="sharingNone",
        changeId="52 de/7",
    )
    assert disk(backing, capacityInBytes=64 << 20) == DiskRecord(
        device_key=2000,
        disk_uuid="6000C29a-1",
        label="Hard disk 1",
        capacity_bytes=64 << 20,
        vmdk_path="[ds1] a/a.vmdk",
        datastore="ds1",
        provisioning_type="thin",
        disk_mode="persistent",
        sharing="sharingNone",
        backing_type="flat",
        controller_type="pvscsi",
        change_id="52 de/7",
        has_parent=False,
        datastore_type="VMFS",
        datastore_moref="datastore-1",
        encrypted=False,
    )


def test_the_capacity_of_an_old_host_comes_in_kib() -> None:
    assert disk(Disk.FlatVer2BackingInfo(**FLAT)).capacity_bytes == 64 << 20


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"thinProvisioned": True}, "thin"),
        ({"thinProvisioned": False}, "thick_lazy"),
        ({"thinProvisioned": False, "eagerlyScrub": False}, "thick_lazy"),
        ({"thinProvisioned": False, "eagerlyScrub": True}, "thick_eager"),
        ({"eagerlyScrub": True}, "thick_eager"),
        ({}, None),
    ],
)
def test_provisioning_is_what_vsphere_says_or_unknown(
    flags: dict[str, bool], expected: str | None
) -> None:
    assert disk(Disk.FlatVer2BackingInfo(**FLAT, **flags)).provisioning_type == expected


@pytest.mark.parametrize(
    ("backing", "expected"),
    [
        (Disk.SparseVer2BackingInfo(**FLAT), "sparse"),
        (Disk.SeSparseBackingInfo(**FLAT), "sesparse"),
        (
            Disk.RawDiskMappingVer1BackingInfo(**FLAT, compatibilityMode="physicalMode"),
            "rdm_physical",
        ),
        (
            Disk.RawDiskMappingVer1BackingInfo(**FLAT, compatibilityMode="virtualMode"),
            "rdm_virtual",
        ),
        (Disk.RawDiskVer2BackingInfo(descriptorFileName="x", deviceName="d"), "raw"),
        (
            dev.VirtualDevice.RemoteDeviceBackingInfo(deviceName="d"),
            "VirtualDeviceRemoteDeviceBackingInfo",
        ),
    ],
)
def test_other_backings_are_distinguished(backing: Any, expected: str) -> None:
    assert disk(backing).backing_type == expected


def test_a_delta_and_an_encrypted_disk_are_recognised() -> None:
    base = Disk.FlatVer2BackingInfo(**FLAT)
    key = vim.encryption.CryptoKeyId(keyId="k")
    record = disk(Disk.FlatVer2BackingInfo(**FLAT, parent=base, keyId=key))
    assert record.has_parent is True
    assert record.encrypted is True


@pytest.mark.parametrize(
    ("own", "bus", "expected"),
    [
        ("sharingNone", "noSharing", "sharingNone"),
        (None, "noSharing", None),
        ("sharingMultiWriter", "physicalSharing", "sharingMultiWriter"),
        ("sharingNone", "physicalSharing", "physicalSharing"),
        (None, "virtualSharing", "virtualSharing"),
    ],
)
def test_sharing_is_the_disks_or_its_bus(own: str | None, bus: str, expected: str | None) -> None:
    controller = dev.VirtualLsiLogicSASController(key=1000, busNumber=0, sharedBus=bus)
    record = disk(Disk.FlatVer2BackingInfo(**FLAT, sharing=own), controller)
    assert record.sharing == expected
    assert record.controller_type == "lsilogic-sas"


def test_a_disk_without_known_controller_is_still_a_disk() -> None:
    device = Disk(key=2000, capacityInKB=1, backing=Disk.FlatVer2BackingInfo(**FLAT))
    (record,) = disks_of([device], {})
    assert record.controller_type is None
    assert record.label is None


def nic(kind: Any = dev.VirtualVmxnet3, **values: Any) -> Any:
    return kind(
        key=4000,
        macAddress="00:50:56:AA:bb:01",
        connectable=dev.VirtualDevice.ConnectInfo(connected=True),
        **values,
    )


def guest(**values: Any) -> Any:
    return vim.vm.GuestInfo.NicInfo(connected=True, **values)


def test_addresses_are_matched_by_device_key_or_mac() -> None:
    by_key = guest(deviceConfigId=4000, ipAddress=["10.0.0.1", "fe80::1"])
    other = guest(deviceConfigId=4001, ipAddress=["10.0.0.9"])
    by_mac = guest(deviceConfigId=-1, macAddress="00:50:56:aa:BB:01", ipAddress=["10.0.0.2"])
    found = networks_of([nic()], Places("group-d1"))
    assert with_guest(found, [other, by_key])[0].ip_addresses == ("10.0.0.1", "fe80::1")
    assert with_guest(found, [other, by_mac])[0].ip_addresses == ("10.0.0.2",)
    assert with_guest(found, [other])[0].ip_addresses == ()


def test_network_names_come_from_standard_distributed_and_opaque_networks() -> None:
    places = Places("group-d1", names={"network-1": "VM%2fNet", "dvportgroup-2": "Prod"})
    standard = dev.VirtualEthernetCard.NetworkBackingInfo(
        deviceName="old name", network=vim.Network("network-1")
    )
    unseen = dev.VirtualEthernetCard.NetworkBackingInfo(deviceName="DMZ")
    distributed = dev.VirtualEthernetCard.DistributedVirtualPortBackingInfo(
        port=vim.dvs.PortConnection(switchUuid="s", portgroupKey="dvportgroup-2")
    )
    opaque = dev.VirtualEthernetCard.OpaqueNetworkBackingInfo(
        opaqueNetworkId="id", opaqueNetworkType="nsx"
    )
    told = [guest(deviceConfigId=4000, network="segment-7")]
    names = [
        with_guest(networks_of([nic(backing=backing)], places), told)[0].network_name
        for backing in (standard, unseen, distributed, opaque)
    ]
    assert names == ["VM/Net", "DMZ", "Prod", "segment-7"]
    assert networks_of([nic(backing=opaque)], places)[0].network_name is None
    places.names["network-o9"] = "Segment 9"
    places.opaque_networks["id"] = "network-o9"
    assert networks_of([nic(backing=opaque)], places)[0].network_name == "Segment 9"


def test_adapter_types_have_the_names_of_vmx_files() -> None:
    places = Places("group-d1")
    kinds = [dev.VirtualE1000, dev.VirtualE1000e, dev.VirtualVmxnet3, dev.VirtualVmxnet2]
    names = [networks_of([nic(kind)], places)[0].adapter_type for kind in kinds]
    assert names == ["e1000", "e1000e", "vmxnet3", "vmxnet2"]


def snapshot(moref: str, name: str, *children: Any) -> Any:
    return vim.vm.SnapshotTree(
        snapshot=vim.vm.Snapshot(moref),
        name=name,
        quiesced=True,
        createTime=datetime.datetime(
            2026, 1, 2, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2))
        ),
        childSnapshotList=list(children),
    )


def test_a_branched_tree_becomes_a_list_with_parents_first() -> None:
    tree = vim.vm.SnapshotInfo(
        rootSnapshotList=[
            snapshot(
                "s1",
                "a%2fb",
                snapshot("s2", "left", snapshot("s4", "deep")),
                snapshot("s3", "right"),
            )
        ]
    )
    found = snapshots_of(tree)
    assert [(one.moref, one.name, one.parent_moref) for one in found] == [
        ("s1", "a/b", None),
        ("s2", "left", "s1"),
        ("s3", "right", "s1"),
        ("s4", "deep", "s2"),
    ]
    assert found[0].created_at == datetime.datetime(2026, 1, 2, 10, tzinfo=datetime.UTC)
    assert found[0].created_at is not None
    assert found[0].created_at.tzinfo is datetime.UTC
    assert found[0].quiesced is True


def test_no_tree_is_no_snapshots() -> None:
    assert snapshots_of(None) == ()
