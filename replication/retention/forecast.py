"""How much room a VM's recovery points take once its retention has what it keeps. Pure: the same
for a policy that is tried and for one that holds."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from replication.retention.choose import Rules

SHORTEST_HISTORY = timedelta(days=1)
"""Less says nothing: first copies are unlike what comes after them, and a night unlike a day."""
LONGEST_CHAIN = 32
_HOUR, _DAY = 3600.0, 86_400.0
_PERIODS = (_HOUR, _DAY, 7 * _DAY, 30.4 * _DAY, 365.2 * _DAY)


class Stored(NamedTuple):
    """What was measured of a VM. `base_bytes`: full copies of its disks. `per_second`: what its
    recovery points add."""

    base_bytes: int
    per_second: float


def measured(
    base_bytes: int | None, added_bytes: int | None, history: timedelta | None
) -> Stored | None:
    """`added_bytes`: what all its points but the first store, in this time. None: too little is
    known."""
    if not base_bytes or history is None or history < SHORTEST_HISTORY:
        return None
    return Stored(base_bytes, (added_bytes or 0) / history.total_seconds())


def steady_bytes(known: Stored, rules: Rules, interval_seconds: float) -> int:
    """What it takes at most, in the end. `interval_seconds`: between two recovery points.

    A point that stays alone for a day stores what changed in that day: at most what all points of
    the day stored together, and never more than a full copy. A chain that gets too long begins anew
    with a full copy."""
    kept = [(max(rules.last, 1), interval_seconds)]
    for count, period in zip(rules[1:], _PERIODS, strict=True):
        kept.append((count, max(period, interval_seconds)))
    points = sum(count for count, _ in kept)
    added = sum(count * min(known.per_second * gap, known.base_bytes) for count, gap in kept)
    return int(known.base_bytes * (1 + (points - 1) // LONGEST_CHAIN) + added)
