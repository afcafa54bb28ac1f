"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, TypedDict

from vmrep.client.generated.models.shared import ReportAnswer


class DigestData(TypedDict):
    """Many occurrences in one message."""

    count: int
    kinds: dict[str, int]
    first: list[OccurrenceData]


class DigestMessage(TypedDict):
    """Many occurrences in one message."""

    type: Literal["vmrep.digest"]
    timestamp: str
    data: DigestData


class OccurrenceData(TypedDict):
    """What happened."""

    occurrence_id: int
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
    ]
    at: str
    what: str
    context_id: str | None
    vm_name: str | None
    vcenter: str | None
    repository: str | None
    job_id: str | None
    link: str | None


class OccurrenceMessage(TypedDict):
    """What happened."""

    type: Literal[
        "vmrep.job_failed",
        "vmrep.over_target_expected",
        "vmrep.over_target",
        "vmrep.broken",
        "vmrep.unprotected",
        "vmrep.recovered",
        "vmrep.worker_dead",
        "vmrep.beat_dead",
        "vmrep.tick_late",
        "vmrep.redis_dead",
        "vmrep.vcenter_away",
        "vmrep.repository_away",
        "vmrep.space_short",
        "vmrep.trouble_over",
        "vmrep.retention_stuck",
        "vmrep.point_damaged",
        "vmrep.taken_by_policy",
        "vmrep.group_failed",
        "vmrep.group_apart",
        "vmrep.group_recovered",
    ]
    timestamp: str
    data: OccurrenceData


class ReportMessage(TypedDict):
    """None"""

    type: Literal["vmrep.report"]
    timestamp: str
    data: ReportAnswer


class TestData(TypedDict):
    """Somebody tested the channel."""

    channel: str


class TestMessage(TypedDict):
    """Somebody tested the channel."""

    type: Literal["vmrep.test"]
    timestamp: str
    data: TestData
