"""Services that are one transaction, and outlive that the database breaks it off."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, transaction

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
