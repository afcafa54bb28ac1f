"""Where on a disk extents fall: a picture whose size does not depend on the disk's.

A disk is cut into ``BUCKETS`` areas of equal size (give or take a byte); area ``n`` of ``BUCKETS``
begins at ``n * capacity // BUCKETS``. Each area has one byte: its *level*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from replication.engine.errors import ExtentError
from replication.engine.extents import Extent

BUCKETS = 256
"""Enough for a picture; small enough to keep for every disk of every job."""

FULL = 255


def histogram(extents: Iterable[Extent], capacity_bytes: int, buckets: int = BUCKETS) -> list[int]:
    """How many of the extents' bytes are in each of the disk's ``buckets`` areas.

    The extents are as ``normalise`` returns them, with any alignment; the numbers add up to their
    total. Raises ExtentError for an extent outside the disk.
    """
    found = [0] * buckets
    for extent in extents:
        if extent.offset < 0 or extent.end > capacity_bytes:
            raise ExtentError(
                f"The extent {tuple(extent)} is outside a disk of {capacity_bytes} bytes."
            )
        offset = extent.offset
        # The last area that begins at or before the offset.
        bucket = ((offset + 1) * buckets - 1) // capacity_bytes if extent.length else 0
        while offset < extent.end:
            end = min(extent.end, _begin(bucket + 1, capacity_bytes, buckets))
            found[bucket] += end - offset
            offset = end
            bucket += 1
    return found


def _begin(bucket: int, capacity_bytes: int, buckets: int) -> int:
    return bucket * capacity_bytes // buckets


def levels(extents: Iterable[Extent], capacity_bytes: int) -> bytes:
    """The picture: for each area 0 when no extent touches it, ``FULL`` when extents cover all of
    it, and in proportion from 1 to 254 otherwise: an area that is touched is never 0."""
    bounds = [_begin(number, capacity_bytes, BUCKETS) for number in range(BUCKETS + 1)]
    sizes = [end - begin for begin, end in pairwise(bounds)]
    return bytes(map(_level, histogram(extents, capacity_bytes), sizes))


def _level(amount: int, size: int) -> int:
    if amount == 0:
        return 0
    return FULL if amount == size else 1 + amount * (FULL - 1) // size


def mean(maps: Sequence[bytes]) -> bytes:
    """The pictures laid over one another: the mean level of each area, rounded up, so that an area
    that any of them touches is not 0. Empty for no pictures."""
    return bytes(-(-sum(column) // len(maps)) for column in zip(*maps, strict=True))
