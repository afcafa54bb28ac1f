"""The proof: compares an image, byte by byte, with the raw content that it must equal."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from replication.engine.extents import REQUEST_BYTES, Extent, requests
from replication.engine.target import ReadableImage, ReadConnection

_ZERO = bytes(REQUEST_BYTES)


def compare_image_with_raw(
    image: ReadableImage, raw: Path, progress: Callable[[int], None] | None = None
) -> int | None:
    """The first offset at which the image and the raw file differ; None when they are equal.

    If the sizes differ, that is where the shorter one ends. A range is skipped only when both sides
    say that it is zero: the image knows it, and the file has a hole there. ``progress`` is called
    with the offset up to which both are known to be equal. Needs a few MiB of memory. OSError when
    the file cannot be read, TargetError when the image cannot.
    """
    with raw.open("rb", buffering=0) as file, closing(image.connect()) as connection:
        raw_bytes, image_bytes = os.fstat(file.fileno()).st_size, connection.size_bytes
        common = min(raw_bytes, image_bytes)
        for part, zero in _parts(connection, file, common):
            difference = _difference(connection, file, part, zero)
            if difference is not None:
                return difference
            if progress is not None:
                progress(part.end)
    return None if raw_bytes == image_bytes else common


def _parts(
    connection: ReadConnection, file: IO[bytes], size_bytes: int
) -> Iterator[tuple[Extent, bool]]:
    """What has to be compared, in order, and whether the image says that it is zero there."""
    for offset, length, zero in connection.stretches(0, size_bytes):
        for stretch in [Extent(offset, length)] if not zero else _data(file, offset, length):
            for part in requests([stretch]):
                yield part, zero


def _data(file: IO[bytes], offset: int, length: int) -> Iterator[Extent]:
    """The parts of a range where the file has no hole."""
    end = offset + length
    while offset < end:
        try:
            start = os.lseek(file.fileno(), offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # only a hole is left
        if start >= end:
            return
        offset = min(end, os.lseek(file.fileno(), start, os.SEEK_HOLE))
        yield Extent(start, offset - start)


def _difference(
    connection: ReadConnection, file: IO[bytes], part: Extent, zero: bool
) -> int | None:
    expected = _read(file, part)
    found = _ZERO[: part.length] if zero else connection.pread(part.length, part.offset)
    if found == expected:
        return None
    pairs = enumerate(zip(found, expected, strict=False))
    return part.offset + next((at for at, (one, other) in pairs if one != other), len(expected))


def _read(file: IO[bytes], part: Extent) -> bytes:
    """Exactly that part; if the file shrinks meanwhile, less comes back, which then differs."""
    chunks = b""
    while len(chunks) < part.length:
        chunk = os.pread(file.fileno(), part.length - len(chunks), part.offset + len(chunks))
        if not chunk:
            break
        chunks += chunk
    return chunks
