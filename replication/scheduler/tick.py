"""The tick, which beat triggers every few seconds: runs everything that is due."""

from __future__ import annotations

from collections.abc import Callable

from contexts.services import discovery
from contexts.services.one_by_one import one_by_one
from replication import messages
from replication.integrity import runs
from replication.services import left_overs, queue

# A worker that ends a job wakes the next one itself, so the tick needs to wake only a few.
HINTS_PER_TICK = 10


def tick() -> None:
    """Runs each part. All can be repeated at any time, and none waits for the others: rows that
    another transaction holds for too long are left to the next tick.

    Raises an ExceptionGroup of what failed when all parts have run."""
    one_by_one((part.__qualname__, part) for part in _PARTS)


def _hint_jobs() -> None:
    for _ in range(min(queue.runnable().count(), HINTS_PER_TICK)):
        messages.hint_job()


def _hint_clean_ups() -> None:
    for context_id in left_overs.contexts_to_clean():
        messages.hint_clean_up(context_id)


_PARTS: tuple[Callable[[], None], ...] = (
    queue.take_over_expired,
    _hint_jobs,
    _hint_clean_ups,
    discovery.take_up_forgotten,
    runs.take_up_forgotten,
)
