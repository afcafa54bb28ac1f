"""Guests that write by themselves: a little now and then on every running VM.

They write only where there is no file system (see `content`), and within a window, so that the
lab's folder does not grow without end and every file system stays intact.
"""

from __future__ import annotations

import logging
import random
import threading

from vmrep.lab.world.objects import World
from vmrep.lab.world.records import POWERED_ON
from vmrep.lab.world.vm import VirtualMachine

log = logging.getLogger(__name__)

WINDOW_BYTES = 32 << 20
BLOCK = 4096
MOST_BLOCKS = 64


class Churn:
    """A thread that writes to one disk of each running VM at a fixed interval."""

    def __init__(self, world: World, seconds: float) -> None:
        self._world = world
        self._seconds = seconds
        self._stop = threading.Event()
        self._random = random.Random()  # noqa: S311 - what is written is of no meaning
        self._thread = threading.Thread(target=self._run, name="lab-churn", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop once the current write is done."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            for vm in self._world.of_type(VirtualMachine):
                if vm.record.power_state == POWERED_ON and vm.record.config.disks:
                    self._write(vm)

    def _write(self, vm: VirtualMachine) -> None:
        device = self._random.choice(vm.record.config.disks)
        disk = vm.disks.get(device.key)
        if disk is None:
            return
        start = disk.chain.churn_start
        room = min(WINDOW_BYTES, disk.chain.capacity_bytes - start) // BLOCK
        length = self._random.randint(1, MOST_BLOCKS)
        if room <= length:
            return
        at = start + self._random.randrange(room - length) * BLOCK
        try:
            disk.write(at, self._random.randbytes(length * BLOCK))
        except (ValueError, KeyError, FileNotFoundError):
            # the VM or its disk was removed in between; a guest that is gone writes nothing
            log.debug("%s: a write came too late", vm.moid)
