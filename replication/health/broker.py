"""Whether Redis answers. A page asks this, so the answer is bounded in time and kept a moment."""

from __future__ import annotations

import time
from threading import Lock
from typing import NamedTuple

from celery import current_app
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from contexts.text import printable

KEPT_SECONDS = 5.0
ANSWER_SECONDS = 1.0
_LONGEST = 300


class _Look(NamedTuple):
    problem: str
    until: float


_lock = Lock()
_last: _Look | None = None


def problem(*, fresh: bool = False) -> str:
    """Why Redis does not answer, in its client's words; empty if it answers. `fresh`: as of now,
    not of the last few seconds. Takes about `ANSWER_SECONDS` at most."""
    global _last
    last = _last
    if last is not None and not fresh and time.monotonic() < last.until:
        return last.problem
    # Redis may hang: then one thread waits for it, and the others have the answer before.
    if not _lock.acquire(blocking=fresh or last is None):
        return last.problem if last is not None else ""
    try:
        asked = ask(str(current_app.conf.broker_url))
        _last = _Look(asked, time.monotonic() + KEPT_SECONDS)
        return asked
    finally:
        _lock.release()


def ask(url: str) -> str:
    """As `problem`, of the Redis at this address, now."""
    options = dict(current_app.conf.broker_transport_options or {}) | {
        "socket_connect_timeout": ANSWER_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "max_retries": 0,
    }
    with Connection(url, transport_options=options) as connection:
        try:
            # Its own first words are a PING.
            connection.transport.establish_connection()
        except (OperationalError, OSError, RedisError) as error:
            return printable(str(error) or type(error).__name__)[:_LONGEST]
    return ""
