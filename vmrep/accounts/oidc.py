"""Logging in by a provider of identities (OpenID Connect, code flow with PKCE).

mozilla-django-oidc does the flow. What it leaves to its users is here: whose token it is and for
whom, which user that is, and which role the provider's groups give.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from requests import RequestException

from contexts import trail
from contexts.errors import ContextError
from vmrep.accounts import provider
from vmrep.accounts.backends import ReadsUsers
from vmrep.accounts.models import Identity
from vmrep.accounts.roles import Role

log = logging.getLogger(__name__)

BACKEND = "vmrep.accounts.oidc.Backend"
ALGORITHM = "RS256"
CLOCKS_DIFFER_SECONDS = 60
LONGEST_NAME = 150


class NameTaken(ContextError):
    """A user of vmrep's own has the name already."""

    code = "name_taken"


class Backend(ReadsUsers, OIDCAuthenticationBackend):
    """Users of the provider. `authenticate` raises SuspiciousOperation for what is not its answer,
    and returns None when it does not answer."""

    OIDC_RP_SIGN_ALGO = ALGORITHM
    OIDC_RP_IDP_SIGN_KEY = None

    def __init__(self) -> None:
        """Asks nobody: Django makes one for each login by password, too."""
        self.UserModel = get_user_model()
        self.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_ID
        self.OIDC_RP_CLIENT_SECRET = settings.OIDC_RP_CLIENT_SECRET

    @staticmethod
    def is_in_use() -> bool:
        return bool(settings.OIDC_ISSUER)

    # Their names: asked for when they are needed, and not before.
    @property
    def OIDC_OP_TOKEN_ENDPOINT(self) -> str:
        return provider.known().token

    @property
    def OIDC_OP_USER_ENDPOINT(self) -> str:
        return provider.known().userinfo

    @property
    def OIDC_OP_JWKS_ENDPOINT(self) -> str:
        return provider.known().keys

    def authenticate(self, request: HttpRequest | None, **given: Any) -> Any:
        if "nonce" not in given or not self.is_in_use():  # somebody logs in by password
            return None
        try:
            return super().authenticate(request, **given)
        except (RequestException, ContextError, jwt.PyJWTError, ValueError) as problem:
            log.warning("a login by the provider failed: %s", problem)
            return None

    def retrieve_matching_jwk(self, token: str) -> Any:
        """The provider's key with which this token says that it is signed. One that has a single
        key need not name it."""
        wanted = jwt.get_unverified_header(token).get("kid")
        fitting = [
            each for each in provider.signing_keys() if wanted is None or each.get("kid") == wanted
        ]
        if len(fitting) != 1:
            raise SuspiciousOperation("The provider's token names no key of the provider's.")
        return jwt.PyJWK(fitting[0], algorithm=ALGORITHM)

    def _verify_jws(self, payload: Any, key: Any) -> dict[str, Any]:
        """The claims of a token that this provider made for vmrep, and that still holds."""
        try:
            claims: dict[str, Any] = jwt.decode(
                payload,
                key,
                algorithms=[ALGORITHM],
                audience=self.OIDC_RP_CLIENT_ID,
                issuer=provider.known().issuer,
                leeway=CLOCKS_DIFFER_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as problem:
            raise SuspiciousOperation(f"The provider's token cannot be used: {problem}") from None
        if claims.get("azp", self.OIDC_RP_CLIENT_ID) != self.OIDC_RP_CLIENT_ID:
            raise SuspiciousOperation("The provider's token is for another program.")
        return claims

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        """What the provider gives for its code."""
        return _object(provider.ask("POST", self.OIDC_OP_TOKEN_ENDPOINT, data=payload).body)

    def get_userinfo(self, access_token: str, id_token: str, payload: Any) -> dict[str, Any]:
        """All claims; those that are signed count."""
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = provider.ask("GET", self.OIDC_OP_USER_ENDPOINT, headers=headers)
        if answer.kind.lower().startswith("application/jwt"):
            more = self._verify_jws(answer.body, self.retrieve_matching_jwk(answer.body.decode()))
        else:
            more = _object(answer.body)
        if more.get("sub") != payload["sub"]:
            raise SuspiciousOperation("The provider tells of another user than its token is of.")
        return more | payload

    def verify_claims(self, claims: dict[str, Any]) -> bool:
        subject = claims.get("sub")
        return isinstance(subject, str) and 0 < len(subject) <= 255 and "\0" not in subject

    def get_or_create_user(self, access_token: str, id_token: str, payload: Any) -> Any:
        claims = self.get_userinfo(access_token, id_token, payload)
        if not self.verify_claims(claims):
            raise SuspiciousOperation("The provider's claims name no user.")
        with transaction.atomic(), trail.gathered():
            user = _user(claims)
            _give_role(user, role_of(claims))
        user.provider_asked_at = _auth_time(claims)
        return user


def _object(body: bytes) -> dict[str, Any]:
    """Raises ValueError."""
    said: Any = json.loads(body)
    if not isinstance(said, dict):
        raise ValueError("The provider's answer is no JSON object.")
    return said


def _user(claims: dict[str, Any]) -> Any:
    """The user whom these claims are of; a new one if they were never seen. Raises NameTaken."""
    issuer, subject = provider.known().issuer, claims["sub"]
    # Of two first logins at once, the second sees the first one's user.
    Group.objects.select_for_update().get(name=Role.VIEWER)
    identity = Identity.objects.filter(issuer=issuer, subject=subject).select_related("user")
    known = identity.first()
    if known is not None:
        return known.user
    users = get_user_model()._default_manager
    name = _name(claims)
    if users.filter(username__iexact=name).exists():
        raise NameTaken(f"There is a user {name!r} already, who does not log in by the provider.")
    user: Any = get_user_model()(username=name)
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save()
    Identity.objects.create(user=user, issuer=issuer, subject=subject)
    return user


def _name(claims: dict[str, Any]) -> str:
    """In the form in which Django stores it: a name that only looks like another one's is that
    one's."""
    wanted = (claims.get(name) for name in ("preferred_username", "email", "sub"))
    name = next(each for each in wanted if isinstance(each, str) and each.strip())
    plain = get_user_model().normalize_username(name)
    kept = (letter if letter.isalnum() or letter in "@.+-_" else "_" for letter in plain)
    return "".join(kept)[:LONGEST_NAME]


def role_of(claims: dict[str, Any]) -> Role | None:
    """The highest role that the provider's groups give; None: none of them gives one."""
    groups = claims.get(settings.OIDC_GROUPS_CLAIM)
    named = {groups} if isinstance(groups, str) else set()
    if isinstance(groups, list):
        named = {each for each in groups if isinstance(each, str)}
    given = {Role(role) for group, role in settings.OIDC_ROLES.items() if group in named}
    return next((role for role in reversed(Role) if role in given), None)


def _give_role(user: Any, role: Role | None) -> None:
    """This one and no other: whoever leaves a group at the provider loses its role here."""
    if not settings.OIDC_ROLES:
        return  # roles are given on vmrep's own page
    user.groups.remove(*Group.objects.filter(name__in=set(Role) - {role}))
    if role is not None:
        user.groups.add(Group.objects.get(name=role))


def _auth_time(claims: dict[str, Any]) -> float | None:
    """When the provider last asked for the password; None if it does not say."""
    at, now = claims.get("auth_time"), time.time()
    if not isinstance(at, int | float) or at > now + CLOCKS_DIFFER_SECONDS:
        return None
    return min(float(at), now)
