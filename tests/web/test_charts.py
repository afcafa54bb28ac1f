"""The geometry of the pictures: what is drawn where, and that nothing falls outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmrep.web import charts
from vmrep.web.charts import BARS_HEIGHT, BARS_WIDTH, LINE_HEIGHT, LINE_WIDTH, SHADES


def numbers(path: str) -> list[tuple[float, float]]:
    """The places of a path's points."""
    pairs = path.removeprefix("M").removesuffix(" Z").split(" L")
    return [(float(x), float(y)) for x, y in (pair.split() for pair in pairs)]


def test_a_rate_over_time_is_one_line_from_left_to_right_with_its_peak_at_the_top():
    drawn = charts.line([(0.0, 10.0), (5.0, 20.0), (10.0, 5.0)])
    (path,) = drawn.paths
    assert numbers(path) == [(0, LINE_HEIGHT / 2), (LINE_WIDTH / 2, 0), (LINE_WIDTH, 48)]
    assert (drawn.seconds, drawn.peak) == (10.0, 20.0)


def test_the_area_under_a_line_is_closed_along_the_floor():
    (area,) = charts.line([(0.0, 10.0), (10.0, 10.0)]).areas
    assert numbers(area)[-2:] == [(LINE_WIDTH, LINE_HEIGHT), (0, LINE_HEIGHT)]
    assert area.endswith("Z")


def test_between_two_attempts_is_a_gap_and_no_line():
    drawn = charts.line([(0.0, 8.0), (2.0, 8.0), (6.0, None), (6.0, 4.0), (8.0, 4.0)])
    assert [len(numbers(path)) for path in drawn.paths] == [2, 2]
    assert numbers(drawn.paths[1])[0][0] == pytest.approx(LINE_WIDTH * 6 / 8)


@pytest.mark.parametrize("points", [[], [(1.0, None)]])
def test_nothing_is_drawn_of_nothing(points):
    assert charts.line(points) is None


def test_a_rate_of_zero_lies_on_the_floor():
    (path,) = charts.line([(0.0, 0.0), (4.0, 0.0)]).paths
    assert {y for _, y in numbers(path)} == {LINE_HEIGHT}


def test_the_mean_is_weighted_by_time_and_leaves_gaps_out():
    points = [(0.0, 10.0), (1.0, 10.0), (4.0, 30.0), (9.0, None), (9.0, 5.0), (10.0, 5.0)]
    assert charts.mean_rate(points) == pytest.approx((10 + 3 * 30 + 5) / 5)
    assert charts.mean_rate([(3.0, 7.0)]) == 7.0
    assert charts.mean_rate([]) == 0.0


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6, allow_nan=False), st.none() | st.floats(0, 1e12, allow_nan=False)
        )
    )
)
def test_no_line_leaves_its_picture(points):
    drawn = charts.line(sorted(points, key=lambda point: point[0]))
    for path in drawn.paths if drawn else []:
        for x, y in numbers(path):
            assert 0 <= x <= LINE_WIDTH
            assert 0 <= y <= LINE_HEIGHT


def test_the_newest_bar_is_at_the_right_edge_and_the_others_beside_it():
    first, second = charts.bars([5, 10], full=10, slots=4)
    slot = BARS_WIDTH / 4
    assert second.x + second.width == pytest.approx(BARS_WIDTH - slot * 0.1)
    assert second.x - first.x == pytest.approx(slot)
    assert (first.height, second.height) == (BARS_HEIGHT / 2, BARS_HEIGHT)
    assert first.y == BARS_HEIGHT / 2


def test_a_little_is_seen_nothing_is_not_and_too_much_is_cut():
    little, nothing, too_much = charts.bars([1, 0, 900], full=100_000 / 1000, slots=3)
    assert little.height >= 2
    assert nothing.height == 0
    assert (too_much.height, too_much.is_cut) == (BARS_HEIGHT, True)
    assert not little.is_cut


def test_more_bars_than_slots_are_narrower_and_still_inside():
    drawn = charts.bars([1] * 30, full=1, slots=20)
    assert drawn[0].x >= 0
    assert drawn[-1].x + drawn[-1].width <= BARS_WIDTH


def test_a_map_is_drawn_as_runs_of_one_shade_and_empty_areas_are_left_out():
    assert charts.runs(bytes([0, 255, 255, 1, 0, 0, 128])) == [
        (1, 2, SHADES),
        (3, 1, 1),
        (6, 1, 3),
    ]
    assert charts.runs(bytes(256)) == []


@given(st.binary(min_size=1, max_size=256))
def test_runs_cover_exactly_the_areas_that_are_touched(levels):
    covered = [
        area for run in charts.runs(levels) for area in range(run.start, run.start + run.length)
    ]
    assert covered == [area for area, level in enumerate(levels) if level]
    assert all(0 < run.opacity <= 1 for run in charts.runs(levels))


def test_a_map_in_figures_names_its_longest_pieces_in_the_disks_order():
    levels = bytes([1, 0, 255, 255, 255, 0, 9, 9])
    touched = charts.touched(levels, capacity_bytes=800, most_pieces=2)
    assert (touched.areas, touched.of_areas) == (6, 8)
    assert touched.pieces == [(200, 500), (600, 800)]
    assert charts.touched(bytes(8), 800).pieces == []
