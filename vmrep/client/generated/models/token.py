"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Login(TypedDict):
    """The credentials for a token, and what the token is to be."""

    username: str
    password: str
    name: NotRequired[str]
    scope: NotRequired[Literal["read", "write", "danger"]]
    expires_in_days: NotRequired[int | None]


class TokenAnswer(TypedDict):
    """A new token: the key is shown this once."""

    token: str
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
