"""Whether what somebody wants can be wanted: one check for pages, API and admin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contexts.clock import about_now
from contexts.models.contexts import MAX_RPO_TARGET_SECONDS
from replication.errors import PolicyRefused
from replication.hours import MINUTES_OF_A_DAY
from replication.models.policies import (
    KEEP,
    LARGEST_NUMBER,
    LATEST_START_MINUTES,
    NUMBERS,
    SHORTEST_TARGET_SECONDS,
)
from replication.policies import calendars
from replication.policies.calendars import CalendarRefused
from replication.policies.values import GROUPS, UNSAID, Value, Values
from replication.states import PolicyPriority, QuiesceWish, RetentionKind, RPOKind

_SECONDS_OF_A_MINUTE = 60
MOST_WINDOWS = 50
DEFAULT_LATEST_START_MINUTES = 60
_CHOICES: Mapping[str, Sequence[str]] = {
    "rpo_kind": ["", *RPOKind.values],
    "retention_kind": ["", *RetentionKind.values],
    "quiesce": ["", *QuiesceWish.values],
    "priority": ["", *PolicyPriority.values],
}


class Window(NamedTuple):
    """See PolicyWindow."""

    days: int
    from_minute: int
    to_minute: int


class Wanted(NamedTuple):
    values: Values
    windows: tuple[Window, ...] = ()


def merged(old: Wanted, given: Mapping[str, Value], windows: Sequence[Window] | None) -> Wanted:
    """What was wanted with what is wanted otherwise now. Whoever changes the kind of a group says
    all of the group: what belonged to the old kind goes."""
    values: dict[str, Value] = dict(old.values)
    kept = old.windows
    for group, columns in GROUPS.items():
        kind = columns[0]
        if kind in given and given[kind] != values[kind]:
            stays = {"time_zone"}
            values.update((it, UNSAID[it]) for it in columns if it not in stays)
            kept = () if group == "when" else kept
    if values["rpo_kind"] == RPOKind.CALENDAR:
        values["rpo_target_seconds"] = None  # it follows from the rest
    return Wanted({**values, **given}, kept if windows is None else tuple(windows))


def checked(wanted: Wanted) -> Wanted:
    """The same, with what follows from it. Raises PolicyRefused, which names each field."""
    problems: dict[str, str] = {}
    values = dict(wanted.values)
    for column, choices in _CHOICES.items():
        if values[column] not in choices:
            offered = ", ".join(choice for choice in choices if choice)
            problems[column] = f"Choose one of {offered}; or nothing, to leave it open."
    for column in NUMBERS:
        number = values[column]
        if isinstance(number, int) and not 0 <= number <= LARGEST_NUMBER:
            problems[column] = f"It must be a whole number from 0 to {LARGEST_NUMBER:,}."
    if not problems:
        problems |= _when(values, wanted.windows) | _retention(values)
    if problems:
        raise PolicyRefused(problems)
    return Wanted(values, wanted.windows)


def _when(values: dict[str, Value], windows: Sequence[Window]) -> dict[str, str]:
    kind = values["rpo_kind"]
    problems = _windows(windows)
    try:
        calendars.zone(str(values["time_zone"]))
    except CalendarRefused as problem:
        return problems | {"time_zone": str(problem)}
    if kind == RPOKind.CALENDAR:
        return problems | _calendar(values)
    for column in ("cron", "latest_start_minutes"):
        if values[column] not in ("", None):
            problems[column] = "It belongs to a calendar only: choose that, or leave this out."
    seconds = values["rpo_target_seconds"]
    if kind == RPOKind.TARGET:
        if not isinstance(seconds, int) or not is_possible(seconds):
            problems["rpo_target_seconds"] = "Choose an RPO target between a minute and a year."
        return problems
    if seconds is not None:
        problems["rpo_target_seconds"] = "Choose “Within a target” with it, or leave it out."
    if windows:
        problems["windows"] = "Hours belong to a target or a calendar: choose one of them."
    return problems


def is_possible(seconds: int) -> bool:
    """Whether it can be an RPO target."""
    return SHORTEST_TARGET_SECONDS <= seconds <= MAX_RPO_TARGET_SECONDS


def _calendar(values: dict[str, Value]) -> dict[str, str]:
    """Also sets the target that follows: its longest gap and how late a start may be."""
    if values["rpo_target_seconds"] is not None:
        return {"rpo_target_seconds": "That of a calendar follows from it: leave it out."}
    if values["latest_start_minutes"] is None:
        values["latest_start_minutes"] = DEFAULT_LATEST_START_MINUTES
    late = values["latest_start_minutes"]
    if not isinstance(late, int) or not 1 <= late <= LATEST_START_MINUTES:
        return {"latest_start_minutes": f"It must be from 1 to {LATEST_START_MINUTES:,} minutes."}
    values["cron"] = " ".join(str(values["cron"]).split())
    try:
        gap = calendars.longest_gap(str(values["cron"]), str(values["time_zone"]), about_now())
    except CalendarRefused as problem:
        return {"cron": str(problem)}
    seconds = int(gap.total_seconds()) + late * _SECONDS_OF_A_MINUTE
    if not is_possible(seconds):
        return {"cron": "Between two of its starts there is more than a year."}
    values["rpo_target_seconds"] = seconds
    return {}


def _windows(windows: Sequence[Window]) -> dict[str, str]:
    if len(windows) > MOST_WINDOWS:
        return {"windows": f"{MOST_WINDOWS} at most."}
    for window in windows:
        hours = (window.from_minute, window.to_minute)
        if not 1 <= window.days <= 127:
            return {"windows": "Each needs at least one day of the week."}
        in_a_day = 0 <= hours[0] < MINUTES_OF_A_DAY and 0 <= hours[1] <= MINUTES_OF_A_DAY
        if not in_a_day or hours[0] == hours[1]:
            return {"windows": "Each needs two different times of a day, such as 22:00 and 06:00."}
    return {}


def _retention(values: Values) -> dict[str, str]:
    kept = [column for column in KEEP if values[column] is not None]
    if values["retention_kind"] == RetentionKind.RULES:
        if not any(values[column] for column in kept):
            return {"retention_kind": "Say how many recovery points to keep, by at least one rule."}
        return {}
    return dict.fromkeys(kept, "Choose “By rules” with it, or leave it out.")
