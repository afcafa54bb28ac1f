"""Datastore files of the lab: real descriptors, real bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contexts.vsphere import datastore, snapshots
from contexts.vsphere.errors import (
    DatastoreReadFailed,
    DiskNotReadable,
    ObjectGone,
    PrivilegeMissing,
)
from contexts.vsphere.inventory import VmRecord, read_vm
from contexts.vsphere.session import Session
from vmrep.lab.control.surface import LabControl

FOLDER = "GET /folder"


@pytest.fixture
def snapshot(session: Session, control: LabControl, vm: VmRecord) -> Iterator[str]:
    moref = snapshots.create(session, vm.moref, "vmrep:job-1:1", "", False).moref
    yield moref
    control.clear_faults()
    snapshots.remove(session, moref)


def test_the_datacenter_path_has_its_folders(session: Session, vm: VmRecord) -> None:
    assert datastore.datacenter_path(session, vm.moref) == "Lab/DC1"
    with pytest.raises(ObjectGone):
        datastore.datacenter_path(session, "vm-999999")


def test_the_file_of_a_snapshots_disk_holds_its_bytes(
    session: Session, control: LabControl, vm: VmRecord, snapshot: str
) -> None:
    control.write(vm.moref, 2000, 0, b"written after the snapshot")
    (disk,) = snapshots.disks(session, snapshot)
    file = datastore.locate(session, disk, datastore.datacenter_path(session, vm.moref))
    assert file.size_bytes == disk.capacity_bytes
    datastore.probe(session, file)
    connection = session.https_connection()
    connection.request(
        "GET", file.target, headers={**session.cookie_headers(), "Range": "bytes=0-1048575"}
    )
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.getheader("Content-Range") == f"bytes 0-1048575/{file.size_bytes}"
    kept = control.kept_content(snapshot, 2000)
    assert data == kept.read_bytes()[: 1 << 20]
    assert data[510:512] == b"\x55\xaa"


def test_the_delta_of_a_running_vm_is_not_its_disk(
    session: Session, vm: VmRecord, snapshot: str
) -> None:
    (delta,) = read_vm(session, vm.instance_uuid or "", vm.moref).disks
    with pytest.raises(DiskNotReadable, match="delta"):
        datastore.locate(session, delta, "Lab/DC1")


def test_an_expired_login_is_renewed(
    session: Session, control: LabControl, vm: VmRecord, snapshot: str
) -> None:
    (disk,) = snapshots.disks(session, snapshot)
    control.expire_sessions()
    datastore.probe(session, datastore.locate(session, disk, "Lab/DC1"))


def test_a_refused_file_says_what_to_do(
    session: Session, control: LabControl, vm: VmRecord, snapshot: str
) -> None:
    (disk,) = snapshots.disks(session, snapshot)
    control.fail(FOLDER, fault="500")
    with pytest.raises(DatastoreReadFailed, match="ESXi host itself") as failed:
        datastore.locate(session, disk, "Lab/DC1")
    assert "Hard disk 1" in str(failed.value)
    assert failed.value.status == 500
    control.deny_privilege("Datastore.Browse")
    with pytest.raises(PrivilegeMissing, match=r"Datastore\.Browse"):
        datastore.locate(session, disk, "Lab/DC1")
    control.clear_faults()
    with pytest.raises(ObjectGone):
        datastore.locate(session, disk, "Another/DC")
