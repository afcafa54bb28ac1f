"""The rules that keep recovery points, by examples and by what holds for any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.retention.choose import Mark, PointFacts, Rules, choose

pytestmark = pytest.mark.any_database
LONDON, BERLIN, UTC_ZONE = ZoneInfo("Europe/London"), ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


def at(*texts: str) -> list[PointFacts]:
    """Points with these times (UTC), newest last."""
    moments = sorted(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts)
    return [PointFacts(number, moment) for number, moment in enumerate(moments)]


def every(hours: float, count: int, last: str = "2026-11-30T23:00") -> list[PointFacts]:
    """So many points that many hours apart, the last one then (UTC)."""
    end = datetime.fromisoformat(last).replace(tzinfo=UTC)
    return [
        PointFacts(number, end - timedelta(hours=hours * (count - 1 - number)))
        for number in range(count)
    ]


def kept(points: list[PointFacts], rules: Rules, zone: ZoneInfo = UTC_ZONE) -> dict[str, list[str]]:
    """By rule, the days and hours of what it keeps, newest first."""
    found: dict[str, list[str]] = {}
    marks = choose(points, rules, zone)
    for point in reversed(points):
        if marks[point.key] is not Mark.GOES:
            found.setdefault(marks[point.key], []).append(f"{point.consistent_at:%m-%d %H}")
    return found


def test_the_documented_example_of_a_day_and_three_weeks():
    """Of five backups, one daily and three weekly: what is in the newest's week is covered."""
    points = at(
        *("2019-11-10T10:42", "2019-11-21T12:36", "2019-11-22T11:54"),
        *("2019-12-03T09:35", "2019-12-04T13:20"),
    )
    assert kept(points, Rules(daily=1, weekly=3)) == {
        "daily": ["12-04 13"],
        "weekly": ["11-22 11", "11-10 10"],
    }


def test_each_rule_goes_on_where_the_one_before_it_ends():
    points = every(1, 24 * 60)
    found = kept(points, Rules(last=2, hourly=3, daily=3, weekly=2, monthly=1))
    assert found == {
        "last": ["11-30 23", "11-30 22"],
        "hourly": ["11-30 21", "11-30 20", "11-30 19"],
        "daily": ["11-29 23", "11-28 23", "11-27 23"],
        "weekly": ["11-22 23", "11-15 23"],
        "monthly": ["10-31 23"],
    }


def test_only_periods_that_have_a_point_are_counted():
    points = at("2026-01-05T12:00", "2026-03-01T12:00", "2026-11-30T12:00")
    assert kept(points, Rules(daily=3)) == {"daily": ["11-30 12", "03-01 12", "01-05 12"]}


def test_weeks_are_iso_s_and_may_span_a_year():
    """Thursday 31 December 2026 and Sunday 3 January 2027 are in one week, in two years."""
    points = at("2026-12-27T12:00", "2026-12-31T12:00", "2027-01-03T12:00")
    assert kept(points, Rules(weekly=5)) == {"weekly": ["01-03 12", "12-27 12"]}
    assert kept(points, Rules(yearly=5)) == {"yearly": ["01-03 12", "12-31 12"]}


def test_what_an_earlier_rule_passed_over_is_not_taken_by_a_later_one():
    """31 October is in the week that 1 November stands for: October is stood for by the 24th."""
    points = at("2026-10-24T12:00", "2026-10-31T12:00", "2026-11-01T12:00", "2026-11-30T12:00")
    found = kept(points, Rules(weekly=2, monthly=2))
    assert found == {"weekly": ["11-30 12", "11-01 12"], "monthly": ["10-24 12"]}


