"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import TypedDict


class Event(TypedDict):
    id: int
    context_id: str
    vm_name: str
    job_id: str | None
    actor: str
    old: str
    new: str
    why: str
    created_at: str


class EventPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Event]
