"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ChangedUser(TypedDict):
    """Fields that are not given stay unchanged. A new password ends the user's sessions; so
    does `is_active: false`, which takes the user's tokens out of use, too."""

    role: NotRequired[Literal["viewer", "operator", "admin", None]]
    is_active: NotRequired[bool]
    password: NotRequired[str]


class NewPlace(TypedDict):
    """A vCenter, or a folder in it with all below."""

    vcenter_id: int
    folder: NotRequired[str]


class NewUser(TypedDict):
    """`role`: null, and the user sees nothing but the own account."""

    username: str
    password: str
    role: NotRequired[Literal["viewer", "operator", "admin", None]]


class Place(TypedDict):
    id: int
    vcenter_id: int | None
    vcenter_name: str
    folder: str
    created_by: str
    created_at: str


class User(TypedDict):
    id: int
    username: str
    role: str | None
    is_active: bool
    is_superuser: bool
    scopes: list[Place]
    date_joined: str
    last_login: str | None


class UserPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[User]
