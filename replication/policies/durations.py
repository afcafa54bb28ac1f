"""Durations as people write them: one parser and one way to write them, for every face."""

from __future__ import annotations

import re

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NAMES = {
    **{"s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s"},
    **{"m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m"},
    **{"h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h"},
    **{"d": "d", "day": "d", "days": "d"},
    **{"w": "w", "week": "w", "weeks": "w"},
}
_SECONDS = {**_UNITS, "w": 7 * 86_400}
_SMALLER = {"w": "d", "d": "h", "h": "m", "m": "s"}
_PART = re.compile(r"\s*([0-9]{1,9}(?:[.,][0-9]{1,3})?)\s*([a-z]*)\s*,?")
LONGEST_TEXT = 60


def parse(text: str) -> int:
    """The seconds of “15m”, “1h30”, “1.5 h”, “2 d 4 h”, “1 week”. A last number without a unit is
    of the next smaller one; a lone one is refused. Raises ValueError, which says what it takes."""
    asked = text.strip().lower()
    seconds, before, place = 0.0, "", 0
    while place < len(asked) <= LONGEST_TEXT:
        found = _PART.match(asked, place)
        unit = found and (_NAMES.get(found[2]) if found[2] else _SMALLER.get(before))
        if not found or unit is None or (before and _SECONDS[unit] >= _SECONDS[before]):
            break
        seconds += float(found[1].replace(",", ".")) * _SECONDS[unit]
        before, place = unit, found.end()
    if not before or place < len(asked) or seconds != int(seconds):
        raise ValueError(
            f"{text[:LONGEST_TEXT]!r} is no duration. Write 15 m, 1 h 30 m or 2 d, for example."
        )
    return int(seconds)


def words(seconds: int) -> str:
    """Exactly that long: 15 m, 1 h 30 m, 2 d. `parse` reads it back."""
    parts, left = [], seconds
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
