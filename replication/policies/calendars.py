"""Calendars of policies: cron expressions in a time zone, by the rules of Debian's cron; plain."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

LONGEST_EXPRESSION = 200
FIELDS = 5
LOOK_AHEAD = timedelta(days=2 * 366 + 1)
FEW_OF_A_DAY = 24


class CalendarRefused(ValueError):
    """Not a calendar; the message says why."""


def zone(name: str) -> ZoneInfo:
    """Raises CalendarRefused for an unknown name."""
    if name not in _zones():
        raise CalendarRefused(
            f"{name[:64]!r} is no known time zone. Write Europe/Berlin or UTC, for example."
        )
    return ZoneInfo(name)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def in_words(cron: str) -> str:
    """“At 02:30 every day”; in the calendar's time zone. Empty for a calendar that is none."""
    try:
        return _read(cron, datetime.now(UTC)).explain()
    except CalendarRefused:
        return ""


def starts(cron: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """The calendar's starts after this moment, in UTC, in their order. When the clocks go forward,
    a start in the hour that does not exist comes right after it; when they go back, a start at a
    fixed hour comes once. Raises CalendarRefused."""
    found = _read(cron, after.astimezone(zone(time_zone)))
    return (start.astimezone(UTC) for start in found)


def longest_gap(cron: str, time_zone: str, now: datetime) -> timedelta:
    """The longest time between two starts that follow one another, of those in the two years to
    come and the first one after. Raises CalendarRefused for a calendar that is none, or that does
    not start for as long."""
    calendar = _read(cron, now.astimezone(zone(time_zone)))
    of_a_day = sorted(hour * 60 + minute for hour in calendar.hours for minute in calendar.minutes)
    if len(of_a_day) <= FEW_OF_A_DAY:
        gaps = _gaps(starts(cron, time_zone, now), now)
    else:
        gaps = _gaps_of_many(cron, of_a_day, time_zone, now)
    # From now to the first start is a part of a gap, too: it may come once in four years.
    until_first = (start - now for start in islice(starts(cron, time_zone, now), 1))
    longest = max(chain(until_first, gaps), default=None)
    if longest is None or longest > LOOK_AHEAD:
        raise CalendarRefused(f"{cron!r} does not start for two years or more at a time.")
    return longest


def _gaps(found: Iterator[datetime], now: datetime) -> Iterator[timedelta]:
    return (later - earlier for earlier, later in pairwise(_soon(found, now)))


def _soon(found: Iterator[datetime], now: datetime) -> Iterator[datetime]:
    """With the first one after that: a day may come once in four years."""
    for start in found:
        yield start
        if start - now > LOOK_AHEAD:
            return


def _gaps_of_many(
    cron: str, of_a_day: list[int], time_zone: str, now: datetime
) -> Iterator[timedelta]:
    """Of a calendar with many starts a day, which are too many to look at each: those of a day by
    the clock, and from the last one of a day to the first one of the next."""
    yield from (timedelta(minutes=later - earlier) for earlier, later in pairwise(of_a_day))
    days = " ".join(cron.split()[2:])
    first, last = (
        list(_soon(starts(f"{minute % 60} {minute // 60} {days}", time_zone, now), now))
        for minute in (of_a_day[0], of_a_day[-1])
    )
    if first:
        ends = (end for end in last if end > first[0])
        yield from (begin - end for end, begin in zip(ends, first[1:], strict=False))


def _read(cron: str, after: datetime) -> CronSim:
    if len(cron) > LONGEST_EXPRESSION or len(cron.split()) != FIELDS:
        raise CalendarRefused(
            "A calendar has five fields: minute, hour, day of the month, month, day of the week."
            " “30 2 * * *” is every day at 02:30."
        )
    try:
        return CronSim(cron, after)
    except CronSimError as problem:
        raise CalendarRefused(f"{cron!r} is no calendar: {problem}.") from problem
