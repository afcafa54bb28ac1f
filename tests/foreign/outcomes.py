"""What a request's body names, and its user does not see, is answered as if it did not exist: by
every field of the API's bodies and every form of the pages that takes the key of an object, found
by themselves.

Each is sent with the key of an object outside, of one that is nowhere, and of one within. The first
two get the same answer, and write to the same tables: it is the third that shows that it is the key
which is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib.messages import get_messages
from django.db import connection
from django.forms import BaseForm
from django.test.utils import CaptureQueriesContext

from tests.asking import OUTSIDE, Asking

ABSENT, ABSENT_WORD = 99_999_999, "ctx-zq9nowhere"
"""Keys that no object has."""


def nowhere(name: str) -> object:
    """Such a key of that kind."""
    return ABSENT_WORD if name in ("context_id", "lone_context_id", "job_id") else ABSENT


class Outcome(NamedTuple):
    """What a user is told, without the value that was sent, and the tables that were written to."""

    status: int
    told: tuple[str, ...]
    written: tuple[str, ...]


WRITES = re.compile(r'(INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')
OF_ITSELF = ("audit_events", "sessions", "auth_user")  # that somebody asked


def outcome(asking: Asking, who: str, method: str, path: str, body: Any, sent: object) -> Outcome:
    asking.client(who).cookies.pop("messages", None)  # those of what was asked before
    if method == "GET":
        path, body = f"{path.partition('?')[0]}?{body}", ""
    with CaptureQueriesContext(connection) as captured:
        answer = asking(who, method, path, body)
    found = [match.groups() for each in captured if (match := WRITES.match(each["sql"]))]
    written = sorted({f"{verb} {table}" for verb, table in found if table not in OF_ITSELF})
    told = [re.sub(re.escape(str(sent)), "#", each) for each in _told(answer)]
    return Outcome(answer.status_code, tuple(told), tuple(written))


def _told(answer: Any) -> Iterator[str]:
    yield answer.headers.get("Location", "")
    if "json" in answer.headers.get("Content-Type", ""):
        yield re.sub(r'"request_id":"[^"]*"', "", answer.content.decode())
        return
    yield from (str(each) for each in get_messages(answer.wsgi_request))
    if answer.status_code == 200 and answer.wsgi_request.method == "POST":
        main = answer.content.decode().partition("<main")[2]
        yield re.sub(r"<[^>]*>|\d+", " ", main)  # without times and keys
    for layer in answer.context or ():
        for name, value in layer.flatten().items():
            if isinstance(value, BaseForm) and value.is_bound:
                yield f"{name}: {value.errors.as_json()}"


def wrong_with(
    asking: Asking, who: str, method: str, path: str, bodies: list[tuple[object, Any]]
) -> str:
    """Of the bodies with the key outside, the absent and the one within, each with its key. Of a
    GET the body is its parameters."""
    outside, absent, inside = (
        outcome(asking, who, method, path, body, sent) for sent, body in bodies
    )
    if outside != absent:
        return f"outside it is {outside}, absent {absent}"
    if OUTSIDE in str(outside):
        return f"it tells of it: {outside}"
    if outside.status == 500:
        return "it fails"
    if inside == outside and outside.status != 403 and method != "GET":
        return f"nothing comes of what is within, either: {inside}"
    return ""
