"""What the web server does while the database does not answer: nothing waits for ever, and whoever
asks is told at once, so that the addresses for machines always find a thread.

Each process finds out by itself. The request that does is answered late; for the next seconds the
others are not let through to the database, then one of them may try.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from psycopg.errors import _WaitTimeout  # what a `timeout` raises; it has no public name

from contexts.database_errors import is_away
from vmrep.incoming import API
from vmrep.problems import problem_response

# More than any lock may be waited for; no statement of a page takes nearly as long.
ANSWER_SECONDS = 30.0
TRY_AGAIN_SECONDS = 5.0
WITHOUT_DATABASE = frozenset({"healthz", "readyz"})
_READS_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})

_lock = threading.Lock()
_tried_at: float | None = None


def bound_waits() -> None:
    """From now on no connection of this process to PostgreSQL waits longer than ANSWER_SECONDS for
    a statement: keepalives find a machine that is gone, but not a server that hangs."""
    connection_created.connect(_bound)


def _bound(sender: object, connection: BaseDatabaseWrapper, **_: object) -> None:
    raw = connection.connection
    if not isinstance(raw, psycopg.Connection):
        return
    wait = raw.wait

    def at_most(generator: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return wait(generator, *arguments, **{"timeout": ANSWER_SECONDS, **options})
        except _WaitTimeout as late:
            raw.close()  # whatever comes now is the answer to another question
            raise psycopg.OperationalError(
                f"the database did not answer within {ANSWER_SECONDS:.0f} seconds"
            ) from late

    raw.wait = at_most  # type: ignore[assignment, method-assign]


def noted(problem: BaseException | None) -> bool:
    """Whether this is why a request failed; the next ones are answered without trying."""
    global _tried_at
    if not isinstance(problem, OperationalError | InterfaceError) or not is_away(problem):
        return False
    with _lock:
        _tried_at = time.monotonic()
    return True


def answer(request: HttpRequest, *, was_asked: bool) -> HttpResponse:
    """Answers programs in JSON and people with a page. `was_asked`: the request came as far as the
    database, so that it may be the answer to its COMMIT that did not come."""
    if request.method in _READS_ONLY:
        what_now = "Try again in a minute."
    elif was_asked:
        what_now = "Whether your change was made is not known: look, before you try again."
    else:
        what_now = "Nothing was changed: try again in a minute."
    response: HttpResponse
    if request.path_info.startswith(API):
        message = f"The database does not answer. {what_now}"
        response = problem_response(503, "database_unreachable", message)
    else:
        page = render_to_string("503.html", {"what_now": what_now})
        response = HttpResponse(page, status=503)
    response["Retry-After"] = f"{TRY_AGAIN_SECONDS:.0f}"
    response["Cache-Control"] = "no-store"
    return response


class DatabaseAwayMiddleware:
    """Before all that asks the database."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        match = request.resolver_match
        if match is not None and match.url_name in WITHOUT_DATABASE:
            return None
        return None if answers() else answer(request, was_asked=False)


def answers() -> bool:
    """Whether the database answers, as far as this process knows. After a failure it asks again,
    once in TRY_AGAIN_SECONDS."""
    global _tried_at
    with _lock:
        if _tried_at is None:
            return True
        if time.monotonic() < _tried_at + TRY_AGAIN_SECONDS:
            return False
        _tried_at = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (OperationalError, InterfaceError) as problem:
        noted(problem)
        return False
    _tried_at = None
    return True
