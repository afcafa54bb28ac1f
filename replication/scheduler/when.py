"""When a VM is due to be replicated next; pure, for the tick, pages and simulation alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from replication.policies import calendars
from replication.policies.checking import Window
from replication.states import RPOKind

SPREAD = 0.1
"""By which share of their targets VMs are due earlier than they need be, each by another: those
that were replicated together drift apart, and after a stop not all are due at once."""
MOST_LEAD = 0.5
FIRST_RETRY, LAST_RETRY = timedelta(minutes=1), timedelta(hours=1)
MOST_DOUBLINGS = 10
RETRY_OF_TARGET = 0.25
FOR_A_PERSON = timedelta(hours=1)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
_A_WEEK_OF_DAYS = range(-1, 9)


class Schedule(NamedTuple):
    """What is in effect for a VM. See `PolicyValues`."""

    kind: str
    target_seconds: int | None = None
    cron: str = ""
    time_zone: str = "UTC"
    latest_start_minutes: int | None = None
    windows: tuple[Window, ...] = ()
    compare_every_days: int | None = None


class RunFacts(NamedTuple):
    """What is known of a VM's replications.

    `since`: when it was taken under management. `lead_seconds`: how long before its target a
    replication has to begin, as it will wait and take some time. `needs_a_person`: the last one was
    refused for a reason that does not pass by itself. `compared_at`: when its disks were last read
    whole, by a comparison or a full copy; None: by no job that is still known."""

    context_id: str
    since: datetime
    newest_point_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failures_in_a_row: int = 0
    needs_a_person: bool = False
    lead_seconds: float = 0.0
    compared_at: datetime | None = None


class Due(NamedTuple):
    """`why`: one of DueWhy. `compare`: every disk is to be compared whole. `holds_until`: it may no
    longer start from then on, and its next run is to be worked out anew; None: nothing ends."""

    at: datetime
    why: str
    compare: bool = False
    holds_until: datetime | None = None


def next_run(wanted: Schedule, facts: RunFacts, now: datetime) -> Due | None:
    """When the VM is due, which may be past; None: never by itself. Times are in UTC."""
    due = _by_kind(wanted, facts, now)
    compare_at = _compare_at(wanted, facts)
    if due is None:
        if compare_at is None:
            return None
        due = Due(max(compare_at, _not_before(wanted, facts)), "compare", compare=True)
        return _within_hours(wanted, due, now)
    return due._replace(compare=compare_at is not None and compare_at <= max(due.at, now))


def _by_kind(wanted: Schedule, facts: RunFacts, now: datetime) -> Due | None:
    if wanted.kind == RPOKind.TARGET:
        return _within_hours(wanted, _by_target(wanted, facts), now)
    if wanted.kind == RPOKind.CALENDAR:
        return _by_calendar(wanted, facts, now)
    return None


def _by_target(wanted: Schedule, facts: RunFacts) -> Due:
    target = float(wanted.target_seconds or 0)
    if facts.newest_point_at is None:
        due, why = facts.since, "first"
    else:
        early = min(facts.lead_seconds, target * MOST_LEAD) + target * SPREAD * share_of(
            facts.context_id
        )
        due, why = facts.newest_point_at + timedelta(seconds=target - early), "target"
    earliest = _not_before(wanted, facts)
    if earliest > due:
        due, why = earliest, "retry"
    return Due(due, why)


def _within_hours(wanted: Schedule, due: Due, now: datetime) -> Due:
    """Not before its hours begin. What was due in hours that are over waits for the next ones."""
    at = _open_at(wanted, due.at, now)
    return due._replace(at=at, holds_until=closes(wanted, max(at, now)))


def _until(wanted: Schedule, due: Due, latest: datetime, now: datetime) -> Due:
    ends = closes(wanted, max(due.at, now))
    return due._replace(holds_until=latest if ends is None else min(latest, ends))


def _open_at(wanted: Schedule, moment: datetime, now: datetime) -> datetime:
    at = next_open(wanted, moment)
    return at if at >= now or is_open(wanted, now) else next_open(wanted, now)


def _by_calendar(wanted: Schedule, facts: RunFacts, now: datetime) -> Due:
    """The next start after the last one. Starts that were missed are made up for once, while the
    calendar allows it."""
    late = timedelta(minutes=wanted.latest_start_minutes or 0)
    earliest = _not_before(wanted, facts)
    if facts.failures_in_a_row and facts.started_at:
        again = _open_at(wanted, earliest, now)
        if max(again, now) <= facts.started_at + late:
            return _until(wanted, Due(again, "retry"), facts.started_at + late, now)
    after = max(facts.started_at or facts.since, now - late - timedelta(seconds=1))
    for start in calendars.starts(wanted.cron, wanted.time_zone, after):
        at = _open_at(wanted, max(start, earliest), now)
        if at <= start + late:
            return _until(wanted, Due(at, "calendar"), start + late, now)
        if start - after > calendars.LOOK_AHEAD:
            break  # its hours and its calendar never meet: then at least the calendar counts
    start = next(calendars.starts(wanted.cron, wanted.time_zone, after))
    return Due(start, "calendar", holds_until=start + late)


def _not_before(wanted: Schedule, facts: RunFacts) -> datetime:
    """How long a VM rests after failures: longer each time, but never much of its target."""
    if facts.ended_at is None or not (facts.failures_in_a_row or facts.needs_a_person):
        return LONG_AGO
    target = timedelta(seconds=wanted.target_seconds or 0)
    if facts.needs_a_person:
        return facts.ended_at + max(FOR_A_PERSON, target)
    rest = FIRST_RETRY * 2 ** min(facts.failures_in_a_row - 1, MOST_DOUBLINGS)
    rest = min(rest, LAST_RETRY)
    if target:
        rest = min(rest, target * RETRY_OF_TARGET)
    return facts.ended_at + max(rest, FIRST_RETRY)


def _compare_at(wanted: Schedule, facts: RunFacts) -> datetime | None:
    if not wanted.compare_every_days or facts.newest_point_at is None:
        return None  # the first copy reads everything
    # Of one whose job is forgotten by now it is only known that it was not later.
    compared_at = facts.compared_at or facts.since
    return compared_at + timedelta(days=wanted.compare_every_days)


def share_of(context_id: str) -> float:
    """From 0 to 1, always the same for one VM, and evenly spread over many."""
    digest = hashlib.blake2s(context_id.encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32


def is_open(wanted: Schedule, moment: datetime) -> bool:
    """Whether a replication may start at this moment."""
    return next_open(wanted, moment) == moment


def next_open(wanted: Schedule, moment: datetime) -> datetime:
    """This moment if a replication may start then, else when the next of its hours begin."""
    if not wanted.windows:
        return moment
    opens = []
    for begin, end in _hours(wanted.windows, wanted.time_zone, moment):
        if begin <= moment < end:
            return moment
        if begin > moment:
            opens.append(begin)
    return min(opens)


def closes(wanted: Schedule, moment: datetime) -> datetime | None:
    """When the hours end in which this moment is; None: never."""
    if not wanted.windows:
        return None
    hours = _hours(wanted.windows, wanted.time_zone, moment)
    return max((end for begin, end in hours if begin <= moment < end), default=None)


def _hours(
    windows: Sequence[Window], time_zone: str, moment: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """The hours of the week around a moment. Those over midnight belong to the day on which they
    begin."""
    zone = calendars.zone(time_zone)
    today = moment.astimezone(zone).date()

    def utc(day: date, minute: int) -> datetime:
        day += timedelta(days=minute // 1440)
        at = time(minute % 1440 // 60, minute % 60)
        return datetime.combine(day, at, zone).astimezone(UTC)

    for days in _A_WEEK_OF_DAYS:
        day = today + timedelta(days=days)
        for window in windows:
            if window.days & (1 << day.weekday()):
                is_over_midnight = window.to_minute <= window.from_minute
                end = window.to_minute + (1440 if is_over_midnight else 0)
                yield utc(day, window.from_minute), utc(day, end)
