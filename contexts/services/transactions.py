"""Services that run as one transaction, and repeat it when the database rolls it back."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import Model, QuerySet

from contexts import trail
from contexts.database_errors import own_words, was_rolled_back

log = logging.getLogger(__name__)

ATTEMPTS = 5
PAUSE_SECONDS = 0.05  # longest pause, times the attempt: two that collided do not collide again
BRIEFLY_SECONDS = 1

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Model)


def one_transaction(service: Callable[P, R]) -> Callable[P, R]:
    """Run the service in one transaction, and repeat it from its start when the database rolls it
    back in favour of another (deadlock, serialization failure): nothing was written then.

    Within a caller's transaction it is part of that transaction, which only the caller can repeat.
    What it tells the audit trail is written at its end (`contexts.trail`).
    """

    @functools.wraps(service)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        attempts_left = 0 if transaction.get_connection().in_atomic_block else ATTEMPTS - 1
        while True:
            try:
                with transaction.atomic(), trail.gathered():
                    return service(*args, **kwargs)
            except OperationalError as problem:
                if not attempts_left or not was_rolled_back(problem):
                    raise
                log.warning("repeating %s: %s", service.__qualname__, own_words(problem))
            time.sleep(random.uniform(0, PAUSE_SECONDS * (ATTEMPTS - attempts_left)))  # noqa: S311
            attempts_left -= 1

    return run


def lock_free(rows: QuerySet[Any]) -> list[Any]:
    """Within a transaction: lock the rows that no other transaction holds, and return their keys.

    For work that is repeated anyway: a stuck transaction keeps nothing waiting here, and the log
    names the rows that were skipped.
    """
    wanted = list(rows.order_by("pk").values_list("pk", flat=True))
    locked = rows.model.objects.select_for_update(no_key=True, skip_locked=True)
    free = list(locked.filter(pk__in=wanted).order_by("pk").values_list("pk", flat=True))
    for key in set(wanted).difference(free):
        log.warning("skipping %s %s: another transaction holds its row", rows.model.__name__, key)
    return free


def only_free(rows: QuerySet[T]) -> QuerySet[T]:
    """Within a transaction, for an `update`: the rows that no other transaction holds. They are
    locked and changed in one statement, which never waits."""
    free = rows.order_by().select_for_update(no_key=True, skip_locked=True).values("pk")
    return rows.model._default_manager.filter(pk__in=free)


def wait_briefly() -> None:
    """Until the transaction ends, wait only a moment for rows that another one holds. For work in
    many pieces, each of which can wait until the next run."""
    if connection.vendor == "postgresql":  # SQLite has one lock for all, which is soon free
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{BRIEFLY_SECONDS}s'")


EDIT = "edit"
"""For `one_at_a_time`: comparing what is stored with what somebody saw of it, and changing it."""


def one_at_a_time(what: str) -> None:
    """Within a transaction: from here to its end nobody else does this (`what`: its name). For a
    decision that depends on what others have just decided. It waits as for a row."""
    if connection.vendor == "postgresql":  # SQLite lets one transaction write at a time
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"vmrep:{what}"])
