"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, TypedDict


class AnsweringAnswer(TypedDict):
    """A JSON object."""

    id: int
    name: str
    state: Literal["away", "answering"]
    problem: str
    asked_at: str
    answered_at: str | None


class HealthAnswer(TypedDict):
    """A JSON object."""

    ok: bool
    troubles: list[TroubleAnswer]
    processes: list[ProcessAnswer]
    redis: RedisAnswer
    tick: TickAnswer
    vcenters: list[AnsweringAnswer]
    repositories: list[AnsweringAnswer]
    incidents: list[Incident]


class Incident(TypedDict):
    id: int
    kind: Literal[
        "worker_dead",
        "beat_dead",
        "tick_late",
        "redis_dead",
        "vcenter_away",
        "repository_away",
        "space_short",
        "",
    ]
    subject: str
    what: str
    vcenter_id: int | None
    repository_id: int | None
    began_at: str
    ended_at: str | None


class ProcessAnswer(TypedDict):
    state: Literal["alive", "dead", "ended"]
    kind: Literal["worker", "beat", "tick", "web", ""]
    name: str
    queues: str
    slots: int
    version: str
    started_at: str
    seen_at: str
    broker_at: str | None
    ended_at: str | None


class RedisAnswer(TypedDict):
    """A JSON object."""

    problem: str
    answered_at: str | None


class TickAnswer(TypedDict):
    """A JSON object."""

    state: Literal["alive", "dead"]
    ran_at: str | None


class TroubleAnswer(TypedDict):
    """A JSON object."""

    kind: str
    subject: str
    what: str
    since: str | None
    vcenter_id: int | None
    repository_id: int | None
