"""Services that are one transaction, and outlive that the database breaks it off."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, transaction
from django.db.models import QuerySet

from contexts.database_errors import was_broken_off

log = logging.getLogger(__name__)

TRIES = 5
PAUSE_SECONDS = 0.05  # at most, times the number of the try: two that collide do not do it again

P = ParamSpec("P")
R = TypeVar("R")


def one_transaction(service: Callable[P, R]) -> Callable[P, R]:
    """The service runs in one transaction, and again from its start when the database breaks that
    off for another one's sake (deadlock, serialization failure): nothing of it has happened then.

    Within a caller's transaction it is a part of that one, which only the caller can repeat.
    """

    @functools.wraps(service)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        tries_left = 0 if transaction.get_connection().in_atomic_block else TRIES - 1
        while True:
            try:
                with transaction.atomic():
                    return service(*args, **kwargs)
            except OperationalError as problem:
                if not tries_left or not was_broken_off(problem):
                    raise
                log.warning("%s is repeated: %s", service.__qualname__, str(problem).split("\n")[0])
            time.sleep(random.uniform(0, PAUSE_SECONDS * (TRIES - tries_left)))  # noqa: S311
            tries_left -= 1

    return run


def lock_free(rows: QuerySet[Any]) -> list[Any]:
    """Within a transaction: lock those of the rows that no other one holds, and return their keys.

    For what is repeated anyway: a transaction that is stuck somewhere keeps nobody waiting here,
    and the log says which rows are left out.
    """
    wanted = list(rows.order_by("pk").values_list("pk", flat=True))
    locked = rows.model.objects.select_for_update(no_key=True, skip_locked=True)
    free = list(locked.filter(pk__in=wanted).order_by("pk").values_list("pk", flat=True))
    for key in set(wanted).difference(free):
        log.warning(
            "%s %s is left out: another transaction holds its row", rows.model.__name__, key
        )
    return free
