"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class UsersFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    is_active: bool | None
    ordering: Sequence[str] | None
    search: str | None


class UsersQuery(UsersFilter, Page, total=False):
    pass


class Users(Calls):
    def get_users(self, **query: Unpack[UsersQuery]) -> models.UserPage:
        """All users, with their roles and places."""
        return self._get("/api/v1/users/", query=query)

    def all_users(self, **query: Unpack[UsersFilter]) -> Iterator[models.User]:
        """All rows of `get_users`, page by page."""
        return self._rows("/api/v1/users/", query=query)

    def post_users(
        self, body: models.NewUser, *, idempotency_key: str | None = None
    ) -> models.User:
        """Add one."""
        return self._once("/api/v1/users/", body=body, key=idempotency_key)

    def get_user(self, user_id: int) -> models.User:
        """One."""
        return self._get("/api/v1/users/{}/", user_id)

    def patch_user(
        self, user_id: int, body: models.ChangedUser | None = None, *, if_match: str | None = None
    ) -> models.User:
        """Another role or password; whether the user may log in."""
        return self._send("PATCH", "/api/v1/users/{}/", user_id, body=body, if_match=if_match)

    def post_user_scopes(
        self, user_id: int, body: models.NewPlace, *, idempotency_key: str | None = None
    ) -> models.User:
        """From now on the user sees what is there, and in the user's other places, alone."""
        return self._once("/api/v1/users/{}/scopes/", user_id, body=body, key=idempotency_key)

    def delete_user_scopes(self, user_id: int) -> None:
        """The user sees all VMs."""
        self._send("DELETE", "/api/v1/users/{}/scopes/", user_id)

    def delete_user_scope(self, user_id: int, place_id: int) -> None:
        """The user no longer sees that place; 409 for the last one."""
        self._send("DELETE", "/api/v1/users/{}/scopes/{}/", user_id, place_id)
