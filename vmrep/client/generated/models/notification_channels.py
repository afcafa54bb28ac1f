"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ChangedChannel(TypedDict):
    """Changes to a channel; what is not given stays unchanged, also among the settings."""

    name: NotRequired[str]
    settings: NotRequired[dict[str, dict[str, object]]]
    enabled: NotRequired[bool]
    quiet_from_minute: NotRequired[int | None]
    quiet_to_minute: NotRequired[int | None]
    time_zone: NotRequired[str]
    digest_after: NotRequired[int]
    digest_seconds: NotRequired[int]
    report_at_minute: NotRequired[int | None]


class Channel(TypedDict):
    id: int
    name: str
    kind: Literal["email", "webhook", "apprise", ""]
    address_shown: str
    enabled: bool
    quiet_from_minute: int | None
    quiet_to_minute: int | None
    time_zone: str
    digest_after: int
    digest_seconds: int
    report_at_minute: int | None
    last_ok_at: str | None
    last_problem: str
    rule_count: int
    open_count: int
    created_at: str
    updated_at: str


class ChannelPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Channel]


class NewChannel(TypedDict):
    """A way to people. `settings` are those of its kind; they go in and never come out."""

    name: str
    kind: Literal["email", "webhook", "apprise"]
    settings: dict[str, dict[str, object]]
    enabled: NotRequired[bool]
    quiet_from_minute: NotRequired[int | None]
    quiet_to_minute: NotRequired[int | None]
    time_zone: NotRequired[str]
    digest_after: NotRequired[int]
    digest_seconds: NotRequired[int]
    report_at_minute: NotRequired[int | None]
