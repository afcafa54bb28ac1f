"""How a program logs in to the API: `Authorization: Token <key>`."""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal
from rest_framework import authentication, exceptions, permissions
from rest_framework.request import Request

from vmrep.accounts import means, tokens
from vmrep.accounts.models import Token, TokenScope
from vmrep.client_address import client_address

token_refused = Signal()
"""`request`: a program came with a token that is unknown, revoked or expired."""


class TokenAuthentication(authentication.TokenAuthentication):
    """DRF's reading of the header, with vmrep's own tokens. `request.auth` is the token."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        self._request = request._request
        self._address = client_address(self._request)
        return super().authenticate(request)

    def authenticate_credentials(self, key: str) -> tuple[Any, Any]:
        token = tokens.find(key, address=self._address)
        if token is None:
            token_refused.send(TokenAuthentication, request=self._request)
            raise exceptions.AuthenticationFailed(
                "This token is unknown, was revoked, or has expired."
            )
        user: Any = token.user
        user.means = means.of_token(token)
        return user, token


class WithinScope(permissions.BasePermission):
    """A token that may only read sends no request of a kind that changes anything. (What needs the
    scope `danger` is asked where rights are: `vmrep.access`.)"""

    message = "This token may only read."
    code = "token_scope"

    def has_permission(self, request: Request, view: object) -> bool:
        token = request.auth
        if not isinstance(token, Token) or token.scope != TokenScope.READ:
            return True
        return request.method in permissions.SAFE_METHODS
