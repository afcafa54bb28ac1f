"""Work in pieces that is repeated soon anyway: no piece may prevent the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from django.db import OperationalError

from contexts.database_errors import lock_timed_out, own_words

log = logging.getLogger(__name__)


def one_by_one(pieces: Iterable[tuple[str, Callable[[], None]]]) -> None:
    """Do each piece (its name for the log, and what to call), whatever happens to the others.

    A piece that waited in vain for a row that another transaction holds is left for the next time.
    Every other error is logged; after the last piece they are raised as one ExceptionGroup, so that
    the task shows as failed.
    """
    problems: list[Exception] = []
    for name, act in pieces:
        try:
            act()
        except Exception as problem:
            if isinstance(problem, OperationalError) and lock_timed_out(problem):
                log.warning("%s is left for the next time: %s", name, own_words(problem))
                continue
            log.exception("%s failed", name)
            problems.append(problem)
    if problems:
        raise ExceptionGroup(f"{len(problems)} failed; the others were done", problems)
