"""Quiet hours: a daily time on the clock of a time zone, across changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def quiet_until(
    now: datetime, from_minute: int | None, to_minute: int | None, time_zone: str
) -> datetime | None:
    """When the quiet hours that `now` is in end; None outside of them.

    A time that comes twice when the clocks go back is quiet both times: hours that begin then begin
    the first time, those that end then end the second time. One that is left out when they go
    forward counts as an hour later.
    """
    if from_minute is None or to_minute is None:
        return None
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        begins = _instant(day, from_minute, zone, fold=0)
        last_day = day if from_minute < to_minute else day + timedelta(days=1)
        # In the gap, fold 1 is the earlier one.
        ends = max(_instant(last_day, to_minute, zone, fold=fold) for fold in (0, 1))
        if begins <= now < ends:
            return ends
    return None


def _instant(day: date, minute: int, zone: ZoneInfo, *, fold: int) -> datetime:
    wall = time(minute // 60, minute % 60, fold=fold)
    return datetime.combine(day, wall, zone).astimezone(UTC)
