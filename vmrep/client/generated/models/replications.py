"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from vmrep.client.generated.models.shared import Step


class Job(TypedDict):
    """Every column of a job."""

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


class JobPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Job]


class LogLine(TypedDict):
    """A line of a job's log. `message` is unchanged: a client that prints it must handle
    control characters in a VM's names."""

    at: str
    attempt: int
    level: Literal["info", "warning", "error", ""]
    message: str


class LogLinePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[LogLine]


class Sample(TypedDict):
    """A stretch of a transfer; needs the job's start as `started_at` in its context."""

    at: str
    attempt: int
    seconds_since_start: float
    seconds: float
    bytes_transferred: int
    bytes_per_second: float


class SamplePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Sample]
    job_id: str
    started_at: str | None


class StartByIdentity(TypedDict):
    """A VM, and how its disks are to be synced."""

    vm_name: NotRequired[str]
    vcenter_host: NotRequired[str]
    vmware_vm_id: NotRequired[str]
    requested_sync: NotRequired[Literal["as_needed", "checksum", "initial", "reset_cbt"]]


class StepPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Step]
