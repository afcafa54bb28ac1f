"""Who logged in, out, or tried to: Django tells of it by signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest

from contexts import trail
from contexts.text import printable
from contexts.trail import Kind, Outcome, Somebody, Verb
from vmrep.accounts.lockout import was_refused_unseen
from vmrep.trail.source import ByRequest

LONGEST_NAME = 100
NO_NAME = "(no name)"


def connect() -> None:
    user_logged_in.connect(_logged_in, dispatch_uid="audit trail")
    user_logged_out.connect(_logged_out, dispatch_uid="audit trail")
    user_login_failed.connect(_failed, dispatch_uid="audit trail")


def _logged_in(sender: object, request: HttpRequest, user: Any, **signal: object) -> None:
    _tell(Verb.LOG_IN, request, user)


def _logged_out(sender: object, request: HttpRequest, user: Any = None, **signal: object) -> None:
    """Nobody is told of who logs out without having logged in."""
    if user is not None:
        _tell(Verb.LOG_OUT, request, user)


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
