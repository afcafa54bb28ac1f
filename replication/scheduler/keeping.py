"""Whether a VM's target can be kept, in words; plain."""

from __future__ import annotations

from typing import NamedTuple

from contexts.text import binary, duration
from replication.scheduler.estimate import FEW, Estimate, job_seconds, shortest_target_seconds

NOT_KNOWN = f"not known yet: needs {FEW} incremental replications"
_AN_HOUR = 3600


class Verdict(NamedTuple):
    """`can_be_kept` is None while nothing can be said. `shortest_seconds`: the shortest target that
    could be kept; None: unknown, or none. `words`: a sentence without a full stop."""

    can_be_kept: bool | None
    shortest_seconds: float | None
    words: str

    @property
    def is_known(self) -> bool:
        return self.words != NOT_KNOWN


def verdict(known: Estimate | None, target_seconds: int | None) -> Verdict:
    """By what has been measured: “5 min cannot be kept: 18 GiB/h at 40 MiB/s needs 8 min”."""
    if known is None:
        return Verdict(None, None, NOT_KNOWN)
    shortest = shortest_target_seconds(known)
    pace = f"{binary(known.changed_per_second * _AN_HOUR)}/h{_speed(known)}"
    if target_seconds is None:
        needs = "no target could be kept" if shortest is None else f"needs {spoken(shortest)}"
        return Verdict(None, shortest, f"{pace}: {needs}")
    if shortest is None:
        return Verdict(
            False, None, f"{spoken(target_seconds)} cannot be kept: {pace} is more than can be read"
        )
    if shortest > target_seconds:
        said = f"{spoken(target_seconds)} cannot be kept: {pace} needs {spoken(shortest)}"
        return Verdict(False, shortest, said)
    takes = spoken(job_seconds(known, target_seconds))
    said = f"{spoken(target_seconds)} can be kept: {pace} takes {takes} each time"
    return Verdict(True, shortest, said)


def _speed(known: Estimate) -> str:
    """Nothing of replications that read too little to have a speed."""
    return f" at {binary(known.bytes_per_second)}/s" if known.bytes_per_second else ""


def spoken(seconds: float) -> str:
    """As `duration`, but nobody takes the minutes for megabytes: 8 min, 1 h 30 min."""
    return " ".join("min" if part == "m" else part for part in duration(seconds).split())
