"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ChangedView(TypedDict):
    """Fields that are not given stay unchanged."""

    name: NotRequired[str]
    query: NotRequired[str]
    is_shared: NotRequired[bool]
    is_default: NotRequired[bool]


class NewView(TypedDict):
    """`query` is what the page's address says after `?`; what the page does not know is left
    away."""

    page: Literal["virtual-machines", "discovery", "jobs", "events", "occurrences"]
    name: str
    query: NotRequired[str]
    is_shared: NotRequired[bool]
    is_default: NotRequired[bool]


class SavedView(TypedDict):
    id: int
    page: Literal["virtual-machines", "discovery", "jobs", "events", "occurrences", ""]
    name: str
    query: str
    is_shared: bool
    is_default: bool
    created_at: str
    updated_at: str


class SavedViewPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[SavedView]
