from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contexts.vsphere.preflight import refusals, transports_for, unprotected_disks
from contexts.vsphere.records import DiskRecord, SnapshotRecord, VmRecord, no_specs

DISK = DiskRecord(
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
    change_id=None,
    has_parent=False,
    datastore_type="VMFS",
    encrypted=False,
)
USERS = SnapshotRecord("snapshot-7", "before the update", False, None, None)
OURS = SnapshotRecord("snapshot-8", "vmrep:job-1:1", False, None, None)


def vm(*disks: DiskRecord, snapshots: tuple[SnapshotRecord, ...] = (), **specs: Any) -> VmRecord:
    known = {
        "moref": "vm-1",
        "vm_name": "a",
        "connection_state": "connected",
        "hardware_version": "vmx-19",
        "is_template": False,
        "consolidation_needed": False,
        "fault_tolerance_state": "notConfigured",
        "cbt_enabled": False,
    }
    return VmRecord(
        "5000-uuid", {**no_specs(), **known, **specs}, disks or (DISK,), snapshots=snapshots
    )


def codes(record: VmRecord, **how: Any) -> list[str]:
    return [refusal.code for refusal in refusals(record, **how)]


def test_an_ordinary_vm_is_not_refused() -> None:
    assert refusals(vm()) == ()
    assert unprotected_disks(vm()) == ()


@pytest.mark.parametrize(
    ("specs", "code"),
    [
        ({"is_template": True}, "template"),
        ({"hardware_version": "vmx-04"}, "hardware_too_old"),
        ({"hardware_version": "vmx-6"}, "hardware_too_old"),
        ({"fault_tolerance_state": "running"}, "fault_tolerance"),
        ({"fault_tolerance_state": "notRunning"}, "fault_tolerance"),
        ({"connection_state": "disconnected"}, "not_connected"),
        ({"connection_state": "inaccessible"}, "not_connected"),
        ({"connection_state": "orphaned"}, "not_connected"),
    ],
)
def test_a_vm_in_a_condition_that_cannot_be_protected_is_refused(
    specs: dict[str, Any], code: str
) -> None:
    assert codes(vm(**specs)) == [code]
    assert codes(vm(**specs), transport="nbd") == [code]


@pytest.mark.parametrize("version", ["vmx-07", "vmx-7", "vmx-10", "vmx-22", None, "something"])
def test_hardware_with_tracking_or_unknown_hardware_is_not_refused(version: str | None) -> None:
    assert codes(vm(hardware_version=version)) == []


def test_a_vm_without_disks_is_refused() -> None:
    assert codes(replace(vm(), disks=())) == ["no_disks"]


def test_a_vm_without_instance_uuid_is_refused() -> None:
    assert codes(replace(vm(), instance_uuid=None)) == ["no_instance_uuid"]


def test_a_vm_that_could_not_be_read_is_refused_with_the_reason() -> None:
    record = VmRecord(None, {**no_specs(), "moref": "vm-1"}, problem="It is orphaned.")
    (refusal,) = refusals(record)
    assert (refusal.code, refusal.reason) == ("unreadable", "It is orphaned.")


# ------------------------------------------------------------------ disks that no snapshot holds


@pytest.mark.parametrize(
    "change",
    [
        {"disk_mode": "independent_persistent"},
        {"disk_mode": "independent_nonpersistent"},
        {"disk_mode": "nonpersistent"},
        {"backing_type": "rdm_physical"},
        {"backing_type": "raw"},
        {"sharing": "sharingMultiWriter"},
        {"sharing": "physicalSharing"},
        {"sharing": "virtualSharing"},
    ],
    ids=lambda change: next(iter(change.values())),
)
def test_a_disk_that_no_snapshot_holds_is_shown_and_stops_the_job(change: dict[str, Any]) -> None:
    other = replace(DISK, device_key=2001, disk_uuid="6000C29b-2", label="Hard disk 2", **change)
    record = vm(DISK, other)
    ((disk, reason),) = unprotected_disks(record)
    assert disk is other
    for transport in ("datastore", "nbd"):
        (refusal,) = refusals(record, transport=transport)
        assert refusal.code == "unprotected_disk"
        assert "take" not in refusal.remedy, "jobs refuse managed VMs in the same words"
        assert refusal.reason == f"Hard disk 2 {reason}."
    for accepted in ("6000C29b-2", "2001", "disk-2001"):
        assert codes(record, accepted_unprotected={accepted}) == []
    assert codes(record, accepted_unprotected={"2000"}) == ["unprotected_disk"]


def test_leaving_out_every_disk_is_refused() -> None:
    record = vm(replace(DISK, disk_mode="independent_persistent"))
    assert codes(record, accepted_unprotected={"2000"}) == ["no_protectable_disk"]


# ------------------------------------------------------------------ snapshots


