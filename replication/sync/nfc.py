"""A disk over NFC as a source of the engine: its readers share one connection to the ESXi host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from contexts.vsphere.errors import VSphereError
from contexts.vsphere.nfc import authd, tickets
from contexts.vsphere.nfc.channel import Channel
from contexts.vsphere.nfc.disk import NfcDisk
from contexts.vsphere.nfc.errors import NfcRefused, OtherCertificate
from contexts.vsphere.nfc.renewing import RenewingDisk
from contexts.vsphere.nfc.tickets import Ticket
from contexts.vsphere.records import DiskRecord, VmRecord
from contexts.vsphere.session import Session
from replication.engine.errors import SourceError
from replication.engine.sources.base import Read, Reader
from replication.services.tallies import Answers
from replication.states import TallyKind

T = TypeVar("T")

THREADS = 8
"""They share one session, so that more of them cost the host nothing. Measured with the host 1 ms
away: 1.35 to 1.4 times the sequential rate of four."""

REQUESTS_TOGETHER = 16
"""So many small extents are asked for in one message, and written together: each alone costs a
change of threads, which takes longer than its bytes."""

PROBE_BYTES = 4096  # whole sectors, of whichever size

Admit = Callable[[str, str], None]
"""Called before each session with a host: its address:port, and its name for people. It raises when
there may be none now."""


def reach(session: Session, vm: VmRecord, admit: Admit) -> None:
    """Take a place on the VM's host, and check that it lets vmrep in: ticket, port, certificate,
    daemon, NFC session. Opens no disk. Raises ResourceFull, VSphereError."""
    _with_ticket(session, vm, admit, lambda ticket: _knock(ticket, vm.name))


def _knock(ticket: Ticket, vm_name: str) -> None:
    Channel(authd.connect(ticket, vm_name), f"{vm_name} over NFC from {ticket.host}").close()


def _with_ticket(session: Session, vm: VmRecord, admit: Admit, use: Callable[[Ticket], T]) -> T:
    """Use a ticket for the host on which the VM runs now, if vmrep may open one more session there.

    A host's certificate may be renewed between its ticket and the connection: then another ticket
    names the new one. If it does not, vSphere does not know that certificate.
    """
    ticket = _ticket(session, vm, admit)
    try:
        return use(ticket)
    except OtherCertificate:
        another = _ticket(session, vm, admit)
        if another.thumbprint_sha1 == ticket.thumbprint_sha1:
            raise
    return use(another)


def _ticket(session: Session, vm: VmRecord, admit: Admit) -> Ticket:
    ticket = tickets.to_read(session, vm.moref, vm.name)
    admit(ticket.address, vm.text("host_name") or "")
    return ticket


class NfcSource:
    """The disk as of a snapshot of the VM. A host has memory for few sessions, so there is one,
    however many readers there are."""

    def __init__(
        self,
        session: Session,
        vm: VmRecord,
        disk: DiskRecord,
        admit: Admit,
        answers: Answers | None = None,
    ) -> None:
        self._session, self._vm, self._record, self._admit = session, vm, disk, admit
        self._answers = answers or Answers()
        self._what = f"{vm.name}, {disk.label or disk.device_key}"
        self._disk = RenewingDisk(self._open)

    def connect(self) -> NfcReader:
        """A reader for the calling thread; the connection is made by the first read."""
        return NfcReader(self._disk, self._answers)

    def probe(self) -> None:
        """Open the disk and read its first sectors, with the retries that every read has: the VM
        may be moved between ticket and connection. Raises ResourceFull, VSphereError."""
        self._disk.acquire()
        try:
            capacity_bytes = self._record.capacity_bytes or 0
            self._disk.read_into(0, memoryview(bytearray(min(PROBE_BYTES, capacity_bytes))))
        finally:
            self._disk.release()

    def abort(self) -> None:
        """End the connection, and with it every read."""
        self._disk.abort()

    def _open(self) -> NfcDisk:
        path, capacity_bytes = self._record.vmdk_path, self._record.capacity_bytes
        if path is None or capacity_bytes is None:
            raise NfcRefused(f"{self._what}: vSphere names no file or no size for this disk.")
        uuid = self._record.disk_uuid
        with self._answers.timed(TallyKind.OPEN):
            return _with_ticket(
                self._session,
                self._vm,
                self._admit,
                lambda ticket: NfcDisk(ticket, path, capacity_bytes, self._what, disk_uuid=uuid),
            )


class NfcReader(Reader):
    """One thread's way to the disk."""

    def __init__(self, disk: RenewingDisk, answers: Answers) -> None:
        self._disk, self._answers = disk, answers
        self._disk.acquire()
        self._closed = False

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill `view`. Raises SourceError."""
        self.read_many([Read(offset, view)])

    def read_many(self, reads: Sequence[Read]) -> None:
        """Fill all views, with one request for each, all in flight at once. Raises SourceError."""
        try:
            with self._answers.timed(TallyKind.READ, sum(len(read.view) for read in reads)):
                self._disk.read_many(reads)
        except VSphereError as problem:
            raise SourceError(str(problem), transient=problem.transient) from problem

    def close(self) -> None:
        """Closing the last reader closes the connection."""
        if not self._closed:
            self._closed = True
            self._disk.release()
