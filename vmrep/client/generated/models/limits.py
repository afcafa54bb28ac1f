"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class BandwidthAnswer(TypedDict):
    """A JSON object."""

    bandwidth: list[ReadingAnswer]


class BandwidthHours(TypedDict):
    """So many bytes per second, on these days, from `begin` to before `end`."""

    bytes_per_second: int
    days: NotRequired[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]]
    begin: NotRequired[str]
    end: NotRequired[str]
    time_zone: NotRequired[str]


class BandwidthWindowAnswer(TypedDict):
    """A JSON object."""

    bytes_per_second: int
    days: list[str]
    begin: str
    end: str
    time_zone: str


class ChangedBandwidth(TypedDict):
    """The windows of a vCenter; null: of all others."""

    vcenter_id: int | None
    windows: list[BandwidthHours]


class ChangedLimit(TypedDict):
    """A limit; null: as all others, or (without a resource) the default."""

    kind: Literal["vcenter_jobs", "repository_jobs", "host_sessions", "datastore_snapshots"]
    resource: NotRequired[str]
    limit: int | None


class LimitAnswer(TypedDict):
    """A JSON object."""

    kind: Literal[
        "vcenter_jobs", "repository_jobs", "host_sessions", "datastore_snapshots", "policy_jobs"
    ]
    resource: str
    name: str
    limit: int
    is_own: bool
    in_use: int | None
    waiting: int | None


class LimitsAnswer(TypedDict):
    """A JSON object."""

    limits: list[LimitAnswer]


class ReadingAnswer(TypedDict):
    """A JSON object."""

    vcenter_id: int | None
    name: str
    windows: list[BandwidthWindowAnswer]
    bytes_per_second: int | None
    reading_bytes_per_second: int | None
    reading_jobs: int | None