def test_a_users_snapshot_is_refused_for_the_datastore_transport_and_named() -> None:
    for cbt in (False, True):
        (refusal,) = refusals(
            vm(snapshots=(USERS, OURS), cbt_enabled=cbt),
            own_snapshots={OURS.name},
            transport="datastore",
        )
        assert refusal.code == "user_snapshots"
        assert "before the update" in refusal.reason
        assert "vmrep:job-1:1" not in refusal.reason


def test_a_users_snapshot_is_refused_for_nbd_only_while_tracking_must_be_enabled() -> None:
    assert codes(vm(snapshots=(USERS,)), transport="nbd") == ["user_snapshots"]
    assert codes(vm(snapshots=(USERS,), cbt_enabled=None), transport="nbd") == ["user_snapshots"]
    assert codes(vm(snapshots=(USERS,), cbt_enabled=True), transport="nbd") == []


@pytest.mark.parametrize("own", [OURS.moref, OURS.name])
def test_own_recorded_snapshots_do_not_count(own: str) -> None:
    delta = replace(DISK, has_parent=True)
    assert codes(vm(delta, snapshots=(OURS,)), own_snapshots=[own]) == []
    assert codes(vm(delta, snapshots=(OURS,))) == ["user_snapshots"]


# ------------------------------------------------------------------ files that cannot be read


@pytest.mark.parametrize(
    "change",
    [
        {"datastore_type": "vsan"},
        {"datastore_type": "VVOL"},
        {"backing_type": "rdm_virtual"},
        {"backing_type": "sesparse"},
        {"encrypted": True},
        {"has_parent": True},
    ],
    ids=lambda change: str(next(iter(change.items()))),
)
def test_what_the_datastore_transport_cannot_read_is_refused(change: dict[str, Any]) -> None:
    record = vm(replace(DISK, **change))
    (refusal,) = refusals(record, transport="datastore")
    assert refusal.code == "disk_not_readable"
    assert "the datastore transport cannot read it" in refusal.reason
    assert "leave the VM out" in refusal.remedy
    assert codes(record, transport="nbd") == []


def test_what_is_unknown_of_a_disk_is_no_reason_to_refuse() -> None:
    unknown = replace(
        DISK, datastore_type=None, encrypted=None, has_parent=None, sharing=None, disk_mode=None
    )
    assert codes(vm(unknown)) == []


def test_a_disk_that_is_left_out_need_not_be_readable() -> None:
    rdm = replace(DISK, device_key=2001, backing_type="rdm_physical", datastore_type="vsan")
    assert codes(vm(DISK, rdm), accepted_unprotected={"2001"}) == []


def test_all_reasons_are_told_at_once() -> None:
    record = vm(replace(DISK, encrypted=True), snapshots=(USERS,), is_template=True)
    assert codes(record) == ["template", "user_snapshots", "disk_not_readable"]


# ------------------------------------------------------------------ what is told


INDEPENDENT = replace(
    DISK, device_key=2001, disk_uuid="6000C29b-2", disk_mode="independent_persistent"
)


@pytest.mark.parametrize(
    ("record", "summary"),
    [
        (vm(snapshots=(USERS,)), "has a snapshot"),
        (vm(snapshots=(USERS, OURS)), "has 2 snapshots"),
        (vm(DISK, INDEPENDENT), "independent disk: will not be protected"),
        (
            vm(DISK, replace(INDEPENDENT, backing_type="rdm_physical")),
            "raw device: will not be protected",
        ),
        (
            vm(DISK, replace(INDEPENDENT, sharing="sharingMultiWriter")),
            "shared disk: will not be protected",
        ),
        (vm(replace(DISK, datastore_type="vsan")), "disk on vSAN"),
        (vm(replace(DISK, encrypted=True)), "encrypted disk"),
        (vm(replace(DISK, has_parent=True)), "linked clone"),
        (vm(is_template=True), "a template"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_list_has_few_words_for_it(record: VmRecord, summary: str) -> None:
    assert [each.summary for each in refusals(record, transport="datastore")] == [summary]


@pytest.mark.parametrize(
    "record",
    [
        vm(snapshots=(USERS,)),
        vm(replace(DISK, datastore_type="vsan")),
        vm(replace(DISK, backing_type="sesparse")),
        vm(replace(DISK, encrypted=True)),
        vm(replace(DISK, has_parent=True)),
    ],
)
def test_no_remedy_names_a_transport_that_this_version_does_not_have(record: VmRecord) -> None:
    (refusal,) = refusals(record, transport="datastore")
    assert "vddk" not in f"{refusal.reason} {refusal.remedy}".lower()


def test_what_one_of_the_candidates_reads_is_not_refused() -> None:
    record = vm(replace(DISK, datastore_type="vsan"))
    assert codes(record, transport="auto") == []
    assert codes(record, transport="datastore") == ["disk_not_readable"]
    assert codes(vm(replace(DISK, encrypted=True)), transport="auto") == ["disk_not_readable"]
    found = transports_for(record, transport="auto")
    assert [(code, bool(why)) for code, why in found.items()] == [
        ("nfc", False),
        ("datastore", True),
    ]
