"""A disk over NFC as a source of the engine: its readers share one connection to the ESXi host."""

from __future__ import annotations

from contexts.vsphere.errors import VSphereError
from contexts.vsphere.nfc import tickets
from contexts.vsphere.nfc.disk import NfcDisk
from contexts.vsphere.nfc.errors import NfcRefused
from contexts.vsphere.nfc.renewing import RenewingDisk
from contexts.vsphere.records import DiskRecord
from contexts.vsphere.session import Session
from replication.engine.errors import SourceError


class NfcSource:
    """The disk as of a snapshot of the VM. A host has memory for few sessions, so there is one,
    however many readers there are."""

    def __init__(self, session: Session, vm_name: str, vm_moref: str, disk: DiskRecord) -> None:
        self._session, self._vm_moref, self._record = session, vm_moref, disk
        self._what = f"{vm_name}, {disk.label or disk.device_key}"
        self._disk = RenewingDisk(self._open)

    def connect(self) -> NfcReader:
        """A reader for the calling thread; the connection is made by the first read."""
        return NfcReader(self._disk)

    def abort(self) -> None:
        """End the connection, and with it every read."""
        self._disk.abort()

    def _open(self) -> NfcDisk:
        path, capacity_bytes = self._record.vmdk_path, self._record.capacity_bytes
        if path is None or capacity_bytes is None:
            raise NfcRefused(f"{self._what}: vSphere names no file or no size for this disk.")
        ticket = tickets.to_read(self._session, self._vm_moref)
        return NfcDisk(ticket, path, capacity_bytes, self._what, disk_uuid=self._record.disk_uuid)


class NfcReader:
    """One thread's way to the disk."""

    def __init__(self, disk: RenewingDisk) -> None:
        self._disk = disk
        self._disk.acquire()
        self._closed = False

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill `view`. Raises SourceError."""
        try:
            self._disk.read_into(offset, view)
        except VSphereError as problem:
            raise SourceError(str(problem), transient=problem.transient) from problem

    def close(self) -> None:
        """Closing the last reader closes the connection."""
        if not self._closed:
            self._closed = True
            self._disk.release()
