"""Quiet hours on the clocks of a time zone, also when these are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from vmrep.notifications.quiet import quiet_until

BERLIN = "Europe/Berlin"
pytestmark = pytest.mark.any_database


def at(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN), fold=fold).astimezone(UTC)


def until(text: str, begin: str, end: str, fold: int = 0) -> datetime | None:
    minutes = [int(each[:2]) * 60 + int(each[3:]) for each in (begin, end)]
    return quiet_until(at(text, fold), minutes[0], minutes[1], BERLIN)


@pytest.mark.parametrize(
    ("now", "begin", "end", "ends"),
    [
        ("2026-11-30 21:59", "22:00", "06:00", None),
        ("2026-11-30 22:00", "22:00", "06:00", "2026-12-01 06:00"),
        ("2026-12-01 05:59", "22:00", "06:00", "2026-12-01 06:00"),
        ("2026-12-01 06:00", "22:00", "06:00", None),
        ("2026-12-01 12:30", "12:00", "13:00", "2026-12-01 13:00"),
        ("2026-12-01 13:00", "12:00", "13:00", None),
        # The night in which the clocks go forward is an hour shorter, …
        ("2026-03-28 23:00", "22:00", "06:00", "2026-03-29 06:00"),
        ("2026-03-29 03:10", "22:00", "02:30", "2026-03-29 03:30"),  # 02:30 is left out
        ("2026-03-29 03:30", "22:00", "02:30", None),
        ("2026-03-29 03:10", "02:30", "06:00", None),
        ("2026-03-29 03:40", "02:30", "06:00", "2026-03-29 06:00"),
        # … and that in which they go back an hour longer.
        ("2026-10-24 23:00", "22:00", "06:00", "2026-10-25 06:00"),
    ],
)
def test_they_begin_and_end_by_the_clock_on_the_wall(now, begin, end, ends):
    assert until(now, begin, end) == (ends and at(ends))


def test_a_time_that_comes_twice_is_quiet_both_times():
    end = at("2026-10-25 02:30", fold=1)
    for fold in (0, 1):
        assert until("2026-10-25 02:15", "22:00", "02:30", fold) == end
    assert until("2026-10-25 02:45", "22:00", "02:30", 0) == end
    assert until("2026-10-25 02:45", "22:00", "02:30", 1) is None
    for fold in (0, 1):
        assert until("2026-10-25 02:45", "02:30", "06:00", fold) == at("2026-10-25 06:00")


def test_a_whole_year_has_a_night_of_quiet_each_day():
    """In every zone with odd clocks, quiet and loud alternate, and each end lies ahead."""
    for zone in (BERLIN, "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "UTC"):
        now, turns, before = datetime(2011, 1, 1, tzinfo=UTC), 0, None
        for _ in range(366 * 24):
            found = quiet_until(now, 22 * 60, 6 * 60, zone)
            assert found is None or now < found <= now + timedelta(hours=9.5)
            turns += (found is None) != (before is None)
            now, before = now + timedelta(hours=1), found
        assert turns in range(728, 736), zone


def test_without_quiet_hours_it_is_never_quiet():
    assert quiet_until(at("2026-11-30 23:00"), None, None, BERLIN) is None
