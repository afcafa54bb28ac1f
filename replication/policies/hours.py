"""The hours when replications may start, as people write them: “Mon to Fri 22:00 to 06:00”, a line
for each. One parser and one way to write them."""

from __future__ import annotations

import re

from replication.hours import MINUTES_OF_A_DAY, span_in_words
from replication.policies.checking import Window

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EVERY_DAY = {"daily", "every day", "always", ""}
_LINE = re.compile(
    r"(?P<days>.*?)\s*(?P<from>[0-9]{1,2}:[0-9]{2})\s*(?:to|-|–)\s*(?P<to>[0-9]{1,2}:[0-9]{2})"
)
_RUN = re.compile(r"([a-z]+)(?:\s*(?:to|-|–)\s*([a-z]+))?")
LONGEST_LINE = 100


def parse(text: str) -> tuple[Window, ...]:
    """Raises ValueError, which names the line."""
    return tuple(_window(line.strip()) for line in text.splitlines() if line.strip())


def words(windows: tuple[Window, ...]) -> str:
    """What `parse` reads back."""
    return "\n".join(
        span_in_words(window.days, window.from_minute, window.to_minute) for window in windows
    )


def _window(line: str) -> Window:
    found = _LINE.fullmatch(line.lower()) if len(line) <= LONGEST_LINE else None
    if found:
        mask = _mask(found["days"])
        begin, end = _minute(found["from"]), _minute(found["to"])
        if mask and begin is not None and end is not None and begin < MINUTES_OF_A_DAY:
            return Window(mask, begin, end)
    raise ValueError(
        f"{line[:LONGEST_LINE]!r} names no hours. Write “Mon to Fri 22:00 to 06:00”, for example."
    )


def _mask(text: str) -> int:
    """0: these are no days."""
    if text in _EVERY_DAY:
        return 127
    mask = 0
    for part in re.split(r"\s*,\s*|\s+and\s+", text):
        run = _RUN.fullmatch(part)
        first, last = (_day(run[1]), _day(run[2] or run[1])) if run else (None, None)
        if first is None or last is None:
            return 0
        for step in range((last - first) % 7 + 1):
            mask |= 1 << (first + step) % 7
    return mask


def _day(name: str) -> int | None:
    found = (number for number, day in enumerate(_DAYS) if len(name) >= 3 and day.startswith(name))
    return next(found, None)


def _minute(text: str) -> int | None:
    hours, _, rest = text.partition(":")
    minute = int(hours) * 60 + int(rest)
    return minute if int(rest) < 60 and minute <= MINUTES_OF_A_DAY else None
