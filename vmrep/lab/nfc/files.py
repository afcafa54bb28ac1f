"""Which file of a VM's chain a path means, and whether it may be opened."""

from __future__ import annotations

from vmrep.lab.disks.disk import Disk
from vmrep.lab.nfc.tickets import Ticket
from vmrep.lab.world.objects import World
from vmrep.lab.world.records import POWERED_ON, LayerRecord
from vmrep.lab.world.vm import VirtualMachine

NOT_FOUND, NOT_A_FILE, LOCKED, READ_ONLY = 4, 5, 9, 0x0B


class Refusal(Exception):
    """The host says no; `code` is the number in its error answer."""

    def __init__(self, code: int) -> None:
        super().__init__(f"NFC error {code}")
        self.code = code


def open_disk(world: World, ticket: Ticket, path: bytes, *, writable: bool) -> tuple[Disk, int]:
    """The disk and the layer that a datastore path means. Raises Refusal."""
    with world.lock:
        vm = world.objects.get(ticket.vm)
        if not isinstance(vm, VirtualMachine) or vm.record.host != ticket.host:
            raise Refusal(NOT_FOUND)  # sessions that have a file open outlive a vMotion
        for disk in vm.disks.values():
            datastore = world.objects[disk.chain.datastore]
            for layer in disk.chain.layers.values():
                if path == f"[{datastore.get('name')}] {layer.descriptor}".encode():
                    _require_allowed(vm, disk, layer, ticket, writable=writable)
                    return disk, layer.number
    raise Refusal(NOT_FOUND)


def _require_allowed(
    vm: VirtualMachine, disk: Disk, layer: LayerRecord, ticket: Ticket, *, writable: bool
) -> None:
    device = vm.record.config.disk(disk.chain.key)
    if device is not None and device.raw == "physical":
        raise Refusal(NOT_A_FILE)
    if ticket.device_key not in (None, disk.chain.key):
        raise Refusal(NOT_FOUND)
    is_current = layer.number == disk.chain.current
    if is_current and vm.record.power_state == POWERED_ON:
        raise Refusal(LOCKED)  # the guest writes into it: only its parent can be read
    if writable and not (ticket.writable and is_current):
        raise Refusal(READ_ONLY)
