"""Which snapshots were taken together; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from contexts.text import plural

WITHIN = timedelta(seconds=10)
"""From the first to the last of snapshots that count as taken together."""


def together(times: Mapping[int, datetime]) -> set[int]:
    """The keys of as many as were taken within WITHIN; of equally many, those that were first. A
    single one is together with nobody: an empty set, unless there is only one in all."""
    ordered = sorted(times, key=lambda key: times[key])
    best: list[int] = []
    for number, first in enumerate(ordered):
        near = [key for key in ordered[number:] if times[key] - times[first] <= WITHIN]
        best = max(best, near, key=len)  # of equal ones the first
    return set(best) if len(best) > 1 or len(times) == 1 else set()


def spread_seconds(times: Mapping[int, datetime]) -> float | None:
    """From the first to the last; None for fewer than two."""
    if len(times) < 2:
        return None
    return (max(times.values()) - min(times.values())).total_seconds()


def how_far(taken_at: datetime, others: Mapping[int, datetime]) -> str:
    """In words, when a snapshot was taken, by the others that were taken together."""
    if not others:
        return (
            f"No other snapshot was taken within {WITHIN.total_seconds():.0f} seconds of its own."
        )
    first, last = min(others.values()), max(others.values())
    if taken_at > last:
        return f"Its snapshot was taken {_seconds(taken_at - first)} after the first of the others."
    return f"Its snapshot was taken {_seconds(last - taken_at)} before the last of the others."


def _seconds(span: timedelta) -> str:
    return plural(round(span.total_seconds()), "second")
