"""Which request something belongs to: in every answer's header, and in every line of the log."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
# What is taken from the sender goes into logs and headers, so it can be nothing but one short word.
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The ID of the request that this thread answers; empty outside of requests."""


class RequestIDMiddleware:
    """The first of all, so that no answer lacks the header. Takes the sender's ID if it is well
    formed (8 to 64 letters, digits, dots, hyphens, underscores), else makes one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        own = given if _WELL_FORMED.fullmatch(given) else str(uuid.uuid4())
        request_id.set(own)
        response = self.get_response(request)
        response[HEADER] = own
        return response


def _forget(**signal: object) -> None:
    request_id.set("")


# Django logs a refused request after the middleware has returned: the ID lives until the answer is
# sent. Afterwards the thread does other things.
request_finished.connect(_forget)
