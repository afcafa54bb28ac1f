"""Sparse files: where their data is, and copying only that."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from vmrep.lab.disks.extents import Range

COPY_BYTES = 8 << 20


def data_ranges(descriptor: int, start: int = 0, end: int | None = None) -> Iterator[Range]:
    """The ranges of an open file that the file system has allocated (SEEK_DATA / SEEK_HOLE)."""
    size = os.fstat(descriptor).st_size
    end = size if end is None else min(end, size)
    at = start
    while at < end:
        try:
            first = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        if first >= end:
            return
        at = min(os.lseek(descriptor, first, os.SEEK_HOLE), end)
        yield first, at


def copy_range(source: int, target: int, start: int, end: int, shift: int = 0) -> None:
    """Copy bytes between open files inside the kernel, `shift` bytes further on in the target."""
    while start < end:
        done = os.copy_file_range(
            source, target, min(COPY_BYTES, end - start), start, start + shift
        )
        if done == 0:
            raise OSError(errno.EIO, "the source file became shorter while it was copied")
        start += done


def copy_file(source: Path, target: Path, *, shift: int = 0, size_bytes: int | None = None) -> None:
    """Copy a file's data ranges to a new or existing file; its holes are not written.

    `shift` moves them further on in the target, whose size becomes `size_bytes` (default: the
    source's). Elsewhere an existing target keeps its bytes."""
    with source.open("rb") as reading, target.open("r+b" if target.exists() else "wb") as writing:
        size = os.fstat(reading.fileno()).st_size if size_bytes is None else size_bytes
        os.ftruncate(writing.fileno(), size)
        for start, end in data_ranges(reading.fileno()):
            copy_range(reading.fileno(), writing.fileno(), start, end, shift)
