"""What the tests of NFC do with a disk."""

from __future__ import annotations

from contexts.vsphere.inventory import VmRecord
from contexts.vsphere.nfc import tickets
from contexts.vsphere.nfc.disk import NfcDisk
from contexts.vsphere.nfc.renewing import RenewingDisk
from contexts.vsphere.nfc.tickets import Ticket
from contexts.vsphere.records import DiskRecord
from contexts.vsphere.session import Session
from vmrep.lab import LabControl

MIB = 1 << 20
MOMENTARILY = (0.0, 0.0, 0.0)


def opened(ticket: Ticket, disk: DiskRecord, **more: bool) -> NfcDisk:
    assert disk.vmdk_path is not None
    return NfcDisk(ticket, disk.vmdk_path, disk.capacity_bytes, "small1", **more)


def renewing(session: Session, vm: VmRecord, disk: DiskRecord) -> RenewingDisk:
    made = RenewingDisk(
        lambda: opened(tickets.to_read(session, vm.moref), disk), retry_delays_seconds=MOMENTARILY
    )
    made.acquire()
    return made


def content(control: LabControl, disk: DiskRecord, offset: int, length: int) -> bytes:
    return bytes(control.read("small1", disk.device_key, offset, length))


def read(disk: NfcDisk | RenewingDisk, offset: int, length: int) -> bytes:
    found = bytearray(length)
    assert disk.read_into(offset, memoryview(found)) in (True, None)
    return bytes(found)
