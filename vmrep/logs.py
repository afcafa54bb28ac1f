"""The lines of the log: what the database says of rows that it refuses stays out of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from vmrep.request_id import request_id

LINE = "%(asctime)s %(levelname)s %(name)s %(process)d %(request_id)s %(message)s"


class LineFormatter(logging.Formatter):
    """With an error, PostgreSQL tells the content of rows (DETAIL, CONTEXT), which may be secret.
    Of an error that is logged with its traceback only the first sentence is kept.

    `request_id` is the request's that the line belongs to, or "-"."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.get() or "-"
        line = super().format(record)
        error = record.exc_info[1] if record.exc_info else None
        for each in _chain(error):
            primary = _primary(each)
            if primary is not None:
                # Celery puts the error's repr into the message.
                line = line.replace(repr(each), f"{type(each).__name__}({primary!r})")
                line = line.replace(str(each), primary)
        return line


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and all that a traceback tells with it."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]


def _primary(error: BaseException) -> str | None:
    """The first sentence of an error of PostgreSQL, which names no values of a row; None for
    others. Django's error has the driver's as its cause."""
    for one in (error, error.__cause__):
        words = getattr(getattr(one, "diag", None), "message_primary", None)
        if isinstance(words, str) and words and str(error).startswith(words):
            return words
    return None
