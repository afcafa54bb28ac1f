"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ChangedRule(TypedDict):
    """Changes to a rule; fields that are not given stay unchanged."""

    channel_id: NotRequired[int]
    kinds: NotRequired[
        list[
            Literal[
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
            ]
        ]
    ]
    vcenter_id: NotRequired[int | None]
    policy_id: NotRequired[int | None]
    context_id: NotRequired[str | None]
    even_when_quiet: NotRequired[bool]
    enabled: NotRequired[bool]


class NewRule(TypedDict):
    """Of which occurrences a channel tells: without `kinds` of every kind; without
    `vcenter_id`, `policy_id` and `context_id` of everything."""

    channel_id: int
    kinds: NotRequired[
        list[
            Literal[
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
            ]
        ]
    ]
    vcenter_id: NotRequired[int | None]
    policy_id: NotRequired[int | None]
    context_id: NotRequired[str | None]
    even_when_quiet: NotRequired[bool]
    enabled: NotRequired[bool]


class Rule(TypedDict):
    id: int
    channel_id: int
    scope: Literal["all", "vcenter", "policy", "vm"]
    vcenter_id: int | None
    policy_id: int | None
    context_id: str | None
    kinds: list[str]
    even_when_quiet: bool
    enabled: bool
    created_at: str


class RulePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Rule]
