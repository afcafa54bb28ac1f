"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class NewPause(TypedDict):
    """What is paused, until when (null: until somebody ends it), and why."""

    kind: Literal["all", "vcenter", "policy", "vm"]
    vcenter_id: NotRequired[int]
    policy_id: NotRequired[int]
    context_id: NotRequired[str]
    until: NotRequired[str | None]
    reason: NotRequired[str]


class Pause(TypedDict):
    id: int
    kind: Literal["all", "vcenter", "policy", "vm"]
    vcenter_id: int | None
    policy_id: int | None
    context_id: str | None
    subject: str
    until: NotRequired[str | None]
    reason: NotRequired[str]
    paused_by: str
    created_at: str


class PausePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Pause]
