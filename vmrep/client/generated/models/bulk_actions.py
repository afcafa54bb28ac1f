"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class BulkAction(TypedDict):
    id: int
    kind: Literal[
        "replicate",
        "copy_in_full",
        "cancel",
        "policy",
        "repository",
        "pause",
        "resume",
        "remove",
        "",
    ]
    state: Literal["waiting", "running", "ended", "cancelled"]
    total: int
    done: int
    refused: int
    policy_id: int | None
    repository_id: int | None
    subject: str
    until: str | None
    reason: str
    asked_by: str
    cancelled_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    updated_at: str


class BulkActionPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[BulkAction]


class BulkItem(TypedDict):
    context_id: str
    vm_name: str
    state: Literal["waiting", "done", "refused"]
    why: str


class BulkItemPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[BulkItem]


class NewBulkAction(TypedDict):
    """What to do with which VMs: those of `context_ids`, or all that match `filter` now."""

    kind: Literal[
        "replicate", "copy_in_full", "cancel", "policy", "repository", "pause", "resume", "remove"
    ]
    context_ids: NotRequired[list[str]]
    filter: NotRequired[dict[str, dict[str, object]]]
    policy_id: NotRequired[int | None]
    repository_id: NotRequired[int]
    until: NotRequired[str | None]
    reason: NotRequired[str]
