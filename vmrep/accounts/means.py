"""By what a user acts, which bounds what the user may: a session of some age, or a token.

It is an attribute of the user of a request (`user.means`). A user without it acts from a command or
a test, and is bounded by the role alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from vmrep.accounts.models import Token, TokenScope
from vmrep.accounts.sessions import PASSWORD_AT

_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class OfSession:
    """`password_age_seconds`: since the password was given; None: never. `asks`: the request only
    asks for the page on which something dangerous may be done."""

    password_age_seconds: float | None
    asks: bool

    def is_recent(self) -> bool:
        """Whether the password was given so lately that it counts. What is done on a page may come
        as long again after the page was asked for."""
        longest = settings.PASSWORD_HOLDS_SECONDS * (1 if self.asks else 2)
        age = self.password_age_seconds
        return age is not None and 0 <= age < longest


@dataclass(frozen=True)
class OfToken:
    scope: TokenScope


Means = OfSession | OfToken


def of_session(request: HttpRequest) -> OfSession:
    given = request.session.get(PASSWORD_AT)
    age = time.time() - given if isinstance(given, int | float) else None
    return OfSession(age, request.method in _SAFE)


def of_token(token: Token) -> OfToken:
    return OfToken(TokenScope(token.scope))


def means_of(user: Any) -> Means | None:
    return getattr(user, "means", None)
