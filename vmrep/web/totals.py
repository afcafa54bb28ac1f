"""The numbers over all VMs, jobs and images that the page of VMs shows around its table.

Each is counted over as many rows as there are VMs, or jobs of a day. So a process keeps them as
long as what they are taken from is the same, but no longer than `KEPT_SECONDS`, because they depend
on the clock, too: a VM comes to be at risk by nothing but time.
"""

from __future__ import annotations

import time
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from contexts import selectors as context_selectors
from replication.selectors import home
from replication.selectors.contexts import context_counts
from vmrep.web import versions

KEPT_SECONDS = 10.0


class Totals(NamedTuple):
    """`counts` is `selectors.contexts.context_counts` with `last_job_failed`."""

    counts: dict[str, int]
    settled: home.Settled
    os_types: list[str]


class _Kept(NamedTuple):
    facts: str
    until: float
    totals: Totals


_lock = Lock()
_kept: _Kept | None = None


def current_totals(now: datetime) -> Totals:
    """As of `now`, or of a few seconds ago."""
    global _kept
    facts = versions.facts_of_totals()
    with _lock:  # whoever comes while another one counts waits for that
        moment = time.monotonic()
        if _kept is None or _kept.facts != facts or moment >= _kept.until:
            _kept = _Kept(facts, moment + KEPT_SECONDS, _count(now))
        return _kept.totals


def _count(now: datetime) -> Totals:
    return Totals(
        context_counts(now) | {"last_job_failed": home.last_job_failed_count()},
        home.settled(now),
        context_selectors.os_types(),
    )
