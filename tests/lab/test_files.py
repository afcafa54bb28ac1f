"""Datastore files over HTTPS."""

from __future__ import annotations

import base64
import time

import pytest

from tests.lab.client import DC, DS, MIB, Client, disk
from tests.labs import PASSWORD
from vmrep.lab import LabControl

FLAT = "small1/small1-flat.vmdk"


@pytest.fixture(autouse=True)
def datastore_on_nfs(lab_control: LabControl) -> None:
    """Where files of running VMs can be read at all."""
    lab_control.set_datastore(DS, kind="nfs")


def test_a_flat_file_is_the_disk(client: Client, lab_control: LabControl) -> None:
    content = lab_control.live_content("small1", 2000).read_bytes()
    answer, body = client.get(FLAT)
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(64 * MIB)
    assert body == content
    answer, body = client.get(FLAT, method="HEAD")
    assert (answer.status, body) == (200, b"")
    assert answer.headers["Content-Length"] == str(64 * MIB)


@pytest.mark.parametrize(
    ("sent", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1048000-3145728", 1048000, 3145729),
        ("bytes=67108860-", 67108860, 64 * MIB),
        ("bytes=67108860-99999999999", 67108860, 64 * MIB),
        ("bytes=-5", 64 * MIB - 5, 64 * MIB),
    ],
)
def test_ranges_are_exact(
    client: Client, lab_control: LabControl, sent: str, first: int, end: int
) -> None:
    answer, body = client.get(FLAT, headers={"Range": sent})
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{64 * MIB}"
    assert body == lab_control.read("small1", 2000, first, end - first)


def test_a_range_outside_the_file_is_refused(client: Client) -> None:
    for sent in (f"bytes={64 * MIB}-", "bytes=5-4", "bytes=-0"):
        answer, body = client.get(FLAT, headers={"Range": sent})
        assert (answer.status, body) == (416, b"")
        assert answer.headers["Content-Range"] == f"bytes */{64 * MIB}"


def test_it_needs_a_session_or_a_password(client: Client) -> None:
    assert client.get(FLAT, cookie=False, method="HEAD")[0].status == 401
    for password, status in [(PASSWORD, 200), ("wrong", 401)]:
        pair = base64.b64encode(f"{client.lab.username}:{password}".encode()).decode()
        sent = {"Authorization": f"Basic {pair}"}
        assert client.get(FLAT, cookie=False, method="HEAD", headers=sent)[0].status == status
    client.content.sessionManager.Logout()
    assert client.get(FLAT, method="HEAD")[0].status == 401


@pytest.mark.parametrize(
    ("path", "dc", "ds"),
    [
        (FLAT, "DC1", DS),
        (FLAT, "", DS),
        (FLAT, DC, "datastore2"),
        (FLAT, DC, "nowhere"),
        ("small1/other.vmdk", DC, DS),
        ("../../state.db", DC, DS),
        ("small1/../../../lab.lock", DC, DS),
        ("/etc/passwd", DC, DS),
    ],
)
def test_what_is_not_there_is_not_found(client: Client, path: str, dc: str, ds: str) -> None:
    assert client.get(path, dc=dc, ds=ds)[0].status == 404


def test_descriptors_name_their_extents_and_parents(client: Client) -> None:
    vm = client.vm("small1")
    client.snapshot(vm)
    base = client.get("small1/small1.vmdk")[1].decode()
    assert 'createType="vmfs"' in base
    assert f'RW {64 * MIB // 512} VMFS "small1-flat.vmdk"' in base
    assert "parentCID=ffffffff" in base
    delta = client.get("small1/small1-000001.vmdk")[1].decode()
    assert 'createType="seSparse"' in delta
    assert 'parentFileNameHint="small1.vmdk"' in delta
    assert f'RW {64 * MIB // 512} SESPARSE "small1-000001-sesparse.vmdk"' in delta
    assert client.get("small1/small1-000001-sesparse.vmdk")[0].status == 500
    answer, text = client.get("small1/small1.vmdk", headers={"Range": "bytes=2-5"})
    assert (answer.status, text.decode()) == (206, base[2:6])


RUNNING, OFF = ("small1/small1-flat.vmdk", DS), ("small2/small2-flat.vmdk", DS)


@pytest.mark.parametrize(
    ("kind", "shown", "running", "under_a_snapshot", "powered_off"),
    [
        ("vmfs", "VMFS", 500, 500, 200),
        ("vmfs_lenient", "VMFS", 500, 200, 200),
        ("nfs", "NFS", 200, 200, 200),
        ("vsan", "vsan", 404, 404, 404),
        ("vvol", "VVOL", 404, 404, 404),
    ],
)
def test_each_type_of_datastore_refuses_what_it_does_outside(
    client: Client,
    lab_control: LabControl,
    kind: str,
    shown: str,
    running: int,
    under_a_snapshot: int,
    powered_off: int,
) -> None:
    lab_control.set_datastore(DS, kind=kind)
    vm = client.vm("small1")
    assert [d.summary.type for d in vm.datastore] == [shown]

    def status(path: str, ds: str) -> int:
        return client.get(path, ds=ds, method="HEAD")[0].status

    assert (status(*RUNNING), status(*OFF)) == (running, powered_off)
    client.snapshot(vm)
    assert status(*RUNNING) == under_a_snapshot
    # Descriptors are read wherever there are files of a VM's own.
    answer, text = client.get("small1/small1.vmdk")
    assert answer.status == 200
    assert (b"-flat.vmdk" in text) is (shown not in ("vsan", "VVOL"))


def test_objects_take_the_place_of_files_on_vsan(client: Client, lab_control: LabControl) -> None:
    lab_control.set_datastore(DS, kind="vsan")
    snapshot = client.snapshot(client.vm("small1"))
    frozen, current = disk(snapshot, 2000).backing, disk(client.vm("small1"), 2000).backing
    base, delta = (client.get(f"small1/small1{n}.vmdk")[1].decode() for n in ("", "-000001"))
    assert f'VMFS "vsan://{frozen.backingObjectId}"' in base
    assert f'VSANSPARSE "vsan://{current.backingObjectId}"' in delta
    assert current.parent.backingObjectId == frozen.backingObjectId != current.backingObjectId
    assert current.deltaDiskFormat == "vsanSparseFormat"
    assert client.get("small1/small1-000001-sesparse.vmdk")[0].status == 404


def test_a_host_may_not_know_ranges_and_may_be_slow(
    client: Client, lab_control: LabControl
) -> None:
    content = lab_control.live_content("small1", 2000).read_bytes()
    lab_control.set_folder(ranges=False)
    answer, body = client.get(FLAT, headers={"Range": "bytes=512-1023"})
    assert answer.status == 200
    assert answer.headers["Accept-Ranges"] is None
    assert body == content
    lab_control.set_folder(bytes_per_second=4 * MIB)
    began = time.monotonic()
    answer, body = client.get(FLAT, headers={"Range": f"bytes=0-{2 * MIB - 1}"})
    assert (answer.status, body) == (206, content[: 2 * MIB])
    assert time.monotonic() - began >= 0.4
