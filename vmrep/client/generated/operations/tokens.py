"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class TokensFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    ordering: Sequence[str] | None


class TokensQuery(TokensFilter, Page, total=False):
    pass


class Tokens(Calls):
    def get_tokens(self, **query: Unpack[TokensQuery]) -> models.TokenPage:
        """The user's own tokens that have not expired."""
        return self._get("/api/v1/tokens/", query=query)

    def all_tokens(self, **query: Unpack[TokensFilter]) -> Iterator[models.Token]:
        """All rows of `get_tokens`, page by page."""
        return self._rows("/api/v1/tokens/", query=query)

    def delete_token_detail(self, token_id: int) -> None:
        """Revoke it."""
        self._send("DELETE", "/api/v1/tokens/{}/", token_id)
