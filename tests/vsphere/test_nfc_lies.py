"""Hosts that lie, stall, drip or talk for ever over NFC: nothing false is taken for a disk."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from random import Random

import pytest

from contexts.vsphere.nfc import authd, channel
from contexts.vsphere.nfc.errors import NfcBroken, NfcRefused
from contexts.vsphere.nfc.tickets import Ticket
from tests.vsphere.nfc_disks import MIB, content, opened, read, renewing
from vmrep.lab.nfc.session import NfcSession

LIES = {
    "wrong_magic": "not an NFC message",
    "wrong_number": "without having been asked",
    "wrong_place": "lies at",
    "wrong_offset": "belongs to",
    "long": "lies at",
    "compressed": "compressed",
    "empty": "0 bytes lies at",
    "huge": "not an NFC message",
    "close_notify": "the connection broke",
}


@pytest.mark.parametrize(("fault", "words"), LIES.items())
def test_an_answer_that_lies_is_never_taken_for_data(control, ticket, snapshot_disk, fault, words):
    control.fail("NFC read", fault=fault)
    with opened(ticket, snapshot_disk) as disk:
        assert not disk.read_into(0, memoryview(bytearray(MIB)))
        assert words in str(disk.failure)


@pytest.mark.parametrize(
    "fault",
    [
        *("close", "error", "twice", "short", "wrong_place"),
        *(pytest.param(lie, marks=pytest.mark.slow) for lie in LIES if lie != "wrong_place"),
    ],
)
def test_after_any_fault_a_new_connection_continues_the_reading(
    control, session, vm, snapshot_disk, fault
):
    control.fail("NFC read", nth=2, fault=fault)
    disk = renewing(session, vm, snapshot_disk)
    found = read(disk, 0, 8 * MIB) + read(disk, 8 * MIB, 8 * MIB)
    disk.release()
    assert found == content(control, snapshot_disk, 0, 16 * MIB)


def test_of_requests_made_together_only_those_without_an_answer_are_repeated(
    control, session, vm, snapshot_disk, monkeypatch
):
    asked: list[int] = []
    serve = NfcSession._input_output

    def noted(self, disk, number, payload):
        asked.append(int.from_bytes(payload[16:24], "little"))
        serve(self, disk, number, payload)

    monkeypatch.setattr(NfcSession, "_input_output", noted)
    control.fail("NFC read", nth=3, fault="close")
    disk = renewing(session, vm, snapshot_disk)
    found = {place * MIB: bytearray(64 << 10) for place in range(5)}
    disk.read_many([(offset, memoryview(into)) for offset, into in found.items()])
    disk.release()
    assert asked == [place * MIB for place in (0, 1, 2, 2, 3, 4)]
    for offset, came in found.items():
        assert came == content(control, snapshot_disk, offset, len(came))


def test_a_host_that_stalls_is_given_up(control, ticket, snapshot_disk, monkeypatch):
    monkeypatch.setattr(channel, "PATIENCE_SECONDS", 0.5)
    control.fail("NFC read", fault="stall")
    with opened(ticket, snapshot_disk) as disk:
        assert not disk.read_into(0, memoryview(bytearray(MIB)))
        assert "sent nothing for 0.5 seconds" in str(disk.failure)


def test_a_fault_that_stays_is_raised_in_the_end(control, session, vm, snapshot_disk):
    control.fail("NFC read", fault="close", times=100)
    disk = renewing(session, vm, snapshot_disk)
    with pytest.raises(NfcBroken, match=r"small1 over NFC from 127\.0\.0\.1"):
        read(disk, 0, MIB)
    disk.release()


def dripping(answer: bytes) -> Callable[[socket.socket], None]:
    """A server that sends a byte now and then, for ever."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.sendall(answer)
        with contextlib.suppress(OSError), connection:
            while True:
                connection.sendall(b" ")
                time.sleep(0.02)

    return serve


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"220", "a line that does not end"),
        # The beginning of a TLS record.
        (b"220 VMware Authentication Daemon\r\n\x16\x03\x03\x3f\xff", "was set up"),
    ],
    ids=["greeting", "TLS"],
)
def test_a_daemon_that_drips_is_given_up(monkeypatch, answer, words):
    monkeypatch.setattr(authd, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=dripping(answer), args=(server,), daemon=True).start()
        ticket = Ticket("127.0.0.1", server.getsockname()[1], "AA", "vpxa-nfc", "secret")
        with pytest.raises(NfcBroken, match=words):
            authd.connect(ticket, "vm1")


def test_a_host_that_talks_on_after_the_end_is_left(
    control, session, vm, snapshot_disk, monkeypatch
):
    monkeypatch.setattr(channel, "_CLOSING_SECONDS", 0.2)
    disk = renewing(session, vm, snapshot_disk)
    read(disk, 0, MIB)
    control.fail("NFC close", fault="talk", times=1 << 40)
    closing = threading.Thread(target=disk.release, daemon=True)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
    control.clear_faults()


def test_a_disk_that_is_another_size_at_its_second_opening_is_not_read(
    control, session, vm, snapshot_disk
):
    disk = renewing(session, vm, snapshot_disk)
    read(disk, 0, MIB)
    control.fail("NFC open", fault="resized", times=100)
    control.fail("NFC read", fault="close")
    with pytest.raises(NfcRefused, match="resized") as caught:
        read(disk, 0, MIB)
    assert caught.value.transient
    control.clear_faults()
    assert read(disk, MIB, MIB) == content(control, snapshot_disk, MIB, MIB)
    disk.release()


def test_what_is_not_made_of_the_disks_sectors_is_refused_in_words(control, ticket, snapshot_disk):
    control.fail("NFC open", fault="sectors")
    with opened(ticket, snapshot_disk) as disk:
        assert read(disk, 4096, 8192) == content(control, snapshot_disk, 4096, 8192)
        with pytest.raises(NfcRefused, match=r"1024 bytes at 512 .* sectors of 4096 bytes"):
            read(disk, 512, 1024)
        # That says nothing against the connection.
        assert read(disk, 0, 4096) == content(control, snapshot_disk, 0, 4096)


@pytest.mark.parametrize("seed", range(6))
def test_of_an_answer_that_lied_no_piece_is_believed(
    control, session, vm, snapshot_disk, monkeypatch, seed
):
    """A piece in another's place was kept when the connection broke then: the copy was wrong."""
    monkeypatch.setattr("vmrep.lab.nfc.session.random.Random", lambda name: Random(seed))
    control.fail("NFC read", fault="wrong_place")
    disk = renewing(session, vm, snapshot_disk)
    found = read(disk, 0, 8 * MIB)
    disk.release()
    assert found == content(control, snapshot_disk, 0, 8 * MIB)
