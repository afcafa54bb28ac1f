"""The answers when something unexpected went wrong; Django logs the reason."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from vmrep import database_away
from vmrep.incoming import API, Refusal, refuse
from vmrep.problems import problem_response
from vmrep.request_id import request_id


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer to what Django refuses as invalid (too many fields, a malformed form, …)."""
    return refuse(request, Refusal(400, "bad_request", "vmrep does not understand the request."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers programs in JSON and people with a page. That the database is away is expected."""
    if database_away.noted(sys.exc_info()[1]):
        return database_away.answer(request, was_asked=True)
    if not request.path.startswith(API):
        page = render_to_string("500.html", {"request_id": request_id.get()})
        return HttpResponse(page, status=500)
    message = (
        "vmrep could not answer. The reason is in the web server's log, in the lines of request"
        f" {request_id.get()}."
    )
    return problem_response(500, "internal_error", message)
