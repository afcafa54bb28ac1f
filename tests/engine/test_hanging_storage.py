"""qemu's programs on storage that hangs: waited for within bounds, and left behind where even
SIGKILL cannot end them."""

from __future__ import annotations

import time

import pytest

from replication.engine import processes, qemu
from replication.engine.errors import TargetError
from tests.mounts import Ext4

LONG = 30.0


def test_a_program_that_storage_holds_in_the_kernel_is_left_behind(
    small_ext4: Ext4, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu, "LONGEST_SECONDS", 0.5)
    monkeypatch.setattr(processes, "KILL_SECONDS", 0.5)
    started: list[processes.Child] = []
    spawn = qemu.spawn
    monkeypatch.setattr(qemu, "spawn", lambda argv: started.append(spawn(argv)) or started[-1])
    with small_ext4.frozen():
        with pytest.raises(TargetError, match=r"qemu-img create did not end within 0\.5 seconds"):
            qemu.create(small_ext4.folder / "disk.qcow2", 1 << 20)
        assert processes.is_alive(*started[0].identity)
    deadline = time.monotonic() + LONG
    while processes.is_alive(*started[0].identity):
        assert time.monotonic() < deadline
        time.sleep(0.01)
