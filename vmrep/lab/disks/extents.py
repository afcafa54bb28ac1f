"""Sets of byte ranges, merged as they grow: what a layer holds and what a guest changed.

All ranges are half open, `(start, end)` in bytes. The work is proportional to the ranges, never
to the capacity of a disk, so a 2 TiB disk with little in it costs little.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class ExtentSet:
    """A set of bytes kept as sorted ranges that neither overlap nor touch."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[Range]:
        return iter(zip(self._starts, self._ends, strict=True))

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, start: int, end: int) -> None:
        """Add one range, swallowing those that it overlaps or touches."""
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def covers(self, start: int, end: int) -> bool:
        """Whether every byte of the range is in the set."""
        at = bisect_right(self._starts, start) - 1
        return at >= 0 and self._ends[at] >= end

    def within(self, start: int, end: int) -> Iterator[Range]:
        """The parts of the set that lie inside the range, in order."""
        at = bisect_right(self._ends, start)
        while at < len(self._starts) and self._starts[at] < end:
            yield max(start, self._starts[at]), min(end, self._ends[at])
            at += 1


def union(ranges: Iterable[Range]) -> list[Range]:
    """Sorted ranges with overlapping and touching ones merged."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def rounded(ranges: Iterable[Range], block_bytes: int, capacity_bytes: int) -> list[Range]:
    """The ranges widened to whole blocks, merged, and cut at the capacity."""
    return union(
        (
            start // block_bytes * block_bytes,
            min(-(-end // block_bytes) * block_bytes, capacity_bytes),
        )
        for start, end in ranges
        if start < capacity_bytes
    )
