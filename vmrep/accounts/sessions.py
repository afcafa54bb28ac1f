"""A user's sessions: what is noted when one begins and is used, and what ends them."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.db.models.signals import post_save
from django.http import HttpRequest

from contexts import trail
from contexts.clock import about_now
from vmrep.accounts.models import Session
from vmrep.accounts.session_store import SIGNED_IN, SessionStore, idle_since
from vmrep.client_address import client_address

log = logging.getLogger(__name__)

PASSWORD_AT = "vmrep_password_at"  # noqa: S105
"""In a session's data: when its user last gave the password, in seconds."""
LONGEST_AGENT = 200
SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is noted when a session was last used: not every request writes."""


def connect() -> None:
    """What happens to users from now on is noted in their sessions."""
    user_logged_in.connect(_begin)
    post_save.connect(_end_if_shut_out, sender=settings.AUTH_USER_MODEL)


def _begin(sender: object, request: HttpRequest, user: Any, **_: object) -> None:
    request.session[SIGNED_IN] = {
        "at": about_now().isoformat(),
        "address": client_address(request) or "",
        "agent": request.headers.get("User-Agent", "")[:LONGEST_AGENT],
    }
    request.session.set_expiry(None)  # of whoever was on the way to a provider of identities
    # A provider of identities may know the user from hours ago, and then asks for nothing.
    request.session[PASSWORD_AT] = getattr(user, "provider_asked_at", time.time())


def note_password(request: HttpRequest) -> None:
    """The user of this session has just given the password."""
    request.session[PASSWORD_AT] = time.time()


def _end_if_shut_out(sender: object, instance: Any, **_: object) -> None:
    if not instance.is_active:
        end(Session.objects.filter(user=instance))


def alive(among: QuerySet[Session]) -> QuerySet[Session]:
    """Those of these that still hold, the last used first."""
    held = among.filter(expire_date__gt=about_now(), last_seen_at__gt=idle_since())
    return held.order_by("-last_seen_at")


def end(among: QuerySet[Session]) -> int:
    """Ends these sessions, at once; tells how many there were."""
    with transaction.atomic(), trail.gathered():
        users = dict(among.order_by().values_list("user_id", "user__username"))
        count, _ = among.delete()
        for user_id, name in users.items():
            about = trail.subject(trail.Kind.SESSION, user_id, f"Sessions of {name}")
            trail.tell(trail.Verb.REVOKE, about, actor=name, old={"user": name})
    return count


def note_use(request: HttpRequest) -> None:
    """That somebody uses this session. A poll is nobody: a page that is left open goes idle."""
    session = request.session
    if not isinstance(session, SessionStore) or session.last_seen_at is None:
        return
    now = about_now()
    if now - session.last_seen_at < SEEN_EVERY:
        return
    try:
        Session.objects.filter(session_key=session.row_key).update(last_seen_at=now)
    except DatabaseError as problem:  # it is noted with the next request, then
        log.warning("the use of a session was not noted: %s", problem)
