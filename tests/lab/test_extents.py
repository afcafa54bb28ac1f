"""Byte ranges, against sets of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vmrep.lab.disks.extents import ExtentSet, Range, rounded, union

RANGES = st.lists(
    st.tuples(st.integers(0, 90), st.integers(1, 15)).map(lambda r: (r[0], r[0] + r[1])),
    max_size=12,
)


def numbers(ranges: list[Range]) -> set[int]:
    return {n for start, end in ranges for n in range(start, end)}


def sound(ranges: list[Range]) -> bool:
    """Sorted, not empty, neither overlapping nor touching."""
    return all(s < e for s, e in ranges) and all(a[1] < b[0] for a, b in pairwise(ranges))


@given(RANGES, st.integers(0, 100), st.integers(1, 30))
def test_a_set_holds_what_was_added(ranges: list[Range], start: int, length: int) -> None:
    made = ExtentSet(ranges)
    found = list(made)
    assert sound(found)
    assert numbers(found) == numbers(ranges)
    wanted = set(range(start, start + length))
    assert made.covers(start, start + length) == (wanted <= numbers(ranges))
    inside = list(made.within(start, start + length))
    assert numbers(inside) == wanted & numbers(ranges)
    assert union(ranges) == found


@given(RANGES, st.integers(1, 20), st.integers(1, 110))
def test_rounding_covers_whole_blocks(ranges: list[Range], block: int, capacity: int) -> None:
    found = rounded(ranges, block, capacity)
    assert sound(found)
    kept = numbers([r for r in ranges if r[0] < capacity])
    blocks = {n // block for n in kept}
    whole = {n for b in blocks for n in range(b * block, (b + 1) * block)}
    assert numbers(found) == {n for n in whole if n < capacity}
