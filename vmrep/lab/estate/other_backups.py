"""Another backup product at work: a snapshot of one running VM after another, removed again.

Its snapshots come and go while others discover, replicate or take snapshots themselves, and its
tasks stand in the VMs' lists of recent tasks, as on estates where two products share the VMs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from vmrep.lab.soap.sessions import Session
from vmrep.lab.world import snapshots
from vmrep.lab.world.objects import World
from vmrep.lab.world.records import POWERED_ON
from vmrep.lab.world.tasks import Task
from vmrep.lab.world.vm import VirtualMachine

log = logging.getLogger(__name__)

NAME = "BACKUP TEMPORARY SNAPSHOT"
USER = "VSPHERE.LOCAL\\svc-backup"
TASK_SECONDS = 60.0


class OtherBackups:
    """A thread that takes a snapshot at a fixed interval and removes it before the next one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._session = Session(USER)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._next = 0

    def run(self, seconds: float) -> None:
        """Begin, or go on at another interval; 0 ends it."""
        self.stop()
        if seconds:
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(seconds, self._stop), name="lab-backups", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End, when the snapshot under way is removed."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, seconds: float, stop: threading.Event) -> None:
        while not stop.wait(seconds / 2):
            running = [
                vm
                for vm in self._world.of_type(VirtualMachine)
                if vm.record.power_state == POWERED_ON and not vm.record.config.template
            ]
            if running:
                self._next += 1
                self._back_up(running[self._next % len(running)], seconds / 2, stop)

    def _back_up(self, vm: VirtualMachine, seconds: float, stop: threading.Event) -> None:
        request = snapshots.Request(NAME, "Please do not remove")
        taken = self._task(vm, "CreateSnapshot_Task", lambda: snapshots.create(vm, request))
        if taken is None:
            return
        stop.wait(seconds)
        self._task(vm, "RemoveSnapshot_Task", lambda: snapshots.remove(vm, [taken._moId]))

    def _task(self, vm: VirtualMachine, method: str, work: Callable[[], Any]) -> Any:
        """The task's result; None when it failed, as it does on VMs that allow no snapshots."""
        task = self._world.objects[self._world.tasks.start(vm, method, self._session, work)._moId]
        if not isinstance(task, Task):
            raise TypeError(f"{task.moid} is no task")
        with self._world.changed:
            self._world.changed.wait_for(
                lambda: task.info.state in ("success", "error"), TASK_SECONDS
            )
        log.debug("%s on %s: %s", method, vm.moid, task.info.state)
        return task.info.result
