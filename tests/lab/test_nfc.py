"""The simulated hosts are strict: what a real one refuses, they refuse."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import pytest

from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.inventory import read_vms
from contexts.vsphere.nfc import authd, tickets, wire
from contexts.vsphere.nfc.channel import Channel
from contexts.vsphere.nfc.errors import NfcBroken, NfcError, NfcRefused
from contexts.vsphere.nfc.wire import Aio
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from vmrep.lab import Lab


@pytest.fixture
def session(lab: Lab) -> Iterator[Session]:
    trust = Trust("pin", presented_certificate(lab.host, lab.port).fingerprint_sha256)
    with Session(Endpoint(lab.host, lab.port, lab.username, lab.password, trust)) as session:
        yield session


@pytest.fixture
def moref(session: Session) -> str:
    return next(vm.moref for page in read_vms(session) for vm in page.records)


@pytest.fixture
def channel(session: Session, moref: str) -> Iterator[Channel]:
    opened = Channel(authd.connect(tickets.to_read(session, moref), "a test"), "a test")
    yield opened
    opened.abort()


def test_a_ticket_expires(lab: Lab, session: Session, moref: str):
    lab.nfc.tickets.life_seconds = 0.0
    ticket = tickets.to_read(session, moref)
    time.sleep(0.01)
    with pytest.raises(NfcRefused, match="530"):
        authd.connect(ticket, "a test")


def test_a_host_has_only_so_many_sessions(lab: Lab, session: Session, moref: str):
    lab.nfc.sessions_per_host = 1
    first = Channel(authd.connect(tickets.to_read(session, moref), "a test"), "a test")
    with pytest.raises(NfcError):
        Channel(authd.connect(tickets.to_read(session, moref), "a test"), "a test")
    first.close()


@pytest.mark.parametrize(
    ("magic", "kind", "size", "number"),
    [
        (wire.MAGIC ^ 1, Aio.CLOSE_FILE, 8, 3),
        (wire.MAGIC, Aio.CLOSE_FILE, 9, 3),
        (wire.MAGIC, 99, 8, 3),
        (wire.MAGIC, Aio.CLOSE_FILE, 8, 7),
    ],
)
def test_a_message_that_is_not_the_protocol_ends_the_connection(
    channel: Channel, magic: int, kind: int, size: int, number: int
):
    channel._write(wire.HEADER.pack(magic, kind, size, number) + bytes(size))
    with pytest.raises(NfcBroken):
        channel.receive()


def test_a_buffer_that_is_too_large_is_refused(session: Session, moref: str, monkeypatch):
    monkeypatch.setattr(wire, "BUFFER_BYTES", 16 << 20)
    with pytest.raises(NfcError):
        Channel(authd.connect(tickets.to_read(session, moref), "a test"), "a test")


def test_a_read_before_a_file_is_open_is_an_error(channel: Channel):
    channel.send(Aio.IO, wire.read(1, 0, 512))
    with pytest.raises(NfcRefused, match="NFC error 6"):
        channel.receive()


def test_a_file_that_is_not_the_vms_is_not_found(channel: Channel):
    path = b"[datastore1] somebody/else.vmdk"
    channel.send(Aio.OPEN_FILE, wire.open_file(path, writable=False), extra=path)
    with pytest.raises(NfcRefused, match="NFC error 4"):
        channel.receive()


def test_a_session_that_greets_wrongly_is_cut(session: Session, moref: str):
    connection = authd.connect(tickets.to_read(session, moref), "a test")
    connection.sendall(struct.pack("<I", 43).ljust(wire.OLD_BYTES, b"x"))
    assert connection.recv(1) == b""
    connection.close()
