"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class BreachAnswer(TypedDict):
    """A JSON object."""

    context_id: str
    vm_name: str | None
    state: Literal["protected", "over_target", "no_target", "broken", "unprotected"]
    began_at: str
    ended_at: str | None
    seconds: float
    worst_age_seconds: float | None
    warned_seconds: float | None


class Delivery(TypedDict):
    id: int
    channel_id: int
    rule_id: int | None
    purpose: Literal["occurrence", "digest", "report", "test", ""]
    kind: str | None
    what: str | None
    context_id: str | None
    job_id: str | None
    report_day: str | None
    digest_id: int | None
    member_count: int
    state: Literal["waiting", "held", "sending", "sent", "in_digest", "given_up"]
    attempts: int
    next_attempt_at: str
    sent_at: str | None
    answer: str
    message_id: str
    created_at: str


class FoundDamage(TypedDict):
    disk_id: str
    file: NotRequired[str | None]
    offset_bytes: int | None
    length_bytes: int | None
    what: str


class Hours(TypedDict):
    """When replications may start: on these days, from `begin` to before `end` (HH:MM); over
    midnight when `end` comes first."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    begin: str
    end: str


class Image(TypedDict):
    id: int
    disk_id: str
    parent_id: int | None
    format: str
    locator: str
    state: Literal["writing", "committed", "deleting"]
    sync_type: Literal["initial", "incremental", "checksum", ""]
    capacity_bytes: int
    allocated_bytes: int | None
    change_id: str | None
    digest: str


class JobDetail(TypedDict):
    """A job with its steps and disks."""

    id: str
    vm_context_id: str
    repository_id: int
    source_vm_id: str
    source_vm_name: str
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    replication_type: Literal["initial", "incremental", "checksum", None, ""]
    trigger: Literal["manual", "api", "schedule", "system", ""]
    requested_by: str
    requested_sync: Literal["as_needed", "checksum", "initial", "reset_cbt"]
    current_operation: str
    bytes_transferred: int
    total_bytes: int | None
    transfer_speed_bps: int | None
    progress_percent: int | None
    eta_seconds: int | None
    duration_seconds: float | None
    error_message: str
    error_code: str | None
    attempt: int
    fruitful_attempts: int
    checkpointed_bytes: int
    transport: Literal["auto", "datastore", "nfc", "nbd", ""]
    transport_reason: str
    next_attempt_at: str | None
    waiting_for: str | None
    waits_for_kind: Literal[
        "vcenter_jobs", "repository_jobs", "host_sessions", "datastore_snapshots", "policy_jobs", ""
    ]
    waits_for: str
    worker_name: str
    cancel_requested_at: str | None
    cancel_requested_by: str
    created_at: str
    started_at: str | None
    completed_at: str | None
    updated_at: str
    steps: list[Step]
    attempts_left_out: int
    disks: list[JobDisk]


class JobDisk(TypedDict):
    """The progress of one disk of a job."""

    disk_id: str
    label: str
    sync_type: Literal["initial", "incremental", "checksum", ""]
    plan_note: str
    capacity_bytes: int
    planned_bytes: int
    extent_count: int | None
    transferred_bytes: int
    progress_percent: int | None
    transfer_seconds: float
    state: Literal["writing", "committed", "deleting"]
    change_id: str | None
    previous_change_id: str | None


class KeptAnswer(TypedDict):
    """A JSON object."""

    begins_at: str
    ends_at: str
    within_target: float | None


class PolicyShareAnswer(TypedDict):
    """A JSON object."""

    policy: str
    vms: int
    share: float | None


class Problem(TypedDict):
    """Why a request was refused, as RFC 9457 has it. Some codes carry more."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    request_id: str | None
    errors: NotRequired[dict[str, list[str]]]


class RecoveryPoint(TypedDict):
    id: int
    consistent_at: str
    state: Literal["writing", "available", "expiring", "expired"]
    quiesced: bool
    disk_count: int
    repository_id: int
    job_id: str
    damaged_at: str | None
    damage: str
    stored_bytes: int
    capacity_bytes: int
    created_at: str
    images: list[Image]
    comment: str
    pinned_by: str | None
    pin_comment: str | None
    removal: Removal | None
    expired_at: str | None
    expired_why: Literal["policy", "user", "replica", ""]
    vm_context_id: str
    verified_at: str | None
    verification: Verification | None


class Removal(TypedDict):
    state: Literal["wanted", "under_way", "done"]
    why: Literal["policy", "user", "replica", ""]
    requested_by: str
    problem: str
    next_attempt_at: str | None
    freed_bytes: int
    done_percent: int | None
    created_at: str
    started_at: str | None
    ended_at: str | None


class ReportAnswer(TypedDict):
    """A JSON object."""

    day: str
    time_zone: str
    within_target: float | None
    within_target_by_policy: list[PolicyShareAnswer]
    states: dict[str, int]
    jobs: dict[str, int]
    failures: dict[str, int]
    read_bytes: int
    stored_bytes: int
    breach_count: int
    breaches: list[BreachAnswer]
    space: list[SpaceAnswer]


class SpaceAnswer(TypedDict):
    """A JSON object."""

    name: str
    free_bytes: int | None
    total_bytes: int | None
    full_in_seconds: float | None


class Step(TypedDict):
    attempt: int
    name: Literal[
        "prepare", "tracking", "snapshot", "plan", "transfer", "verify", "commit", "clean_up", ""
    ]
    status: Literal["running", "completed", "warning", "failed", "cancelled", "interrupted"]
    message: str
    started_at: str
    completed_at: str | None


class Verification(TypedDict):
    id: int
    recovery_point_id: int
    state: Literal["waiting", "running", "verified", "damaged", "impossible", "failed", "cancelled"]
    trigger: Literal["manual", "api", "schedule", "system", ""]
    requested_by: str
    problem: str
    total_bytes: int
    done_bytes: int
    read_bytes: int
    damage_count: int
    created_at: str
    started_at: str | None
    ended_at: str | None


class VerificationInDetail(TypedDict):
    id: int
    recovery_point_id: int
    state: Literal["waiting", "running", "verified", "damaged", "impossible", "failed", "cancelled"]
    trigger: Literal["manual", "api", "schedule", "system", ""]
    requested_by: str
    problem: str
    total_bytes: int
    done_bytes: int
    read_bytes: int
    damage_count: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    damages: list[FoundDamage]
