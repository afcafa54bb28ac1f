"""What people are told after they asked for work: that it was begun, or what it waits for.

A hint that Redis did not take, or that no worker hears, is no error: the work is in the database.
But nothing green is said of it.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

from contexts.clock import about_now
from replication.health import broker
from replication.selectors import health


def requested(request: HttpRequest, done: str, *, waiting: str, queue: str) -> None:
    """`done`: what to say when a worker of the queue takes it at once ("… was started."); empty:
    nothing. `waiting`: the beginning of the sentence when none does ("… is waiting")."""
    missing = missing_now(queue)
    if missing:
        messages.warning(request, f"{waiting}: {missing}")
    elif done:
        messages.success(request, done)


def missing_now(queue: str) -> str:
    """Why work of the queue waits, as of this moment; empty if it need not wait."""
    broker.problem(fresh=True)
    return health.what_is_missing(queue, about_now())
