"""What a server may answer for a datastore file, told by a server that says anything."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from contexts.vsphere import datastore
from contexts.vsphere.datastore import DatastoreFile, DatastoreFolder
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.errors import (
    ConnectionLost,
    DatastoreReadFailed,
    DiskNotReadable,
    DiskReplaced,
    PrivilegeMissing,
    VSphereError,
)
from contexts.vsphere.records import DiskRecord
from contexts.vsphere.session import Session

SIZE = 64 << 20
EXTENT = f'RW {SIZE // 512} VMFS "web-flat.vmdk"'
UUID = "6000C29a-0123-4567-89ab-cdef00112233"
DISK = DiskRecord(
    device_key=2000,
    disk_uuid="6000C29a-1",
    label="Hard disk 1",
    capacity_bytes=SIZE,
    vmdk_path="[ds1] web/web.vmdk",
    datastore="ds1",
    provisioning_type="thin",
    disk_mode="persistent",
    sharing=None,
    backing_type="flat",
    controller_type="pvscsi",
    change_id=None,
    has_parent=False,
)

FOLDER = DatastoreFolder("ds1", ("web",), "DC0")


def descriptor(*extents: str, parent: str = "ffffffff") -> bytes:
    lines = ["# Disk DescriptorFile", "version=1", "CID=fffffffe", f"parentCID={parent}"]
    return "\n".join([*lines, 'createType="vmfs"', "", *extents, ""]).encode()


class Server:
    """Answers every GET with `status`, `headers` and `body`; notes what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = descriptor(EXTENT)
        self.cut = False
        self.asked: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers)))
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                self.wfile.write(server.body[: len(server.body) // (2 if server.cut else 1)])

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class Login:
    """The part of a Session that the datastore needs, without TLS and SOAP."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.renewed = 0
        self.endpoint = Endpoint("vc", 443, "vmrep@example.com", "", Trust("verify"))

    def https_connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)

    def cookie_headers(self) -> dict[str, str]:
        return {"Cookie": f'vmware_soap_session="login-{self.renewed}"'}

    def renew(self) -> None:
        self.renewed += 1


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def session(server: Server) -> Session:
    return cast(Session, Login(server.http.server_address[1]))


def locate(session: Session, **change: Any) -> DatastoreFile:
    return datastore.locate(session, replace(DISK, **change), "DC0")


def test_one_flat_extent_of_the_disks_size_is_its_file(session: Session, server: Server) -> None:
    for kind in (EXTENT, EXTENT.replace("VMFS", "FLAT") + " 0"):
        server.body = descriptor(kind)
        assert locate(session) == DatastoreFile(
            "/folder/web/web-flat.vmdk?dcPath=DC0&dsName=ds1", SIZE, FOLDER
        )
    ((path, headers), _) = server.asked
    assert path == "/folder/web/web.vmdk?dcPath=DC0&dsName=ds1"
    assert headers["Cookie"] == 'vmware_soap_session="login-0"'


@pytest.mark.parametrize(
    ("known", "written"),
    [
        (UUID, "60 00 C2 9a 01 23 45 67-89 ab cd ef 00 11 22 33"),
        (UUID, "60 00 c2 9A 01 23 45 67-89 AB cd ef 00 11 22 33"),
        (UUID, UUID),
        (UUID, ""),
        (UUID, None),
        (None, "60 00 C2 9a 01 23 45 67-89 ab cd ef 00 11 22 33"),
    ],
)
def test_a_descriptor_bears_the_disks_uuid_or_none(
    session: Session, server: Server, known: str | None, written: str | None
) -> None:
    line = "" if written is None else f'ddb.uuid = "{written}"'
    server.body = descriptor(EXTENT, "# The Disk Data Base", line)
    assert locate(session, disk_uuid=known).size_bytes == SIZE


def test_another_disks_descriptor_is_not_read_and_looked_for_again(
    session: Session, server: Server
) -> None:
    other = "60 00 C2 9a 01 23 45 67-89 ab cd ef 00 11 22 34"
    server.body = descriptor(EXTENT, f'ddb.uuid = "{other}"')
    with pytest.raises(DiskReplaced, match="another disk") as caught:
        locate(session, disk_uuid=UUID)
    assert caught.value.transient
    assert "Hard disk 1" in str(caught.value)
    assert other in str(caught.value)
    assert UUID in str(caught.value)


def test_every_part_of_the_url_is_encoded(session: Session, server: Server) -> None:
    hostile = 'a%2fb?c&d=e#f "ü\n'
    server.body = descriptor(EXTENT.replace("web-flat", hostile.strip()))
    disk = replace(DISK, vmdk_path=f"[d s&1] {hostile}/{hostile}.vmdk")
    file = datastore.locate(session, disk, "EU%2fWest/DC 0")
    for target in (server.asked[0][0], file.target):
        url = urlsplit(target)
        assert "\n" not in target
        assert " " not in target
        assert not url.fragment
        folder, slash, _ = unquote(url.path).removeprefix("/folder/").rpartition("/")
        assert (folder, slash) == (hostile, "/")
        assert parse_qs(url.query) == {"dcPath": ["EU%2fWest/DC 0"], "dsName": ["d s&1"]}


def test_without_a_known_datacenter_none_is_sent(session: Session, server: Server) -> None:
    assert datastore.locate(session, DISK, None).target == "/folder/web/web-flat.vmdk?dsName=ds1"


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "web.vmdk",
        "[] web.vmdk",
        "[ds1]",
        "[ds1] ../x.vmdk",
        "[ds1] a//b.vmdk",
        "[ds1] /b",
    ],
)
def test_a_file_name_that_is_none_is_not_asked_for(
    session: Session, server: Server, path: str | None
) -> None:
    with pytest.raises(DiskNotReadable):
        locate(session, vmdk_path=path)
    assert server.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"KDMV\x01\x00\x00\x00\xff\xfe",
        b"<html>a login page</html>",
        descriptor(),
        descriptor(EXTENT, EXTENT),
        descriptor(EXTENT.replace("VMFS", "SESPARSE")),
        descriptor(EXTENT.replace("VMFS", "VMFSSPARSE")),
        descriptor(EXTENT.replace("VMFS", "VMFSRDM")),
        descriptor("RW 131072 ZERO"),
        descriptor(EXTENT, parent="6b1f8f0e"),
        descriptor(EXTENT.replace("web-flat", "../other/web-flat")),
        descriptor(EXTENT.replace("web-flat.vmdk", "/vmfs/volumes/x/web-flat.vmdk")),
        descriptor(EXTENT.replace("web-flat.vmdk", "..")),
        descriptor(EXTENT.replace("VMFS", "FLAT") + " 2048"),
        descriptor(f'RW {SIZE // 512 - 1} VMFS "web-flat.vmdk"'),
        descriptor(EXTENT) + b"#" * (65 << 10),
    ],
    ids=lambda body: repr(body[-40:]),
)
def test_any_other_descriptor_is_refused(session: Session, server: Server, body: bytes) -> None:
    server.body = body
    with pytest.raises(DiskNotReadable) as refused:
        locate(session)
    assert "Hard disk 1" in str(refused.value)


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (403, PrivilegeMissing, False),
        (500, DatastoreReadFailed, False),
        (503, DatastoreReadFailed, True),
        (206, DatastoreReadFailed, False),
    ],
)
def test_an_answer_other_than_the_file_is_reported(
    session: Session, server: Server, status: int, kind: type[VSphereError], transient: bool
) -> None:
    server.status = status
    with pytest.raises(kind) as told:
        locate(session)
    assert told.value.transient is transient
    assert f"HTTP {status}" in str(told.value)
    assert len(server.asked) == 1


def test_a_redirect_is_not_followed(session: Session, server: Server) -> None:
    server.status, server.headers = 302, {"Location": f"http://127.0.0.1:{session.port}/evil"}
    with pytest.raises(DatastoreReadFailed, match="redirect"):
        locate(session)
    assert [path for path, _ in server.asked] == ["/folder/web/web.vmdk?dcPath=DC0&dsName=ds1"]


def test_an_expired_login_is_renewed_once(session: Session, server: Server) -> None:
    server.status = 401
    with pytest.raises(PrivilegeMissing, match=r"vmrep@example\.com is logged in"):
        locate(session)
    assert [headers["Cookie"] for _, headers in server.asked] == [
        'vmware_soap_session="login-0"',
        'vmware_soap_session="login-1"',
    ]


def test_an_answer_that_is_cut_off_is_not_taken_for_a_descriptor(
    session: Session, server: Server
) -> None:
    server.cut = True
    with pytest.raises(ConnectionLost):
        locate(session)


FILE = DatastoreFile("/folder/web/web-flat.vmdk?dcPath=DC0&dsName=ds1", SIZE, FOLDER)


def test_a_probe_reads_one_sector(session: Session, server: Server) -> None:
    server.status, server.body = 206, bytes(512)
    server.headers = {"Content-Range": f"bytes 0-511/{SIZE}"}
    datastore.probe(session, FILE)
    assert server.asked[0][1]["Range"] == "bytes=0-511"


@pytest.mark.parametrize(
    ("status", "total", "length"),
    [(206, SIZE - 512, 512), (206, SIZE, 100), (206, "*", 512), (200, SIZE, 512), (500, SIZE, 0)],
)
def test_a_probe_fails_when_the_bytes_are_not_the_disks(
    session: Session, server: Server, status: int, total: object, length: int
) -> None:
    server.status, server.body = status, bytes(length)
    server.headers = {"Content-Range": f"bytes 0-511/{total}"}
    with pytest.raises(DatastoreReadFailed):
        datastore.probe(session, FILE)
