from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.engine.errors import ExtentError
from replication.engine.extents import (
    REQUEST_BYTES,
    Extent,
    bytes_below,
    normalise,
    requests,
    require_normalised,
    total_bytes,
)

SECTORS = 64
CAPACITY = SECTORS * 512

one_extent = st.integers(0, SECTORS).flatmap(
    lambda start: st.tuples(
        st.just(start * 512), st.integers(0, SECTORS - start).map((512).__mul__)
    )
)
many_extents = st.lists(one_extent, max_size=12)


def sectors(extents: list[tuple[int, int]]) -> set[int]:
    return {n for offset, length in extents for n in range(offset, offset + length, 512)}


@given(many_extents)
def test_normalise_keeps_every_sector_and_invents_none(raw: list[tuple[int, int]]) -> None:
    result = normalise(raw, CAPACITY)
    assert sectors([tuple(extent) for extent in result]) == sectors(raw)
    assert total_bytes(result) == 512 * len(sectors(raw))
    require_normalised(result)
    assert all(one.end < other.offset for one, other in pairwise(result))


@pytest.mark.parametrize(
    ("offset", "length"),
    [(-512, 512), (0, -512), (CAPACITY, 512), (0, CAPACITY + 512), (1, 512), (512, 100)],
)
def test_normalise_refuses_what_is_outside_or_not_whole_sectors(offset: int, length: int) -> None:
    with pytest.raises(ExtentError, match=str(offset)):
        normalise([(0, 512), (offset, length)], CAPACITY)


def test_normalise_refuses_an_impossible_capacity() -> None:
    with pytest.raises(ExtentError):
        normalise([], 1000)


@given(many_extents, st.integers(0, SECTORS), st.integers(1, 9))
def test_requests_cover_exactly_what_is_left(
    raw: list[tuple[int, int]], start: int, limit: int
) -> None:
    plan = normalise(raw, CAPACITY)
    cut = list(requests(plan, start * 512, limit * 512))
    wanted = {sector for sector in sectors(raw) if sector >= start * 512}
    assert sectors([tuple(request) for request in cut]) == wanted
    assert total_bytes(cut) == 512 * len(wanted)
    assert total_bytes(cut) + bytes_below(plan, start * 512) == total_bytes(plan)
    for request in cut:
        assert request.offset // (limit * 512) == (request.end - 1) // (limit * 512)


@given(many_extents, st.integers(1, 9))
def test_a_resumed_plan_is_cut_like_the_first_one(raw: list[tuple[int, int]], limit: int) -> None:
    plan = normalise(raw, CAPACITY)
    cut = list(requests(plan, 0, limit * 512))
    for number, request in enumerate(cut):
        assert list(requests(plan, request.offset, limit * 512)) == cut[number:]


def test_requests_of_an_endless_disk_come_one_by_one() -> None:
    endless = requests([Extent(0, 1 << 80)])
    assert [request.offset for request in islice(endless, 3)] == [
        0,
        REQUEST_BYTES,
        2 * REQUEST_BYTES,
    ]


@pytest.mark.parametrize(
    "plan",
    [[Extent(512, 512), Extent(0, 512)], [Extent(0, 1024), Extent(512, 512)], [Extent(0, 0)]],
)
def test_a_plan_out_of_order_is_refused(plan: list[Extent]) -> None:
    with pytest.raises(ExtentError):
        require_normalised(plan)
