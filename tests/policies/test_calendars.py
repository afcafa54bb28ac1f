"""Calendars: what is one, and the longest time between two of its starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from replication.policies import calendars
from replication.policies.calendars import CalendarRefused

pytestmark = pytest.mark.any_database

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("cron", "gap"),
    [
        ("* * * * *", timedelta(minutes=1)),
        ("*/15 * * * *", timedelta(minutes=15)),
        ("0 */4 * * *", 4 * HOUR),
        ("0 8-18 * * *", 14 * HOUR),
        ("*/5 8-18 * * MON-FRI", 2 * DAY + 13 * HOUR + timedelta(minutes=5)),
        ("30 2 * * *", DAY),
        ("0 3 * * SUN", 7 * DAY),
        ("0 3 1 * *", 31 * DAY),
        ("* * 1-7 1 *", 358 * DAY + timedelta(minutes=1)),
    ],
)
def test_the_longest_time_between_two_starts(cron, gap):
    assert calendars.longest_gap(cron, "UTC", NOW) in (gap, gap + DAY)  # or in a leap year


def test_the_night_when_the_clocks_go_back_is_longer():
    assert calendars.longest_gap("0 12 * * *", "Europe/Berlin", NOW) == DAY + HOUR


def test_starts_are_of_the_zone_and_dst_skips_and_repeats_none():
    """At 02:30, which does not exist on 29 March and exists twice on 25 October."""
    spring = datetime(2026, 3, 28, 0, tzinfo=UTC)
    found = list(islice(calendars.starts("30 2 * * *", "Europe/Berlin", spring), 3))
    assert found == [
        datetime(2026, 3, 28, 1, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]
    autumn = datetime(2026, 10, 24, 0, tzinfo=UTC)
    found = list(islice(calendars.starts("30 2 * * *", "Europe/Berlin", autumn), 3))
    assert [start.day for start in found] == [24, 25, 26]


@pytest.mark.parametrize(
    "cron",
    [
        *["", "x", "* * * *", "0 0 2 * * *", "@daily", "60 * * * *", "* * * * 9", "0 0 31 2 *"],
        *[
            "*/0 * * * *",
            "5-1 * * * *",
            "0 0 * * 1#9",
            "* " * 200,
            "a" * 5000,
            "0 0 30 2 1#5",
            "0 0 29 2 *",
        ],
    ],
)
def test_what_is_no_calendar_is_refused(cron):
    with pytest.raises(CalendarRefused):
        calendars.longest_gap(cron, "UTC", NOW)


@pytest.mark.parametrize("cron", ["* * 29 2 *", "*/5 * 29 2 *", "0 0,12 29 2 *"])
def test_many_starts_on_a_day_that_comes_once_in_four_years_are_years_apart(cron):
    with pytest.raises(CalendarRefused, match="does not start for two years"):
        calendars.longest_gap(cron, "UTC", NOW)


def test_many_starts_on_one_day_of_the_year_are_a_year_apart():
    assert 364 * DAY < calendars.longest_gap("*/10 * 24 12 *", "Europe/Berlin", NOW) <= 366 * DAY


@pytest.mark.parametrize("zone", ["", "Nowhere/City", "../../etc/passwd", "utc\0", "x" * 500])
def test_an_unknown_time_zone_is_refused(zone):
    with pytest.raises(CalendarRefused, match="no known time zone"):
        calendars.longest_gap("0 0 * * *", zone, NOW)
