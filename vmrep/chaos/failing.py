"""Lets file operations of a worker, and of the programs that it starts, fail or kill it.

`failing.c` is preloaded into them: so what fails is what the kernel would have been asked, whoever
asks. Which operation, and what happens then, is in a page of memory that all of them share.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("failing.c")
PAGE = "VMREP_CHAOS_PAGE"
"""The variable by which a process finds the page."""


class Operation(IntEnum):
    """As in failing.c."""

    OPEN = 0
    CREATE = 1
    READ = 2
    WRITE = 3
    SYNC = 4
    RENAME = 5
    UNLINK = 6
    TRUNCATE = 7
    MKDIR = 8
    LOOK = 9


class What(IntEnum):
    """What happens to an operation; "worker" and "program": who is killed or stopped."""

    FAIL = 1
    FAIL_AFTERWARDS = 2  # it is done, but its answer is an error
    KILL = 3
    KILL_AFTERWARDS = 4
    KILL_PROGRAM = 5
    STOP = 6


class Whose(IntFlag):
    """Whose operations are counted."""

    WORKER = 1
    PROGRAMS = 2


ALL = tuple(Operation)
FOREVER = 1 << 40


class FileFault(NamedTuple):
    """What happens to the first of these operations, or to one that comes later."""

    operations: tuple[Operation, ...]
    what: What = What.FAIL
    error: int = errno.EIO
    whose: Whose = Whose.WORKER | Whose.PROGRAMS
    lasts: int = 1
    """How many of them it happens to, from then on."""


def is_possible() -> bool:
    """Whether there is a C compiler."""
    return shutil.which("cc") is not None


def library(folder: Path) -> Path:
    """The compiled library, in that folder."""
    path = folder / "failing.so"
    if not path.exists():
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(path), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
    return path


class Page:
    """The page: in the driver's hands it arms faults, in a worker it says who the worker is."""

    SIZE = 4096
    _ROOT, _AT, _NUMBERS, _COUNTED = 0, 1024, 2048, 2096
    _LAYOUT = struct.Struct(
        "=qqqiiiiii"
    )  # left, lasts, happened, operations, whose, what, error, …

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(self.SIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), self.SIZE)

    def close(self) -> None:
        """No fault is looked at any more by this process."""
        self._memory.close()

    def watch(self, root: Path) -> None:
        """Count what is done below that folder, and to it."""
        name = os.fsencode(root)
        self._memory[self._ROOT : self._AT] = name.ljust(self._AT - self._ROOT, b"\0")

    def arm(self, fault: FileFault | None, number: int = 1) -> None:
        """Let it happen to the operation of that number, from 1 on, and count anew."""
        nothing = FileFault((), What.FAIL, 0)
        operations, what, error, whose, lasts = fault or nothing
        bits = sum(1 << operation for operation in operations)
        worker = self._numbers()[7]
        numbers = number, lasts, 0, bits, whose, what if fault else 0, error, worker, 0
        size = self._LAYOUT.size
        self._memory[self._NUMBERS : self._NUMBERS + size] = self._LAYOUT.pack(*numbers)
        counted = bytes(8 * len(Operation))
        self._memory[self._COUNTED : self._COUNTED + len(counted)] = counted
        self._memory[self._AT : self._NUMBERS] = bytes(self._NUMBERS - self._AT)

    def be_worker(self) -> None:
        """This process is the one that is killed or stopped."""
        at = self._NUMBERS + struct.calcsize("=qqqiiii")
        self._memory[at : at + 4] = struct.pack("=i", os.getpid())

    def note(self) -> None:
        """Something has happened at another place than a file operation."""
        at = self._NUMBERS + struct.calcsize("=qq")
        self._memory[at : at + 8] = struct.pack("=q", self.happened + 1)

    def pass_time(self, seconds: int) -> None:
        """By the worker's own clock; until the next `arm`."""
        at = self._NUMBERS + struct.calcsize("=qqqiiiii")
        self._memory[at : at + 4] = struct.pack("=i", seconds)

    @property
    def passed_seconds(self) -> int:
        return self._numbers()[8]

    @property
    def happened(self) -> int:
        """How many operations the fault has met."""
        return self._numbers()[2]

    @property
    def happened_at(self) -> str:
        """The first one that it met."""
        return self._memory[self._AT : self._NUMBERS].split(b"\0", 1)[0].decode(errors="replace")

    def counted(self, operation: Operation) -> int:
        """How many there were since `arm`."""
        counts = struct.unpack_from(f"={len(Operation)}q", self._memory, self._COUNTED)
        return int(counts[operation])

    def _numbers(self) -> tuple[int, ...]:
        return self._LAYOUT.unpack_from(self._memory, self._NUMBERS)
