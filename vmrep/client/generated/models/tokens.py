"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, TypedDict


class Token(TypedDict):
    id: int
    name: str
    scope: Literal["read", "write", "danger", ""]
    prefix: str
    origin: Literal["page", "api", "earlier", ""]
    created_at: str
    created_from: str
    expires_at: str | None
    last_used_at: str | None
    last_used_from: str


class TokenPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Token]
