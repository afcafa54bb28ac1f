"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, TypedDict


class Occurrence(TypedDict):
    id: int
    kind: Literal[
        "job_failed",
        "over_target_expected",
        "over_target",
        "broken",
        "unprotected",
        "recovered",
        "worker_dead",
        "beat_dead",
        "tick_late",
        "redis_dead",
        "vcenter_away",
        "repository_away",
        "space_short",
        "trouble_over",
        "retention_stuck",
        "point_damaged",
        "taken_by_policy",
        "group_failed",
        "group_apart",
        "group_recovered",
        "",
    ]
    what: str
    at: str
    context_id: str | None
    vm_name: str | None
    job_id: str | None
    vcenter_id: int | None
    repository_id: int | None
    policy_id: int | None


class OccurrencePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Occurrence]
