"""How long a VM's next replication will take, from its last ones; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

FEW = 3
"""Of fewer incremental runs nothing can be said."""
MARGIN = 1.3
TWO_TICKS_SECONDS = 20.0
LOST_SECONDS = 40.0
"""After so long the lease of a worker that died is over, and another one does its job again: a VM
keeps its target even then."""


class Run(NamedTuple):
    """A completed replication. `waited_seconds`: until a worker began it; `read_bytes` of what had
    changed in `interval_seconds`, since the recovery point before (None: everything was read)."""

    seconds: float
    waited_seconds: float
    read_bytes: int
    bytes_per_second: float | None
    interval_seconds: float | None


class Estimate(NamedTuple):
    """All of a VM's incremental runs: what changes, what is read, both in bytes per second, and
    how long the rest takes. `bytes_per_second` is None while nothing was read."""

    changed_per_second: float
    bytes_per_second: float | None
    overhead_seconds: float
    wait_seconds: float


def estimate(history: Sequence[Run]) -> Estimate | None:
    """None: too little is known, and nothing is guessed."""
    runs = [run for run in history if run.interval_seconds]
    if len(runs) < FEW:
        return None
    rates = sorted(run.bytes_per_second for run in runs if run.bytes_per_second)
    speed = rates[len(rates) // 2] if rates else None
    return Estimate(
        changed_per_second=_high(
            [run.read_bytes / max(run.interval_seconds or 0, 1.0) for run in runs]
        ),
        bytes_per_second=speed,
        overhead_seconds=_high(
            [max(0.0, run.seconds - (run.read_bytes / speed if speed else 0)) for run in runs]
        ),
        wait_seconds=_high([run.waited_seconds for run in runs]),
    )


def job_seconds(known: Estimate, interval_seconds: float) -> float:
    """How long a run takes that comes so long after the one before."""
    read = known.changed_per_second * interval_seconds
    return known.overhead_seconds + (read / known.bytes_per_second if known.bytes_per_second else 0)


class Usual(NamedTuple):
    """How long runs take on average: what nine of ten do not exceed would be far too much for a
    queue, where they are added up. `late_seconds`: of one that begins as the target is exceeded,
    and so reads more than others."""

    seconds: float
    late_seconds: float


def usual(history: Sequence[Run], target_seconds: float | None) -> Usual | None:
    """None: too little is known."""
    runs = [run for run in history if run.interval_seconds]
    if len(runs) < FEW:
        return None
    reading = sum(run.read_bytes / run.bytes_per_second for run in runs if run.bytes_per_second)
    seconds = sum(run.seconds for run in runs)
    rest = max(0.0, seconds - reading) / len(runs)
    share = reading / sum(run.interval_seconds or 0.0 for run in runs)
    mean = seconds / len(runs)
    return Usual(mean, mean if target_seconds is None else rest + share * target_seconds)


def shortest_target_seconds(known: Estimate) -> float | None:
    """The shortest target that replications of this VM keep when each begins as the one before it
    ends. None: more changes than can be read meanwhile, so that no target can be kept.

    A recovery point gets as old as one run and the next one take together; each of them reads what
    has changed during the one before.
    """
    share = _share(known)
    rest = known.overhead_seconds + known.wait_seconds
    return 2 * rest / (1 - share) if share < 1 else None


def latest_start_seconds(known: Estimate | None, target_seconds: int) -> float:
    """How long after a recovery point the next replication has to begin, so that it ends before the
    target is exceeded. Never negative."""
    if known is None:
        return max(0.0, target_seconds - TWO_TICKS_SECONDS)
    rest = known.overhead_seconds + known.wait_seconds
    return max(0.0, (target_seconds - rest) / (1 + _share(known)))


def _share(known: Estimate) -> float:
    """How long it takes to read what changes in a second."""
    return known.changed_per_second / known.bytes_per_second if known.bytes_per_second else 0.0


def usual_start_seconds(usual: Usual | None, known: Estimate | None, target_seconds: int) -> float:
    """As `latest_start_seconds`, if the next replication takes as long as usual."""
    if usual is None:
        return latest_start_seconds(known, target_seconds)
    return max(0.0, target_seconds - usual.late_seconds)


def lead_seconds(known: Estimate | None, target_seconds: int | None) -> float:
    """How long before the target a replication has to begin."""
    margin = TWO_TICKS_SECONDS + LOST_SECONDS
    if known is None or target_seconds is None:
        return margin
    return MARGIN * job_seconds(known, target_seconds) + known.wait_seconds + margin


def _high(values: Sequence[float]) -> float:
    """What nine of ten do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * 9 // 10)]
