"""Who logged in, out, or tried to: Django tells of it by signals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest

from contexts import trail
from contexts.clock import about_now
from contexts.text import printable
from contexts.trail import Kind, Outcome, Somebody, Verb
from vmrep.accounts.authentication import token_refused
from vmrep.accounts.lockout import was_refused_unseen
from vmrep.trail.models import Event
from vmrep.trail.source import ByRequest

LONGEST_NAME = 100
NO_NAME = "(no name)"
UNKNOWN = "unknown"
TOLD_AGAIN_AFTER = timedelta(minutes=15)
MOST_UNKNOWN_TOKENS = 100
"""Events within that time."""


def connect() -> None:
    user_logged_in.connect(_logged_in, dispatch_uid="audit trail")
    user_logged_out.connect(_logged_out, dispatch_uid="audit trail")
    user_login_failed.connect(_failed, dispatch_uid="audit trail")
    token_refused.connect(_token_refused, dispatch_uid="audit trail")


def _logged_in(sender: object, request: HttpRequest, user: Any, **signal: object) -> None:
    _tell(Verb.LOG_IN, request, user)


def _logged_out(sender: object, request: HttpRequest, user: Any = None, **signal: object) -> None:
    """Nobody is told of who logs out without having logged in."""
    if user is not None:
        _tell(Verb.LOG_OUT, request, user)


def _token_refused(sender: object, request: HttpRequest, **signal: object) -> None:
    """Of each address once in a while, and of so many in all: the trail keeps every row, and
    strangers must not fill it. Nothing of the token itself: it may be good elsewhere."""
    by, since = ByRequest(request), about_now() - TOLD_AGAIN_AFTER
    newest = Event.objects.filter(kind=Kind.TOKEN, object_id=UNKNOWN).order_by("-number")
    told = [
        address
        for at, address in newest.values_list("at", "address")[:MOST_UNKNOWN_TOKENS]
        if at >= since
    ]
    if by.address in told or len(told) == MOST_UNKNOWN_TOKENS:
        return
    nobody = Somebody(by.via, trail.NOBODY, None, by.address, by.request_id)
    with trail.acting(nobody), transaction.atomic(), trail.gathered():
        about = trail.subject(Kind.TOKEN, UNKNOWN, "Unknown, revoked or expired token")
        trail.tell(Verb.LOG_IN, about, outcome=Outcome.REFUSED)


def _tell(verb: Verb, request: HttpRequest, user: Any) -> None:
    by = ByRequest(request, user)
    with trail.acting(by), transaction.atomic(), trail.gathered():
        trail.tell(verb, trail.subject(Kind.USER, user.pk, user.get_username()))


def _failed(
    sender: object,
    credentials: Mapping[str, object],
    request: HttpRequest | None = None,
    **signal: object,
) -> None:
    """The name as it was typed, cut and made visible: it may be anything, a password too long for
    its field among them, and is no proof of who tried. Of those who are locked out, what locked
    them is told and no more: the trail keeps every row, and strangers must not fill it."""
    if request is not None and was_refused_unseen(request):
        return
    typed = str(credentials.get("username") or "")
    name = printable(typed)[:LONGEST_NAME] or NO_NAME
    by: trail.Source = Somebody(actor=name)
    if request is not None:
        known = ByRequest(request)
        by = Somebody(known.via, name, None, known.address, known.request_id)
    with trail.acting(by), transaction.atomic(), trail.gathered():
        trail.tell(Verb.LOG_IN, trail.subject(Kind.USER, name, name), outcome=Outcome.REFUSED)
