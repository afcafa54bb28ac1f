"""One clock for all machines that write: the database's. Workers' own may differ by hours."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """The present by the clock that `Now()` in a query has, too.

    For a moment that is to be compared with others, or kept. SQLite has the clock of the process
    that asks: there is only one machine then.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
