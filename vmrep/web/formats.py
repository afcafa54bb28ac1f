"""How values are written for people. Pages and tables use these, and nothing else formats."""

from __future__ import annotations

from datetime import datetime

from contexts.clock import about_now
from contexts.text import binary as binary  # as the replication's own messages say it
from contexts.text import duration as duration
from contexts.text import plural

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def rate(bytes_per_second: float | None) -> str:
    return "unknown" if bytes_per_second is None else f"{binary(bytes_per_second)}/s"


def age(since: datetime | None, now: datetime | None = None) -> str:
    """The largest unit only (12 m, 3 h, 2 d): how long ago, for columns that are compared."""
    if since is None:
        return "never"
    seconds = ((now or about_now()) - since).total_seconds()
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now" if seconds < 1 else f"{int(seconds)} s"


def about(seconds: float | None) -> str:
    """A forecast must not look more exact than it is: about 12 days, about 3 months."""
    if seconds is None:
        return "unknown"
    if seconds < _DAY:
        return "less than a day"
    days = seconds / _DAY
    if days < 60:
        return f"about {plural(round(days), 'day')}"
    if days < 730:
        return f"about {plural(round(days / 30.4), 'month')}"
    return "more than 2 years"


def absolute(moment: datetime) -> str:
    """2025-09-09 11:42:31 UTC"""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
