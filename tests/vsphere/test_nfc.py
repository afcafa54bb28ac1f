"""Reading and writing disks over NFC, against the lab's hosts: bytes compared, lies refused."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from contexts.vsphere.errors import PrivilegeMissing
from contexts.vsphere.nfc import authd, channel, tickets
from contexts.vsphere.nfc import disk as nfc_disk
from contexts.vsphere.nfc.disk import NfcDisk
from contexts.vsphere.nfc.errors import NfcBroken, NfcRefused
from contexts.vsphere.nfc.renewing import RenewingDisk
from contexts.vsphere.nfc.tickets import Ticket
from tests.vsphere.nfc_disks import MIB, MOMENTARILY, content, opened, read, renewing
from vmrep.lab import Lab


def test_the_bytes_are_those_of_the_snapshot_whatever_the_guest_writes_meanwhile(
    control, ticket, snapshot_disk
):
    frozen = content(control, snapshot_disk, 0, 16 * MIB)
    control.write("small1", snapshot_disk.device_key, 5 * MIB, b"later" * 1000)
    with opened(ticket, snapshot_disk) as disk:
        # More than a buffer in one request: pieces come in any order.
        assert read(disk, 0, 16 * MIB) == frozen


def test_many_threads_read_over_one_connection(control, ticket, snapshot_disk):
    whole = content(control, snapshot_disk, 0, 32 * MIB)
    wrong: list[int] = []

    def work(first: int) -> None:
        for place in range(first, 32, 4):
            if read(disk, place * MIB, MIB) != whole[place * MIB : (place + 1) * MIB]:
                wrong.append(place)

    with opened(ticket, snapshot_disk) as disk:
        threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert wrong == []


@pytest.mark.parametrize("requests", [2_000, pytest.param(40_000, marks=pytest.mark.slow)])
def test_threads_that_read_at_once_break_no_connection(session, vm, snapshot_disk, requests):
    """OpenSSL's sessions are not for two threads at once: seen to end after some thousand reads."""
    connected: list[NfcDisk] = []

    def connect() -> NfcDisk:
        connected.append(opened(tickets.to_read(session, vm.moref), snapshot_disk))
        return connected[-1]

    disk = RenewingDisk(connect, retry_delays_seconds=MOMENTARILY)
    disk.acquire()

    def work() -> None:
        view = memoryview(bytearray(64 << 10))
        for place in range(requests // 4):
            disk.read_into(place % 512 * (64 << 10), view)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    disk.release()
    assert len(connected) == 1


class SlowToWake(threading.Condition):
    """Whoever waits comes some time after it was told to."""

    def _acquire_restore(self, state: object) -> None:
        time.sleep(0.005)
        self.acquire()


def test_a_thread_that_wakes_late_leaves_no_other_waiting(ticket, snapshot_disk, monkeypatch):
    """What a thread receives for others was once handed on to one that was done: all waited."""
    made = nfc_disk._Reading.__init__

    def made_slow(self, requests: int, lock: threading.Lock) -> None:
        made(self, requests, lock)
        self.changed = SlowToWake(lock)

    monkeypatch.setattr(nfc_disk._Reading, "__init__", made_slow)

    together = threading.Barrier(8)

    def work() -> None:
        view = memoryview(bytearray(64 << 10))
        for _ in range(20):
            together.wait(30)  # nobody reads anew, and so receives, before all have got theirs
            disk.read_into(0, view)

    with opened(ticket, snapshot_disk) as disk:
        threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
        waiting = sum(each.is_alive() for each in threads)
        disk.abort()
    assert not waiting


def test_small_messages_are_sent_without_waiting_for_an_acknowledgement(ticket):
    """Each waited 40 ms for it: opening and closing a disk took 0.12 s longer."""
    connection = authd.connect(ticket, "small1")
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    connection.close()


def test_a_ticket_is_good_once(ticket, snapshot_disk):
    opened(ticket, snapshot_disk).close()
    with pytest.raises(NfcRefused, match="does not accept the ticket"):
        opened(ticket, snapshot_disk)


def test_a_host_with_another_certificate_gets_no_ticket(
    lab: Lab, session, vm, snapshot_disk, monkeypatch
):
    monkeypatch.setattr(lab.nfc, "stated_thumbprint", lambda moid: ":".join(["AB"] * 20))
    ticket = tickets.to_read(session, vm.moref)
    with pytest.raises(NfcRefused, match=r"another server answers.* Nothing was sent"):
        opened(ticket, snapshot_disk)
    # It was not used up: the host never saw it.
    assert lab.nfc.tickets.use(ticket.session_id, next(iter(lab.nfc.tickets._out.values())).host)


def test_a_ticket_needs_its_privilege(control, session, vm):
    control.deny_privilege("VirtualMachine.Provisioning.DiskRandomRead")
    with pytest.raises(PrivilegeMissing, match="DiskRandomRead"):
        tickets.to_read(session, vm.moref)


def test_the_disk_that_a_running_vm_writes_to_is_refused(session, vm, ticket):
    current = vm.disks[0]
    with pytest.raises(NfcRefused, match="refuses"):
        opened(ticket, current)


def test_another_size_than_planned_is_refused(ticket, snapshot_disk):
    assert snapshot_disk.vmdk_path is not None
    with pytest.raises(NfcRefused, match="resized"):
        NfcDisk(ticket, snapshot_disk.vmdk_path, snapshot_disk.capacity_bytes + 512, "small1")


def test_what_is_allocated_is_said_in_chunks(control, ticket, snapshot_disk):
    chunks = snapshot_disk.capacity_bytes // MIB
    with opened(ticket, snapshot_disk) as disk:
        bitmap = disk.allocated(MIB, 0, chunks)
        for chunk in range(chunks):
            if not bitmap[chunk // 8] >> chunk % 8 & 1:
                assert not any(content(control, snapshot_disk, chunk * MIB, MIB))
        assert any(bitmap)


def test_the_descriptor_tells_the_disk(ticket, snapshot_disk):
    with opened(ticket, snapshot_disk) as disk:
        assert disk.descriptor_key("uuid") == snapshot_disk.disk_uuid
        assert disk.descriptor_key("nonsense") is None


def test_a_disk_of_a_vm_that_is_off_can_be_written(control, session, vms):
    vm = vms["small2"]
    disk = vm.disks[0]
    written = memoryview(bytes(range(256)) * 20480)  # 5 MiB: three pieces
    ticket = tickets.to_write(session, vm.moref, disk.device_key)
    with opened(ticket, disk, writable=True) as target:
        target.write(3 * MIB, written)
    assert control.read("small2", disk.device_key, 3 * MIB, len(written)) == written


def test_a_ticket_to_read_does_not_write(session, vms):
    vm = vms["small2"]
    with pytest.raises(NfcRefused):
        opened(tickets.to_read(session, vm.moref), vm.disks[0], writable=True)


def test_an_aborted_disk_lets_no_reader_wait_and_connects_no_more(
    control, session, vm, snapshot_disk, monkeypatch
):
    disk = renewing(session, vm, snapshot_disk)
    read(disk, 0, MIB)
    waiting, failures = threading.Event(), []
    receive_into = channel.Channel.receive_into

    def never_comes(self, view, deadline=None):
        waiting.set()
        receive_into(self, memoryview(bytearray(16 * MIB)), deadline)

    def read_on() -> None:
        try:
            read(disk, 0, MIB)
        except NfcBroken as problem:
            failures.append(problem)

    monkeypatch.setattr(channel.Channel, "receive_into", never_comes)
    reading = threading.Thread(target=read_on, daemon=True)
    reading.start()
    assert waiting.wait(30)
    disk.abort()
    reading.join(30)
    assert not reading.is_alive()
    assert "stopped" in str(failures[0])
    monkeypatch.undo()
    with pytest.raises(NfcBroken, match="stopped"):
        read(disk, 0, MIB)
    disk.release()


def test_a_disk_is_closed_in_the_protocols_way(lab: Lab, session, vm, snapshot_disk):
    """The host frees the session's memory at once, instead of when it notices."""
    servers = lab.nfc._servers.values()
    wait_until(lambda: not any(server.sessions for server in servers))
    before = [server.left_open for server in servers]
    disk = renewing(session, vm, snapshot_disk)
    read(disk, 0, 4 * MIB)
    disk.release()
    wait_until(lambda: not any(server.sessions for server in servers))
    assert [server.left_open for server in servers] == before


def test_the_service_is_found_where_the_server_says(lab: Lab, session, vm, monkeypatch):
    """Its usual reference is no promise."""
    world = lab.nfc.server(next(iter(lab.nfc._servers)))._world
    moved = replace(world.product, nfc_service="nfcService-7")
    monkeypatch.setattr(type(world), "product", moved)
    monkeypatch.setitem(world.objects, "nfcService-7", world.objects["nfcService"])
    monkeypatch.delitem(world.objects, "nfcService")
    assert tickets.to_read(session, vm.moref).service == "vpxa-nfc"


def test_without_the_service_what_to_choose_instead_is_reported(lab: Lab, session, vm, monkeypatch):
    world = lab.nfc.server(next(iter(lab.nfc._servers)))._world
    monkeypatch.delitem(world.objects, "nfcService")
    with pytest.raises(NfcRefused, match="has no NFC service"):
        tickets.to_read(session, vm.moref)


def test_another_library_version_is_named_with_whatever_goes_wrong(
    control, ticket, snapshot_disk, monkeypatch
):
    monkeypatch.setattr("vmrep.lab.nfc.session.LIBRARY_VERSION", 12)
    control.fail("NFC open", fault="error")
    with pytest.raises(NfcRefused, match=r"library has version 12; vmrep knows 11\): the host"):
        opened(ticket, snapshot_disk)


def test_tickets_are_asked_for_by_several_threads_at_once(session, vm, snapshot_disk):
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            with opened(tickets.to_read(session, vm.moref), snapshot_disk) as disk:
                read(disk, 0, MIB)
        except BaseException as problem:  # noqa: BLE001  told below
            wrong.append(problem)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_ipv6_host_is_named_in_brackets_and_its_port_is_to_be_opened():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
    ticket = Ticket("::1", port, ":".join(["AB"] * 20), "vpxa-nfc", "secret")
    with pytest.raises(NfcBroken, match=rf"vm1: \[::1\]:{port} cannot be reached") as problem:
        authd.connect(ticket, "vm1")
    assert f"Open TCP {port} from this machine to the ESXi hosts" in str(problem.value)


def test_a_hosts_name_that_is_unknown_here_is_reported():
    ticket = Ticket("esx-01.invalid", 902, ":".join(["AB"] * 20), "vpxa-nfc", "secret")
    with pytest.raises(NfcRefused, match=r"esx-01\.invalid:902: .*name.*DNS"):
        authd.connect(ticket, "vm1")


@pytest.mark.parametrize(
    ("greeting", "passes"),
    [
        ("421 VMware Authentication Daemon: too many connections", True),
        ("503 Service unavailable", True),
        ("501 Malformed command or argument.", False),
        ("SSH-2.0-OpenSSH_9.2", False),
        ("2200 of another protocol", False),
    ],
)
def test_a_daemon_that_cannot_now_is_tried_again_and_another_service_is_not(greeting, passes):
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter = threading.Thread(
            target=lambda: server.accept()[0].sendall(f"{greeting}\r\n".encode())
        )
        greeter.start()
        ticket = Ticket("127.0.0.1", server.getsockname()[1], "AA", "vpxa-nfc", "secret")
        with pytest.raises(NfcRefused) as caught:
            authd.connect(ticket, "vm1")
        greeter.join()
    assert caught.value.transient is passes
    assert greeting in str(caught.value)


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
