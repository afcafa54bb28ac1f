"""One file of a disk's chain: sparse data, and a journal of which ranges were written and when.

The journal serves two purposes: for a delta layer it is the map of what the layer holds, and for
every layer it is change tracking. A record is appended *before* the data is written, so a lab
that is killed in between may claim a change that did not happen, but never misses one that did.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from vmrep.lab.disks import sparse
from vmrep.lab.disks.extents import ExtentSet, Range, union

_RECORD = struct.Struct("<QQQ")  # era, start, end


class Layer:
    """A layer's data file and journal; the caller serialises access (see `disks.Disk`)."""

    def __init__(self, data: Path, journal: Path) -> None:
        self.data = data
        self.journal = journal
        self.eras: dict[int, ExtentSet] = {}
        self.held = ExtentSet()
        self._load()

    @classmethod
    def create(cls, data: Path, journal: Path, size_bytes: int) -> Layer:
        """A new, empty layer; leftovers of a killed lab under the same names are replaced."""
        data.parent.mkdir(parents=True, exist_ok=True)
        with data.open("wb") as file:
            os.ftruncate(file.fileno(), size_bytes)
        journal.unlink(missing_ok=True)
        return cls(data, journal)

    def _load(self) -> None:
        if not self.journal.exists():
            return
        with self.journal.open("r+b") as file:
            content = file.read()
            # a torn last record belongs to data that was never written
            whole = len(content) // _RECORD.size * _RECORD.size
            file.truncate(whole)
        for era, start, end in _RECORD.iter_unpack(content[:whole]):
            self._remember(era, start, end)
        needed = sum(len(ranges) for ranges in self.eras.values())
        if whole // _RECORD.size > 2 * needed:
            self._compact()

    def _compact(self) -> None:
        """Rewrite the journal with merged ranges; the old one stays until that is done."""
        compact = self.journal.with_suffix(".new")
        with compact.open("wb") as file:
            for era, ranges in self.eras.items():
                file.writelines(_RECORD.pack(era, start, end) for start, end in ranges)
        compact.replace(self.journal)

    def _remember(self, era: int, start: int, end: int) -> None:
        self.eras.setdefault(era, ExtentSet()).add(start, end)
        self.held.add(start, end)

    def write(self, era: int, offset: int, data: bytes | memoryview) -> None:
        """Record the range under the era, then write the data."""
        end = offset + len(data)
        known = self.eras.get(era)
        if known is None or not known.covers(offset, end):
            with self.journal.open("ab", buffering=0) as file:
                file.write(_RECORD.pack(era, offset, end))
            self._remember(era, offset, end)
        with self.data.open("r+b", buffering=0) as file:
            view = memoryview(data)
            while view:
                done = os.pwrite(file.fileno(), view, end - len(view))
                view = view[done:]

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill the buffer from the file as it is, whether the layer holds the range or not."""
        with self.data.open("rb", buffering=0) as file:
            while buffer:
                done = os.preadv(file.fileno(), [buffer], offset)
                if done == 0:
                    raise EOFError(f"{self.data} is shorter than its disk")
                buffer, offset = buffer[done:], offset + done

    def allocated(self) -> Iterator[Range]:
        """The ranges of the file that hold data."""
        with self.data.open("rb") as file:
            yield from sparse.data_ranges(file.fileno())

    def changed_after(self, era: int) -> list[Range]:
        """What was written in later eras."""
        return union(r for e, ranges in self.eras.items() if e > era for r in ranges)

    def copy_held_to(self, target: Path) -> None:
        """Copy what this layer holds over another file."""
        with self.data.open("rb") as reading, target.open("r+b") as writing:
            for start, end in self.held:
                sparse.copy_range(reading.fileno(), writing.fileno(), start, end)

    def absorb(self, child: Layer) -> None:
        """Merge a child layer into this one.

        Safe to repeat after a crash: while the child is still there, reads through it find its
        own data in front of whatever part was copied."""
        with self.journal.open("ab", buffering=0) as file:
            for era, ranges in child.eras.items():
                file.write(b"".join(_RECORD.pack(era, start, end) for start, end in ranges))
                for start, end in ranges:
                    self._remember(era, start, end)
        child.copy_held_to(self.data)

    def resize(self, size_bytes: int) -> None:
        """Grow the file; the new part is a hole."""
        os.truncate(self.data, size_bytes)

    def unlink(self) -> None:
        """Remove the files."""
        self.data.unlink(missing_ok=True)
        self.journal.unlink(missing_ok=True)
