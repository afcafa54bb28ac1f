"""Hours of the week in a time zone: from a minute of the day to another, on some days; plain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

MINUTES_OF_A_DAY = 24 * 60
ALL_DAYS = 0b1111111
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def are_open(days: int, from_minute: int, to_minute: int, time_zone: str, now: datetime) -> bool:
    """Whether these hours are now. `days`: a bit for each day on which they begin, Monday the
    lowest. They go over midnight when the last minute comes first, and end before `to_minute`."""
    local = now.astimezone(ZoneInfo(time_zone))
    minute, today = local.hour * 60 + local.minute, local.weekday()
    begun_today = bool(days & 1 << today) and minute >= from_minute
    if from_minute < to_minute:
        return begun_today and minute < to_minute
    begun_yesterday = bool(days & 1 << (today - 1) % 7)
    return begun_today or (begun_yesterday and minute < to_minute)


def minutes_in_words(of_the_day: int) -> str:
    """480: 08:00"""
    return f"{of_the_day // 60:02d}:{of_the_day % 60:02d}"


def days_in_words(days: int) -> str:
    """Mon to Fri, Sun; for all of them: every day."""
    if days == ALL_DAYS:
        return "every day"
    runs: list[list[int]] = []
    for number in range(7):
        if not days & 1 << number:
            continue
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(_run(run) for run in runs)


def _run(run: Sequence[int]) -> str:
    names = [_DAYS[number] for number in run]
    return f"{names[0]} to {names[-1]}" if len(names) > 2 else ", ".join(names)


def span_in_words(days: int, from_minute: int, to_minute: int) -> str:
    """Mon to Fri 08:00 to 18:00"""
    begin, end = minutes_in_words(from_minute), minutes_in_words(to_minute)
    return f"{days_in_words(days)} {begin} to {end}"


def in_words(days: int, from_minute: int, to_minute: int, time_zone: str) -> str:
    """Mon to Fri 08:00 to 18:00, Europe/Vienna"""
    if (days, from_minute, to_minute) == (ALL_DAYS, 0, MINUTES_OF_A_DAY):
        return "always"
    return f"{span_in_words(days, from_minute, to_minute)}, {time_zone}"
