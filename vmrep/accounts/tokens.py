"""API tokens: made, recognised, revoked. A key is shown once, to whom it is made for.

What is stored is an HMAC-SHA256 of the key, with a secret that is derived from SECRET_KEY: whoever
reads the database, or writes to it, gets no key out of it and none into it.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac

from contexts import trail
from contexts.clock import about_now
from contexts.errors import ContextError
from contexts.trail import Kind, Verb
from vmrep.accounts.models import Token, TokenOrigin, TokenScope

KEY_BEGINS = "vmrep_"
"""Scanners for secrets in code recognise a key by it."""
SHOWN_CHARACTERS = 12
LONGEST_NAME = 80
LONGEST_KEY = 200
LONGEST_DAYS = 3650
MOST = 100
"""Tokens of one user that have not expired."""
SAME_USE = timedelta(hours=1)
SAME_USE_ELSEWHERE = timedelta(minutes=1)
"""How often a token's use is noted, and from changing addresses: a request is not to write."""
_SALT = "vmrep.accounts.token"


class TokenRefused(ContextError):
    """No further token can be made now."""

    code = "token_refused"


class Made(NamedTuple):
    """A new token, and its key, which is nowhere else."""

    token: Token
    key: str


def digest(key: str, *, secret: str | bytes | None = None) -> str:
    """What is stored of a key."""
    return str(salted_hmac(_SALT, key, secret=secret, algorithm="sha256").hexdigest())


def make(
    user: AbstractBaseUser,
    *,
    name: str,
    scope: TokenScope,
    days: int | None,
    origin: TokenOrigin,
    address: str | None = None,
) -> Made:
    """A new token of this user, for so many days (None: for ever). Raises TokenRefused, and
    ValidationError for an impossible name or time."""
    name = " ".join(name.split())
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
        raise ValidationError(
            {
                "name": f"A token needs a name of at most {LONGEST_NAME} characters, all of which"
                " can be seen."
            }
        )
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise ValidationError(
            {"expires_in_days": f"A token expires in 1 to {LONGEST_DAYS} days, or never."}
        )
    key = KEY_BEGINS + secrets.token_urlsafe(32)
    users = get_user_model()._default_manager
    with transaction.atomic(), trail.gathered():
        # One at a time for each user, so that two at once do not both get the last place.
        owner: Any = users.select_for_update().get(pk=user.pk)
        owner.tokens.exclude(usable()).delete()
        if owner.tokens.count() >= MOST:
            raise TokenRefused(f"You have {MOST} tokens. Revoke some that are no longer used.")
        token = owner.tokens.create(
            name=name,
            scope=scope,
            digest=digest(key),
            prefix=key[:SHOWN_CHARACTERS],
            origin=origin,
            created_from=address or "",
            expires_at=None if days is None else about_now() + timedelta(days=days),
        )
        told = {"name": name, "scopes": scope, "expires_at": token.expires_at}
        told |= {"prefix": token.prefix, "user": owner.get_username()}
        trail.tell(Verb.ADD, _about(token), actor=owner.get_username(), new=told)
    return Made(token, key)


def usable() -> Q:
    """Those that have not expired."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=about_now())


def find(key: str, *, address: str | None) -> Token | None:
    """The token with this key, with its user; None if there is none, or if it or its user may not
    log in any more. Notes its use."""
    if len(key) > LONGEST_KEY:
        return None
    secrets_known = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    known = [digest(key, secret=secret) for secret in secrets_known]
    found = Token.objects.filter(usable(), digest__in=known, user__is_active=True)
    token = found.select_related("user").first()
    if token is not None:
        _note_use(token, address or "")
    return token


def _note_use(token: Token, address: str) -> None:
    now, last = about_now(), token.last_used_at
    same = SAME_USE if token.last_used_from == address else SAME_USE_ELSEWHERE
    if last is not None and now - last < same:
        return
    Token.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)


def revoke(among: QuerySet[Token]) -> int:
    """Ends these tokens, at once and for ever; tells how many there were."""
    with transaction.atomic(), trail.gathered():
        ended = list(among.select_related("user"))
        among.delete()
        for token in ended:
            told = {"name": token.name, "prefix": token.prefix}
            told["user"] = token.user.get_username()
            trail.tell(Verb.REVOKE, _about(token), actor=told["user"], old=told)
    return len(ended)


def _about(token: Token) -> trail.Subject:
    return trail.subject(Kind.TOKEN, token.pk, token.name)
