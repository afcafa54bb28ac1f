"""Who is acting: of each request its user, its address and its ID."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from contexts import trail
from contexts.clock import about_now
from contexts.text import printable
from contexts.trail import Kind, Outcome, Verb, Via
from vmrep.client_address import client_address
from vmrep.request_id import request_id
from vmrep.trail.models import Event

log = logging.getLogger(__name__)

MOST_REFUSALS = 50
LATELY = timedelta(minutes=15)
"""So many refusals of one user are told within that time."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class ByRequest:
    """A Source that is asked only when something is done: whoever comes with a token is known only
    once the API has looked at it. `user`: known already."""

    note: Mapping[str, object] = {}

    def __init__(self, request: HttpRequest, user: Any = None) -> None:
        self._request, self._user = request, user

    @property
    def via(self) -> str:
        first = self._request.path_info.lstrip("/").partition("/")[0]
        return {"api": Via.API, "admin": Via.ADMIN}.get(first, Via.PAGE)

    @property
    def user(self) -> Any:
        user = self._user or getattr(self._request, "user", None)
        return user if user is not None and user.is_authenticated else None

    @property
    def actor(self) -> str:
        return str(self.user.get_username()) if self.user else ""

    @property
    def user_id(self) -> int | None:
        return int(self.user.pk) if self.user else None

    @property
    def address(self) -> str:
        return client_address(self._request) or ""

    @property
    def request_id(self) -> str:
        return request_id.get()


class TrailMiddleware:
    """What is done during a request is done by its user. A change that a user asked for and was not
    allowed is told, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        by = ByRequest(request)
        with trail.acting(by):
            response = self.get_response(request)
            if response.status_code == 403 and request.method not in _SAFE and by.user:
                _tell_of_refusal(request, by, response.status_code)
        return response


def _tell_of_refusal(request: HttpRequest, by: ByRequest, status: int) -> None:
    """A few of each user's: the trail keeps every row, and nobody may fill it at will."""
    lately = Event.objects.filter(at__gt=about_now() - LATELY, user_id=by.user_id)
    told = lately.filter(verb=Verb.REQUEST, outcome=Outcome.REFUSED).count()
    if told >= MOST_REFUSALS:
        log.info("more refused requests of the user %s are not told", by.user_id)
        return
    found = request.resolver_match
    asked: dict[str, object] = {
        "method": str(request.method)[:10],
        "status": status,
        "view": (found.view_name if found else "") or "",
    }
    if told == MOST_REFUSALS - 1:
        asked["why"] = f"Further ones are not told for up to {LATELY}"
    about = trail.subject(Kind.ADDRESS, printable(request.path)[:255], printable(request.path))
    with transaction.atomic(), trail.gathered():
        trail.tell(Verb.REQUEST, about, new=asked, outcome=Outcome.REFUSED)
