"""Folders in /tmp for programs that serve a disk: a socket, and what says whose they are.

A worker removes its folders itself. What a worker that was killed left is removed by whoever comes
next on the machine, with all processes that still belong to it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from replication.engine.keeper import FOLDER
from replication.engine.processes import identity_of, is_alive
from replication.engine.regular import open_regular

_OWNER = "worker"
_PREFIX = "vmrep-"
_LONGEST_OWNER = 100
_KILL_SECONDS = 10.0


def make() -> Path:
    """A new folder that only this account can enter. It is left as soon as this process ends."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (folder / _OWNER).write_text(" ".join(map(str, identity_of(os.getpid()))))
    return folder


def remove_abandoned() -> int:
    """Remove the folders that killed workers left, and end what still belongs to them. Returns how
    many."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            if _is_left(folder):
                end_all(folder)
                shutil.rmtree(folder)
                removed += 1
    return removed


def end_all(folder: Path) -> None:
    """Kill every process that was started with the folder in its environment (`keeper.FOLDER`),
    and those that these started meanwhile."""
    until = time.monotonic() + _KILL_SECONDS
    while (found := list(_belonging(folder))) and time.monotonic() < until:
        for descriptor in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.close(descriptor)
        time.sleep(0.005)


def _belonging(folder: Path) -> Iterator[int]:
    """Descriptors of those processes: unlike a pid, one stays with its process."""
    wanted = f"{FOLDER}={folder}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):  # it has ended, or is not ours
            descriptor = os.pidfd_open(int(entry.name))
            try:
                belongs = wanted in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                belongs = False
            if belongs:
                yield descriptor
            else:
                os.close(descriptor)


def _is_left(folder: Path) -> bool:
    """Everybody can make such a folder, with a link to anything under the name of a file: so one of
    another account is not looked into, and no more is read than such a file has."""
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        return False
    with open_regular(folder / _OWNER) as file:
        pid, start_time, boot_id = file.read(_LONGEST_OWNER).decode().split()
    return not is_alive(int(pid), int(start_time), boot_id)
