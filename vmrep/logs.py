"""The lines of the log, as text or as JSON. No content forges a line, and what the database says of
rows that it refuses stays out of them."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from structlog.contextvars import get_contextvars

from vmrep.request_id import request_id

LINE = "%(asctime)s %(levelname)s %(name)s %(process)d %(request_id)s %(message)s"
TEXT, JSON = "text", "json"
# Whatever moves a terminal's cursor or turns the direction of writing; tab and newline are left.
_UNSEEN = re.compile(
    r"[^\S \t\n]|[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def formatter(style: str) -> logging.Formatter:
    """The one of this installation: `text` or `json`."""
    return JSONFormatter() if style == JSON else LineFormatter(LINE)


class LineFormatter(logging.Formatter):
    """With an error, PostgreSQL tells the content of rows (DETAIL, CONTEXT), which may be secret.
    Of an error that is logged with its traceback only the first sentence is kept.

    `request_id` is the request's that the line belongs to, or "-". Only the first line of a record
    begins at the left: what a server or a VM's name says is never taken for another record."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.get() or "-"
        line = without_rows(super().format(record), record.exc_info[1] if record.exc_info else None)
        return _UNSEEN.sub(_escaped, line).replace("\n", "\n    ")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class JSONFormatter(logging.Formatter):
    """An object on each line: `at` (UTC), `level`, `logger`, `process`, `thread`, `message`, with a
    traceback `error`, and what the line belongs to: `request_id`, `command`, `task`, `job`,
    `attempt`, `vm`, `context`, `vcenter`. Other characters than ASCII's are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        told: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "thread": record.threadName,
            "message": without_rows(record.getMessage(), error),
        }
        if record.exc_info:
            told["error"] = without_rows(self.formatException(record.exc_info), error)
        if record.stack_info:
            told["stack"] = record.stack_info
        if own := request_id.get():
            told["request_id"] = own
        return json.dumps({**get_contextvars(), **told}, default=str)


def as_line(message: str, logger: str) -> str:
    """As JSON, for what has to be said without a logger."""
    return JSONFormatter().format(
        logging.makeLogRecord(
            {"msg": message, "name": logger, "levelno": logging.INFO, "levelname": "INFO"}
        )
    )


def take_over() -> None:
    """Have logged what Python would write by itself: warnings, and errors that nobody caught."""
    logging.captureWarnings(True)
    sys.excepthook = _log_error
    threading.excepthook = lambda thread: _log_error(*thread[:3])


def _log_error(kind: Any, error: Any, trace: Any) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger(__name__).critical("nobody caught it", exc_info=(kind, error, trace))


def without_rows(line: str, error: BaseException | None) -> str:
    """The line without what PostgreSQL tells of rows in this error."""
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
