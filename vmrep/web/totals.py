"""The numbers over all VMs, jobs and images that the page of VMs shows around its table.

Each is counted over as many rows as there are VMs, or jobs of a day. So a process keeps them while
their source data stays the same, but no longer than `KEPT_SECONDS`, because they also depend on the
clock: time alone puts a VM at risk.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from threading import Lock
from typing import NamedTuple

from contexts import selectors as context_selectors
from replication.selectors import home
from replication.selectors.contexts import context_counts
from replication.selectors.protection import Terms
from vmrep import access
from vmrep.web import versions

KEPT_SECONDS = 10.0
KEPT_SCOPES = 100


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
_kept: dict[Hashable, _Kept] = {}


def current_totals(user: access.User, visible: home.Visible, terms: Terms) -> Totals:
    """As of `terms.now`, or of a few seconds ago. `visible` is what the user sees: users who see
    the same get the same."""
    facts, scope = versions.facts_of_totals(), access.scope(user)
    with _lock:  # whoever comes while another thread counts waits for its result
        moment = time.monotonic()
        kept = _kept.get(scope)
        if kept is None or kept.facts != facts or moment >= kept.until:
            kept = _Kept(facts, moment + KEPT_SECONDS, _count(visible, terms))
            _keep(scope, kept)
        return kept.totals


def _keep(scope: Hashable, kept: _Kept) -> None:
    _kept.pop(scope, None)
    if len(_kept) >= KEPT_SCOPES:
        del _kept[next(iter(_kept))]  # which was counted before all others
    _kept[scope] = kept


def _count(visible: home.Visible, terms: Terms) -> Totals:
    failed = home.last_job_failed_count(visible)
    return Totals(
        context_counts(visible.contexts, terms) | {"last_job_failed": failed},
        home.settled(visible, terms),
        context_selectors.os_types(visible.contexts),
    )
