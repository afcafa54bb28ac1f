"""Datastore files of the lab: real descriptors, real bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contexts.vsphere import datastore, snapshots
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.errors import (
    DatastoreReadFailed,
    DiskNotReadable,
    ObjectGone,
    PrivilegeMissing,
)
from contexts.vsphere.inventory import VmRecord, read_vm, read_vms
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from tests.vsphere.conftest import PASSWORD
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl

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
    with pytest.raises(DatastoreReadFailed, match="choose the transport NFC or auto") as failed:
        datastore.locate(session, disk, "Lab/DC1")
    assert "Hard disk 1" in str(failed.value)
    assert failed.value.status == 500


@pytest.mark.parametrize("privilege", ["Datastore.Browse", "Datastore.FileManagement"])
def test_a_missing_right_is_no_wrong_password(
    session: Session, control: LabControl, vm: VmRecord, snapshot: str, privilege: str
) -> None:
    (disk,) = snapshots.disks(session, snapshot)
    file = datastore.locate(session, disk, "Lab/DC1")
    control.deny_privilege(privilege, where="datastore1")
    for look in (
        lambda: datastore.locate(session, disk, "Lab/DC1"),
        lambda: datastore.probe(session, file),
    ):
        with pytest.raises(PrivilegeMissing, match=r"HTTP 401") as caught:
            look()
        assert not caught.value.transient
        for named in ("datastore1", "Lab/DC1", session.endpoint.username, privilege):
            assert named in str(caught.value)
    assert control.logins()["open"] == 1


def test_a_datastore_or_datacenter_that_is_not_seen_is_a_missing_right(
    session: Session, control: LabControl, vm: VmRecord, snapshot: str
) -> None:
    (disk,) = snapshots.disks(session, snapshot)
    for hidden in ("datastore1", "DC1"):
        control.hide_object(hidden)
        with pytest.raises(PrivilegeMissing, match="datastore1"):
            datastore.locate(session, disk, "Lab/DC1")
        control.hide_object(hidden, on=False)


def test_a_file_that_is_gone_is_not_a_place_that_is_unknown(
    session: Session, vm: VmRecord, snapshot: str
) -> None:
    (disk,) = snapshots.disks(session, snapshot)
    gone = replace(disk, vmdk_path="[datastore1] small1/moved.vmdk")
    with pytest.raises(ObjectGone, match="Was the VM moved"):
        datastore.locate(session, gone, "Lab/DC1")
    # The place is the datastore's own, whatever the VM's is believed to be.
    assert "dcPath=Lab%2FDC1&" in datastore.locate(session, disk, "Another/DC").target
    unseen = replace(disk, datastore_moref=None)
    with pytest.raises(DatastoreReadFailed, match="“Another/DC”") as caught:
        datastore.locate(session, unseen, "Another/DC")
    assert (caught.value.status, caught.value.transient) == (404, False)
    with pytest.raises(DatastoreReadFailed, match="“nowhere”"):
        datastore.locate(session, replace(unseen, vmdk_path="[nowhere] x/y.vmdk"), "Lab/DC1")


def test_names_that_no_pattern_takes_apart_lead_to_the_file(tmp_path: Path) -> None:
    scenario = str(Path(__file__).parent.parent / "scenarios" / "odd_places.toml")
    with Lab(tmp_path / "lab", scenario, password=PASSWORD) as lab:
        fingerprint = presented_certificate(lab.host, lab.port).fingerprint_sha256
        login = Endpoint(lab.host, lab.port, lab.username, PASSWORD, Trust("pin", fingerprint))
        with Session(login) as session:
            records = {vm.name: vm for page in read_vms(session) for vm in page.records}
            odd, other = records["Büro [x] 50% a/b"], records["other"]
            assert [disk.datastore for disk in odd.disks] == [
                "[SSD] pool",
                " blanks ",
                "a] b",
                "Größe 100%25",
            ]
            assert odd.specs["vm_path"] == (
                "/A [1]/Bonn%2fKöln/vm/Ein Ordner [y]%2fz/Büro [x] 50%25 a%2fb"
            )
            snapshot = snapshots.create(session, odd.moref, "s", "", False).moref
            for vm, disks in ((odd, snapshots.disks(session, snapshot)), (other, other.disks)):
                for disk in disks:
                    datastore.probe(session, datastore.locate(session, disk, None))
                    again = replace(disk, datastore_moref=None)
                    path = datastore.datacenter_path(session, vm.moref)
                    if disk.datastore != "a":  # without the datastore nobody can tell
                        assert datastore.locate(session, again, path).target


@pytest.mark.parametrize("encoding", ["UTF-8", "windows-1252", "UTF-8-SIG"])
def test_a_descriptor_of_another_tool_leads_to_the_bytes(
    session: Session, control: LabControl, vm: VmRecord, snapshot: str, encoding: str
) -> None:
    (disk,) = snapshots.disks(session, snapshot)
    text = [
        "# Disk DescriptorFile",
        f'encoding="{encoding}"',
        'comment="Büro"',
        f'RW {disk.capacity_bytes // 512} VMFS "%extent"',
        "CID=%CID",
        "parentCID=FFFFFFFF",
    ]
    control.set_descriptor(vm.moref, 2000, "\r\n".join(text).encode(encoding))
    try:
        datastore.probe(session, datastore.locate(session, disk, "Lab/DC1"))
        control.set_descriptor(vm.moref, 2000, b"#" * (65 << 10))
        with pytest.raises(DiskNotReadable, match="not a descriptor"):
            datastore.locate(session, disk, "Lab/DC1")
    finally:
        control.set_descriptor(vm.moref, 2000)