def test_days_begin_where_the_policy_is_and_an_hour_that_comes_twice_is_two():
    points = at("2026-10-24T22:30", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T22:30")
    # 00:30 and 01:30 UTC are both 02:30 there, when summer time ends; 22:30 is 00:30 in summer.
    assert len(kept(points, Rules(hourly=9), BERLIN)["hourly"]) == 4
    assert kept(points, Rules(daily=9), BERLIN) == {"daily": ["10-25 22"]}
    assert kept(points, Rules(daily=9), LONDON) == {"daily": ["10-25 22", "10-24 22"]}


def test_a_pin_keeps_its_point_and_takes_no_place():
    points = every(24, 4)
    points[2] = points[2]._replace(is_pinned=True)
    marks = choose(points, Rules(last=2), UTC_ZONE)
    assert [marks[number] for number in range(4)] == [Mark.GOES, Mark.LAST, Mark.PINNED, Mark.LAST]


def test_a_damaged_point_takes_no_place_and_goes_when_it_would_if_it_were_whole():
    points = [point._replace(is_damaged=number > 0) for number, point in enumerate(every(24, 5))]
    marks = choose(points, Rules(last=2), UTC_ZONE)
    assert [marks[number] for number in range(5)] == [
        Mark.LAST,  # the only one that can be used
        *(Mark.DAMAGED, Mark.DAMAGED),  # nothing usable is newer
        *(Mark.LAST, Mark.LAST),
    ]
    mended = [point._replace(is_damaged=number < 3) for number, point in enumerate(every(24, 5))]
    assert list(choose(mended, Rules(last=3), UTC_ZONE).values()) == [
        *(Mark.LAST, Mark.LAST, Mark.LAST, Mark.GOES, Mark.GOES)
    ]


def test_what_a_reader_needs_stays_until_it_is_released():
    points = every(24, 3)
    points[0] = points[0]._replace(is_held=True)
    assert choose(points, Rules(last=1), UTC_ZONE)[0] is Mark.HELD


def test_without_any_rule_the_newest_stays_and_without_rules_all_do():
    points = every(1, 3)
    assert choose(points, Rules(), UTC_ZONE) == {2: Mark.NEWEST, 1: Mark.GOES, 0: Mark.GOES}
    points[2] = points[2]._replace(is_damaged=True)
    assert choose(points, Rules(), UTC_ZONE) == {2: Mark.NEWEST, 1: Mark.USABLE, 0: Mark.GOES}
    behind = [points[0], points[2]._replace(key=1), points[1]._replace(key=2, is_damaged=False)]
    assert choose(behind, Rules(last=0), UTC_ZONE)[2] is Mark.NEWEST  # a clock stepped back
    assert set(choose(points, None, UTC_ZONE).values()) == {Mark.ALL}
    assert choose([], Rules(last=1), UTC_ZONE) == {}


_COUNTS = st.integers(0, 4)
_RULES = st.builds(Rules, *[_COUNTS] * 6)
_STARTS = datetime(2026, 1, 1, tzinfo=UTC)
_MOMENTS = st.lists(
    st.integers(0, 2 * 365 * 24 * 12).map(lambda steps: _STARTS + timedelta(minutes=5 * steps)),
    max_size=40,
)


def _facts(moments: list[datetime], damaged: set[int] = frozenset()) -> list[PointFacts]:
    return [
        PointFacts(number, moment, is_damaged=number in damaged)
        for number, moment in enumerate(moments)
    ]


def _stay(points: list[PointFacts], rules: Rules) -> list[PointFacts]:
    marks = choose(points, rules, BERLIN)
    return [point for point in points if marks[point.key] is not Mark.GOES]


@given(_MOMENTS, _RULES)
def test_choosing_among_what_stayed_removes_nothing_more(moments, rules):
    stay = _stay(_facts(moments), rules)
    assert _stay(stay, rules) == stay


@given(_MOMENTS, _RULES, st.sets(st.integers(0, 39)))
def test_the_newest_never_goes_nor_the_newest_that_can_be_used(moments, rules, damaged):
    points = _facts(moments, damaged)
    stay = _stay(points, rules)

    def order(point: PointFacts) -> tuple[datetime, int]:
        return point.consistent_at, point.key

    whole = [point for point in points if not point.is_damaged]
    for among in (points, whole):
        if among:
            assert max(among, key=order) in stay
    # Damage lets nothing go that would stay if all were whole, unless it can be used.
    gone = {point.key for point in points} - {point.key for point in stay}
    for point in _stay(_facts(moments), rules):
        assert point.key not in gone or not points[point.key].is_damaged


@given(_MOMENTS, _RULES, st.integers(0, 5))
def test_a_larger_number_keeps_no_fewer(moments, rules, which):
    more = Rules(*(count + (number == which) for number, count in enumerate(rules)))
    points = _facts(moments)
    assert len(_stay(points, more)) >= len(_stay(points, rules))


@given(_MOMENTS, _RULES)
def test_no_rule_keeps_more_than_its_number(moments, rules):
    marks = list(choose(_facts(moments), rules, BERLIN).values())
    for mark, count in zip(list(Mark)[:6], rules, strict=True):
        assert marks.count(mark) <= count
