"""One clock for all machines: the database's. Those of workers and web servers may be hours off."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

LOOKED_AT_EVERY_SECONDS = 60.0


def database_now() -> datetime:
    """The current time, by the same clock as `Now()` in a query.

    Use it for any time that is stored or compared with others. On SQLite it is the clock of the
    process that asks: there is only one machine then.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


class _Look(NamedTuple):
    """How far the database's clock is ahead of this process's, and when that was measured."""

    ahead: timedelta
    until: float


_last: _Look | None = None


def about_now() -> datetime:
    """As `database_now`, for pages and lists: mostly without a query. How far this machine's clock
    is off is measured once a minute."""
    global _last
    if _last is None or time.monotonic() >= _last.until:
        ahead = database_now() - timezone.now()
        _last = _Look(ahead, time.monotonic() + LOOKED_AT_EVERY_SECONDS)
    return timezone.now() + _last.ahead
