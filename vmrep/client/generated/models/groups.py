"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ChangedGroup(TypedDict):
    """Another name; exactly these VMs, in this order."""

    name: NotRequired[str]
    members: NotRequired[list[str]]


class GroupMembers(TypedDict):
    position: int
    context_id: str
    vm_name: str | None
    protection: str


class Group(TypedDict):
    id: int
    name: str
    protection: str | None
    members: list[GroupMembers]
    last_run: Run | None
    created_by: str
    created_at: str


class GroupPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Group]


class NewGroup(TypedDict):
    """Its name, and its VMs in their order."""

    name: str
    members: NotRequired[list[str]]


class RunMembers(TypedDict):
    position: int
    context_id: str
    job_id: str | None
    state: str
    taken_at: str | None
    why: str


class Run(TypedDict):
    id: int
    state: str
    trigger: str
    requested_by: str
    spread_seconds: float | None
    problem: str
    created_at: str
    gathered_at: str | None
    ended_at: str | None
    together_count: int | None
    point_count: int
    members: list[RunMembers]


class RunPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Run]
