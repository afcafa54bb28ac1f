"""What programs log in with."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from vmrep import access
from vmrep.access import Verb
from vmrep.accounts import tokens
from vmrep.accounts.models import Token, TokenOrigin, TokenScope
from vmrep.api.bodies import Login, Nothing, read
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.answers import TokenAnswer
from vmrep.api.serializers.tokens import TokenSerializer
from vmrep.api.views.base import View
from vmrep.client_address import client_address

DAYS = 1
"""For how long a token holds that is made here, unless the body says something else: programs that
log in with a password each time leave one each time."""


class TokenView(View):
    """POST: a new token, for the user's name and password. Needs no login."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        """Makes the answer to a wrong password a 401."""
        return "Token"

    @described(TokenAnswer, body=Login)
    def post(self, request: Request) -> Response:
        wanted = read(Login, request.data)
        name, password = wanted["username"], wanted["password"]
        user = authenticate(request=request._request, username=name, password=password)
        if user is None:
            raise AuthenticationFailed("Unknown user name or wrong password.")
        access.require(user, Verb.ADD, Token)
        made = tokens.make(
            user,
            name=wanted.get("name", "API"),
            scope=TokenScope(wanted.get("scope", TokenScope.WRITE)),
            days=wanted.get("expires_in_days", DAYS),
            origin=TokenOrigin.API,
            address=client_address(request._request),
        )
        body = {"token": made.key, **TokenSerializer(made.token).data}
        return Response(body, headers={"Cache-Control": "no-store"})


TOKENS = Listing(
    TokenSerializer, order_by=by_name("id", "name", "scope", "expires_at", "created_at")
)


class TokenList(View):
    """GET: the user's own tokens that have not expired."""

    @described_list(TOKENS)
    def get(self, request: Request) -> Response:
        rows = access.own_tokens(request.user).filter(tokens.usable())
        return TOKENS.answer(request, rows)


class TokenDetail(View):
    """DELETE: revoke it."""

    @described(status=204)
    def delete(self, request: Request, token_id: int) -> Response:
        require_known(request, ())
        token = access.own_token(request.user, token_id, Verb.REMOVE)
        read(Nothing, request.data)
        tokens.revoke(access.own_tokens(request.user).filter(pk=token.pk))
        return Response(status=status.HTTP_204_NO_CONTENT)
