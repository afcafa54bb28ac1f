"""Which of a VM's recovery points stay by a policy's rules. Pure: what is shown beforehand is what
removes them.

The rules are those of Proxmox Backup Server, as its documentation explains them: from the shortest
interval to the longest, each keeps the newest point of each of so many periods that have one. A
period in which an earlier rule keeps a point is not counted again, and whatever a rule has passed
over is none of the later ones' business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Rules(NamedTuple):
    """How many points each rule keeps; 0 is no rule. Without any rule only the newest stay."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


class PointFacts(NamedTuple):
    """What the choice depends on."""

    key: int
    consistent_at: datetime
    is_damaged: bool = False
    is_pinned: bool = False
    is_held: bool = False
    """A reader needs it now."""


class Mark(StrEnum):
    """Why a point stays, or that it goes."""

    LAST = "last"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    PINNED = "pinned"
    HELD = "held"
    NEWEST = "newest"
    USABLE = "usable"
    """The newest that can be used."""
    DAMAGED = "damaged"
    """Damaged, but nothing that can be used is newer."""
    ALL = "all"
    """The policy keeps all points."""
    GOES = "goes"


Period = Callable[[datetime], object]
_PERIODS: tuple[tuple[Mark, Period], ...] = (
    # Hours by the clock in UTC: an hour that a time zone has twice is two.
    (Mark.HOURLY, lambda at: at.timestamp() // 3600),
    (Mark.DAILY, lambda at: at.date()),
    (Mark.WEEKLY, lambda at: at.isocalendar()[:2]),
    (Mark.MONTHLY, lambda at: (at.year, at.month)),
    (Mark.YEARLY, lambda at: at.year),
)


def choose(points: Iterable[PointFacts], rules: Rules | None, zone: ZoneInfo) -> dict[int, Mark]:
    """The mark of every point, by its key. `rules`: None keeps them all. `zone`: in which days,
    weeks, months and years begin.

    A pinned point takes no place of a rule, and neither does a damaged one; but a damaged one does
    not go before it would if it were whole. The newest point never goes, nor the newest that can be
    used, nor the one that was made last (the highest key), whatever a clock said: the next one is
    based on it.
    """
    newest_first = sorted(points, key=lambda point: (point.consistent_at, point.key), reverse=True)
    if rules is None:
        return {point.key: Mark.ALL for point in newest_first}
    ordinary = [point for point in newest_first if not point.is_pinned]
    whole = [point for point in ordinary if not point.is_damaged]
    marks = _by_rules(ordinary, rules, zone)
    marks = {point.key: marks[point.key] for point in ordinary if point.is_damaged}
    marks |= _by_rules(whole, rules, zone)
    return {point.key: _mark(point, newest_first, marks) for point in newest_first}


def _mark(point: PointFacts, newest_first: Sequence[PointFacts], marks: dict[int, Mark]) -> Mark:
    if point.is_pinned:
        return Mark.PINNED
    mark = marks[point.key]
    if mark is not Mark.GOES:
        return mark
    if point is newest_first[0] or point.key == max(one.key for one in newest_first):
        return Mark.NEWEST
    usable = next((one for one in newest_first if not one.is_damaged), None)
    if point is usable:
        return Mark.USABLE
    if point.is_damaged and (usable is None or _is_newer(point, usable)):
        return Mark.DAMAGED
    return Mark.HELD if point.is_held else Mark.GOES


def _is_newer(point: PointFacts, other: PointFacts) -> bool:
    return (point.consistent_at, point.key) > (other.consistent_at, other.key)


def _by_rules(newest_first: Sequence[PointFacts], rules: Rules, zone: ZoneInfo) -> dict[int, Mark]:
    marks = {point.key: Mark.LAST for point in newest_first[: rules.last]}
    for count, (mark, period) in zip(rules[1:], _PERIODS, strict=True):
        periods = {it.key: period(it.consistent_at.astimezone(zone)) for it in newest_first}
        kept = {periods[key] for key, given in marks.items() if given is not Mark.GOES}
        mine = set[object]()
        for point in newest_first:
            its_period = periods[point.key]
            if point.key in marks or its_period in kept:
                continue
            if its_period in mine:
                marks[point.key] = Mark.GOES
            elif len(mine) == count:
                break
            else:
                mine.add(its_period)
                marks[point.key] = mark
    return {point.key: marks.get(point.key, Mark.GOES) for point in newest_first}
