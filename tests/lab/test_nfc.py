"""The simulated hosts are strict: what a real one refuses, they refuse."""

from __future__ import annotations

import dataclasses
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vmodl

from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.inventory import read_vms
from contexts.vsphere.nfc import authd, tickets, wire
from contexts.vsphere.nfc.channel import Channel
from contexts.vsphere.nfc.errors import NfcBroken, NfcError, NfcRefused
from contexts.vsphere.nfc.wire import Aio
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from tests.lab.client import MIB, Client, disk, raw_call
from tests.labs import LabCache
from vmrep.bench.bare_nfc import BareClient, Door
from vmrep.lab import Lab, LabControl
from vmrep.lab.nfc.tickets import nfc_service_type


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


def door(client: Client, vm: Any, path: str) -> tuple[Any, Door]:
    """A ticket for a VM, and where it leads."""
    reference = "ha-nfc-service" if client.content.about.apiType == "HostAgent" else "nfcService"
    ticket = nfc_service_type()(reference, client.si._stub).NfcGetVmFiles(vm)
    return ticket, Door(ticket.port, ticket.sslThumbprint, ticket.service, ticket.sessionId, path)


@pytest.mark.parametrize("encrypted", [True, False], ids=["TLS", "in the clear"])
def test_a_client_that_is_not_vmreps_reads_the_disk(
    client: Client, lab_control: LabControl, encrypted: bool
):
    vm = client.vm("small2")
    found = bytearray(64 * MIB)
    bare = BareClient(door(client, vm, disk(vm, 2000).backing.fileName)[1], encrypted=encrypted)
    bare.read(0, 64 * MIB, memoryview(found))
    bare.close()
    assert bytes(found) == lab_control.live_content("small2", 2000).read_bytes()


def test_a_lone_host_has_its_own_names_and_no_address_on_its_tickets(
    lab_cache: LabCache, tmp_path: Path
):
    with lab_cache.running("host", tmp_path / "host") as lab:
        client = Client(lab)
        vm = client.vm("lone2")
        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            nfc_service_type()("nfcService", client.si._stub).NfcGetVmFiles(vm)
        ticket, entry = door(client, vm, disk(vm, 2000).backing.fileName)
        assert (ticket.host, ticket.service) == (None, "nfc")
        bare = BareClient(entry)
        assert bare.capacity_bytes == 24 * MIB
        bare.close()
        with pytest.raises(ConnectionError, match="501"):
            BareClient(dataclasses.replace(door(client, vm, entry.path)[1], service="vpxa-nfc"))
        client.close()


def test_the_internal_content_names_the_nfc_service(client: Client):
    answer = raw_call(client, "RetrieveInternalContent", "ServiceInstance", "ServiceInstance")
    assert '<nfcService type="NfcService">nfcService</nfcService>' in answer
    assert answer.count("</") > 5


def test_hosts_are_set_to_refuse(client: Client, lab_control: LabControl):
    vm = client.vm("small2")
    path = disk(vm, 2000).backing.fileName
    host = vm.runtime.host.name
    lab_control.set_nfc(ticket_seconds=0.0)
    with pytest.raises(ConnectionError, match="530"):
        BareClient(door(client, vm, path)[1])
    lab_control.set_nfc(sessions=1)
    first = BareClient(door(client, vm, path)[1])
    with pytest.raises((ValueError, ConnectionError)):
        BareClient(door(client, vm, path)[1])
    assert lab_control.cut_nfc(host) == 1
    with pytest.raises((OSError, ValueError)):
        first.read(0, MIB)
    lab_control.state_thumbprint(host, ":".join(["AB"] * 20))
    with pytest.raises(ConnectionError, match="certificate"):
        BareClient(door(client, vm, path)[1])
    lab_control.state_thumbprint(host)
    lab_control.set_nfc()
    BareClient(door(client, vm, path)[1]).close()
