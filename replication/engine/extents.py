"""Extents: ranges of bytes on a disk, and how they are cut into requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from replication.engine.errors import ExtentError

SECTOR_BYTES = 512
REQUEST_BYTES = 2 << 20
"""The largest single request. With 4 MiB the buffers of four connections no longer fit into the
processor's caches, and the daemon took twice the CPU time; 1 MiB was no faster (measured)."""


class Extent(NamedTuple):
    """``length`` bytes of a disk from ``offset`` on."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset of the first byte after the extent."""
        return self.offset + self.length


def normalise(extents: Iterable[tuple[int, int]], capacity_bytes: int) -> list[Extent]:
    """Sort the extents and merge those that overlap or touch.

    Empty extents are dropped. Raises ExtentError for anything outside the disk or not made of whole
    512-byte sectors: such an answer cannot be trusted, so it is not corrected.
    """
    if capacity_bytes < 0 or capacity_bytes % SECTOR_BYTES:
        raise ExtentError(f"A disk cannot have a capacity of {capacity_bytes} bytes.")
    merged: list[Extent] = []
    for extent in sorted(_checked(extents, capacity_bytes)):
        if merged and extent.offset <= merged[-1].end:
            last = merged[-1]
            merged[-1] = Extent(last.offset, max(last.end, extent.end) - last.offset)
        else:
            merged.append(extent)
    return merged


def _checked(extents: Iterable[tuple[int, int]], capacity_bytes: int) -> Iterator[Extent]:
    for offset, length in extents:
        if offset < 0 or length < 0 or offset + length > capacity_bytes:
            raise ExtentError(
                f"The extent at {offset} of {length} bytes is outside the disk, "
                f"which has {capacity_bytes} bytes."
            )
        if offset % SECTOR_BYTES or length % SECTOR_BYTES:
            raise ExtentError(
                f"The extent at {offset} of {length} bytes is not made of whole sectors."
            )
        if length:
            yield Extent(offset, length)


def total_bytes(extents: Iterable[Extent]) -> int:
    """The number of bytes in all extents together."""
    return sum(extent.length for extent in extents)


def bytes_below(extents: Iterable[Extent], offset: int) -> int:
    """The number of the extents' bytes that are below ``offset``."""
    return sum(max(0, min(extent.end, offset) - extent.offset) for extent in extents)


def require_normalised(extents: Sequence[Extent]) -> None:
    """Raise ExtentError unless the extents ascend without overlap, as ``normalise`` makes them."""
    end = 0
    for extent in extents:
        if extent.offset < end or extent.length <= 0:
            raise ExtentError(f"The extent {tuple(extent)} is out of order, empty or overlapping.")
        end = extent.end


def requests(
    extents: Iterable[Extent], start: int = 0, limit: int = REQUEST_BYTES
) -> Iterator[Extent]:
    """Cut the extents into requests of at most ``limit`` bytes, skipping all bytes below ``start``.

    Cuts are at multiples of ``limit`` on the disk, not counted from an extent's beginning, so that
    a resumed copy makes the same requests as the first one would have. Lazy: a disk of 2 TiB takes
    no more memory than a small one.
    """
    for extent in extents:
        offset = max(extent.offset, start)
        while offset < extent.end:
            end = min(extent.end, (offset // limit + 1) * limit)
            yield Extent(offset, end - offset)
            offset = end


def pieces(
    extents: Iterable[Extent],
    chunk_bytes: int,
    size_bytes: int,
    start: int = 0,
    limit: int = REQUEST_BYTES,
) -> Iterator[tuple[Extent, ...]]:
    """Cut the extents so that no chunk of the disk, which has ``size_bytes``, is divided: whole
    chunks, in requests as `requests` makes them of at most ``limit`` (a multiple of
    ``chunk_bytes``), and all extents of a chunk that they cover in part, together. ``start`` is
    where a piece begins. Lazy, too.
    """
    part: list[Extent] = []
    for cut in _cut_at_chunks(extents, chunk_bytes, size_bytes, start, limit):
        number = cut.offset // chunk_bytes
        if part and part[0].offset // chunk_bytes != number:
            yield tuple(part)
            part = []
        if cut.offset % chunk_bytes == 0 and (cut.end % chunk_bytes == 0 or cut.end == size_bytes):
            yield (cut,)
        else:
            part.append(cut)
    if part:
        yield tuple(part)


def _cut_at_chunks(
    extents: Iterable[Extent], chunk_bytes: int, size_bytes: int, start: int, limit: int
) -> Iterator[Extent]:
    """Requests that are whole chunks, or lie within one."""
    for extent in extents:
        offset = max(extent.offset, start)
        if offset >= extent.end:
            continue
        whole = min(-(-offset // chunk_bytes) * chunk_bytes, extent.end)
        last = extent.end if extent.end == size_bytes else extent.end // chunk_bytes * chunk_bytes
        if offset < whole:
            yield Extent(offset, whole - offset)
        yield from requests([Extent(whole, max(0, last - whole))], limit=limit)
        last = max(last, whole)
        if last < extent.end:
            yield Extent(last, extent.end - last)
