"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Comment(TypedDict):
    """What people should know of a recovery point."""

    comment: str


class Pin(TypedDict):
    """Keeping a recovery point, and why."""

    comment: NotRequired[str]
