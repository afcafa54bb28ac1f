"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from vmrep.client.generated.models.shared import Hours, KeptAnswer


class ChangedPolicy(TypedDict):
    """Changes to a policy; fields that are not given stay unchanged."""

    rpo_kind: NotRequired[Literal["none", "target", "calendar", None]]
    rpo_target_seconds: NotRequired[int | None]
    cron: NotRequired[str | None]
    time_zone: NotRequired[str | None]
    latest_start_minutes: NotRequired[int | None]
    windows: NotRequired[list[Hours]]
    retention_kind: NotRequired[Literal["all", "rules", None]]
    quiesce: NotRequired[Literal["when_possible", "never", "required", None]]
    priority: NotRequired[Literal["low", "normal", "high", None]]
    name: NotRequired[str]
    repository_id: NotRequired[int | None]
    keep_last: NotRequired[int | None]
    keep_hourly: NotRequired[int | None]
    keep_daily: NotRequired[int | None]
    keep_weekly: NotRequired[int | None]
    keep_monthly: NotRequired[int | None]
    keep_yearly: NotRequired[int | None]
    most_running: NotRequired[int | None]
    give_up_after_minutes: NotRequired[int | None]
    compare_every_days: NotRequired[int | None]
    verify_every_days: NotRequired[int | None]


class ChangedPolicyAnswer(TypedDict):
    """One of `selectors.policies_for_list`."""

    id: int
    name: NotRequired[str | None]
    rpo_kind: NotRequired[Literal["none", "target", "calendar", "", None]]
    rpo_target_seconds: NotRequired[int | None]
    cron: NotRequired[str | None]
    time_zone: NotRequired[str | None]
    latest_start_minutes: NotRequired[int | None]
    retention_kind: NotRequired[Literal["all", "rules", "", None]]
    keep_last: NotRequired[int | None]
    keep_hourly: NotRequired[int | None]
    keep_daily: NotRequired[int | None]
    keep_weekly: NotRequired[int | None]
    keep_monthly: NotRequired[int | None]
    keep_yearly: NotRequired[int | None]
    quiesce: NotRequired[Literal["when_possible", "never", "required", "", None]]
    most_running: NotRequired[int | None]
    give_up_after_minutes: NotRequired[int | None]
    compare_every_days: NotRequired[int | None]
    verify_every_days: NotRequired[int | None]
    priority: NotRequired[Literal["low", "normal", "high", "", None]]
    repository_id: int | None
    cron_in_words: str | None
    windows: list[Window]
    scopes: list[Scope]
    vm_count: int
    created_at: str
    updated_at: str
    changed_vms: int
    vms_to_come: int


class ChangedVMAnswer(TypedDict):
    """A JSON object."""

    context_id: str
    vm_name: str
    changes: list[LineAnswer]


class LineAnswer(TypedDict):
    """A JSON object."""

    what: str
    before: str
    after: str


class LoadAnswer(TypedDict):
    """A JSON object."""

    jobs_per_hour: float
    busy_workers: float
    most_points: int | None
    point_bytes: int | None


class NewPolicy(TypedDict):
    """What a policy says, or what is wanted for one VM alone; null leaves it open."""

    rpo_kind: NotRequired[Literal["none", "target", "calendar", None]]
    rpo_target_seconds: NotRequired[int | None]
    cron: NotRequired[str | None]
    time_zone: NotRequired[str | None]
    latest_start_minutes: NotRequired[int | None]
    windows: NotRequired[list[Hours]]
    retention_kind: NotRequired[Literal["all", "rules", None]]
    quiesce: NotRequired[Literal["when_possible", "never", "required", None]]
    priority: NotRequired[Literal["low", "normal", "high", None]]
    name: str
    repository_id: NotRequired[int | None]
    keep_last: NotRequired[int | None]
    keep_hourly: NotRequired[int | None]
    keep_daily: NotRequired[int | None]
    keep_weekly: NotRequired[int | None]
    keep_monthly: NotRequired[int | None]
    keep_yearly: NotRequired[int | None]
    most_running: NotRequired[int | None]
    give_up_after_minutes: NotRequired[int | None]
    compare_every_days: NotRequired[int | None]
    verify_every_days: NotRequired[int | None]


class NewScope(TypedDict):
    """Where a policy is to apply."""

    kind: Literal["vcenter", "folder", "name", "vm"]
    vcenter_id: NotRequired[int]
    folder: NotRequired[str]
    pattern: NotRequired[str]
    context_id: NotRequired[str]
    takes_new: NotRequired[bool]


class NewScopeAnswer(TypedDict):
    id: int
    kind: Literal["installation", "vcenter", "folder", "name", "vm", "own"]
    vcenter_id: int | None
    folder: NotRequired[str]
    pattern: NotRequired[str]
    context_id: str | None
    place: str
    takes_new: NotRequired[bool]
    created_by: str
    created_at: str
    changed_vms: int
    vms_to_come: int


class OutcomeAnswer(TypedDict):
    """A JSON object."""

    changed_vms: int
    vms_to_come: int


class Policy(TypedDict):
    """One of `selectors.policies_for_list`."""

    id: int
    name: NotRequired[str | None]
    rpo_kind: NotRequired[Literal["none", "target", "calendar", "", None]]
    rpo_target_seconds: NotRequired[int | None]
    cron: NotRequired[str | None]
    time_zone: NotRequired[str | None]
    latest_start_minutes: NotRequired[int | None]
    retention_kind: NotRequired[Literal["all", "rules", "", None]]
    keep_last: NotRequired[int | None]
    keep_hourly: NotRequired[int | None]
    keep_daily: NotRequired[int | None]
    keep_weekly: NotRequired[int | None]
    keep_monthly: NotRequired[int | None]
    keep_yearly: NotRequired[int | None]
    quiesce: NotRequired[Literal["when_possible", "never", "required", "", None]]
    most_running: NotRequired[int | None]
    give_up_after_minutes: NotRequired[int | None]
    compare_every_days: NotRequired[int | None]
    verify_every_days: NotRequired[int | None]
    priority: NotRequired[Literal["low", "normal", "high", "", None]]
    repository_id: int | None
    cron_in_words: str | None
    windows: list[Window]
    scopes: list[Scope]
    vm_count: int
    created_at: str
    updated_at: str


class PolicyHistoryAnswer(TypedDict):
    """A JSON object."""

    periods: list[KeptAnswer]
    days: list[KeptAnswer]


class PolicyPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Policy]


class PolicyPreviewAnswer(TypedDict):
    """A JSON object."""

    vm_count: int
    vms: list[ChangedVMAnswer]
    before: LoadAnswer
    after: LoadAnswer
    unmeasured_vms: int
    too_slow_vms: list[TooSlowAnswer]
    not_known_vms: int
    vms_to_be_taken: int


class PossibleChange(TypedDict):
    """One change of a policy, to be previewed: what it says, a place more, or a place less."""

    policy: NotRequired[ChangedPolicy]
    scope: NotRequired[NewScope]
    remove_scope_id: NotRequired[int]


class Scope(TypedDict):
    id: int
    kind: Literal["installation", "vcenter", "folder", "name", "vm", "own"]
    vcenter_id: int | None
    folder: NotRequired[str]
    pattern: NotRequired[str]
    context_id: str | None
    place: str
    takes_new: NotRequired[bool]
    created_by: str
    created_at: str


class TooSlowAnswer(TypedDict):
    """A JSON object."""

    context_id: str
    name: str
    why: str


class Window(TypedDict):
    days: list[str]
    begin: str
    end: str
