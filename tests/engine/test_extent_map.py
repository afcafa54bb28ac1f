"""The picture of where on a disk extents fall."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.engine.errors import ExtentError
from replication.engine.extent_map import BUCKETS, FULL, histogram, levels, mean
from replication.engine.extents import Extent, normalise, total_bytes

SECTORS = 3000
MIB = 1 << 20


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Extent], int]:
    """A plan and its disk's capacity: of few sectors or many, never a round number of areas."""
    sectors = draw(st.integers(1, SECTORS))
    pairs = st.tuples(st.integers(0, sectors), st.integers(0, sectors))
    raw = draw(st.lists(pairs, max_size=12))
    ranges = [(min(pair) * 512, (max(pair) - min(pair)) * 512) for pair in raw]
    return normalise(ranges, sectors * 512), sectors * 512


def by_hand(extents: list[Extent], capacity: int, buckets: int) -> list[int]:
    """The slow and obvious way: every area against every extent."""
    bounds = [number * capacity // buckets for number in range(buckets + 1)]
    return [
        sum(
            max(0, min(extent.end, bounds[it + 1]) - max(extent.offset, bounds[it]))
            for extent in extents
        )
        for it in range(buckets)
    ]


@given(plans(), st.integers(1, 300))
def test_every_byte_is_counted_once_and_in_its_area(
    plan: tuple[list[Extent], int], buckets: int
) -> None:
    extents, capacity = plan
    found = histogram(extents, capacity, buckets)
    assert len(found) == buckets
    assert sum(found) == total_bytes(extents)
    assert found == by_hand(extents, capacity, buckets)


@given(
    st.integers(0, 200).flatmap(
        lambda capacity: st.tuples(
            st.just(capacity), st.integers(0, capacity), st.integers(0, capacity)
        )
    ),
    st.integers(1, 300),
)
def test_extents_of_any_alignment_and_disks_smaller_than_the_areas_are_counted(
    ends: tuple[int, int, int], buckets: int
) -> None:
    capacity, one, other = ends
    extents = [Extent(min(one, other), abs(one - other))]
    assert histogram(extents, capacity, buckets) == by_hand(extents, capacity, buckets)


@pytest.mark.parametrize("extent", [Extent(-512, 1024), Extent(512, 1024), Extent(2048, 0)])
def test_an_extent_outside_the_disk_is_refused(extent: Extent) -> None:
    with pytest.raises(ExtentError):
        histogram([extent], 1024)


@given(plans())
def test_a_level_is_zero_only_where_nothing_is_and_full_only_where_everything_is(
    plan: tuple[list[Extent], int],
) -> None:
    extents, capacity = plan
    picture = levels(extents, capacity)
    assert len(picture) == BUCKETS
    whole = histogram([Extent(0, capacity)], capacity)
    for level, amount, size in zip(picture, histogram(extents, capacity), whole, strict=True):
        assert (level == 0) == (amount == 0)
        assert (level == FULL) == (0 < amount == size)


def test_levels_are_in_proportion() -> None:
    area = 4 * MIB
    quarter, half = Extent(0, area // 4), Extent(area, area // 2)
    sector = Extent(2 * area, 512)
    picture = levels([quarter, half, sector, Extent(3 * area, area)], BUCKETS * area)
    assert list(picture[:5]) == [64, 128, 1, FULL, 0]


def test_a_disk_of_64_tib_costs_no_more_than_a_small_one() -> None:
    assert levels([Extent(0, 64 << 40)], 64 << 40) == bytes([FULL]) * BUCKETS


@given(st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=9))
def test_the_mean_is_between_its_pictures_and_hides_no_touched_area(maps: list[bytes]) -> None:
    for number, level in enumerate(mean(maps)):
        column = [picture[number] for picture in maps]
        assert min(column) <= level <= max(column)
        assert (level == 0) == (not any(column))


def test_the_mean_of_no_pictures_is_none() -> None:
    assert mean([]) == b""
