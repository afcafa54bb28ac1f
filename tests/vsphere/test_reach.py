"""Connections lead to no address that is this machine's own, unless it is allowed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from contexts.vsphere import reach
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.errors import AddressNotAllowed
from contexts.vsphere.nfc import authd
from contexts.vsphere.nfc.errors import NfcRefused
from contexts.vsphere.nfc.tickets import Ticket
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate, why_not_trusted


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody's server on this machine. Nothing may reach it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_allowed", ())


def was_reached(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "::ffff:127.0.0.1"),
        *("0.0.0.0", "169.254.169.254", "100.100.100.200", "224.0.0.1", "::1", "fe80::1"),
        "fd00:ec2::254",
    ],
)
def test_no_connection_leads_inside(strict, listener, host):
    port = listener.getsockname()[1]
    endpoint = Endpoint(host, port, "root", "s3cret", Trust("insecure"))
    ticket = Ticket(host, port, "AA:" * 19 + "AA", "nfc", "session")
    with pytest.raises(AddressNotAllowed, match="VMREP_ALLOW_ADDRESSES"):
        presented_certificate(host, port)
    with pytest.raises(AddressNotAllowed):
        why_not_trusted(host, port)
    with pytest.raises(AddressNotAllowed), Session(endpoint):
        pass
    with pytest.raises(NfcRefused, match="VMREP_ALLOW_ADDRESSES"):
        authd.connect(ticket, "a test")
    assert not was_reached(listener)


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    strict, listener, monkeypatch
):
    """A name that leads to an allowed address when it is looked up first, and inside after that."""
    port = listener.getsockname()[1]
    with socket.create_server(("127.0.0.2", port)) as allowed:
        allowed.setblocking(False)
        answers = iter(["127.0.0.2", "127.0.0.1", "127.0.0.1"])

        def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            return [(*kind, (next(answers), port))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        reach.allow(["127.0.0.2"])
        reach.connect("vc.evil.example", port, lambda: 10).close()
        assert was_reached(allowed)
        with pytest.raises(AddressNotAllowed, match=r"leads to 127\.0\.0\.1"):
            reach.connect("vc.evil.example", port, lambda: 10)
    assert not was_reached(listener)


def test_private_networks_are_where_vcenters_are():
    for address in ("10.1.2.3", "192.168.1.1", "172.16.0.1", "fd12::1", "203.0.113.7"):
        assert not reach.leads_inside(address)
    for address in ("64:ff9b::10.1.2.3", "2002:0a01:0203::1", "::10.1.2.3", "2001:db8::7f00:1"):
        assert not reach.leads_inside(address)


@pytest.mark.parametrize(
    "address",
    [
        *("64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe%eth0"),
        *("2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "::169.254.169.254"),
    ],
)
def test_what_a_translator_or_a_tunnel_leads_to_is_what_counts(address):
    assert reach.leads_inside(address)
