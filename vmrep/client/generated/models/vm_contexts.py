"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from vmrep.client.generated.models.shared import Hours, JobDetail, KeptAnswer, RecoveryPoint, Step


class CBTHistory(TypedDict):
    job_id: str
    disk_id: str
    disk_uuid: str
    sync_type: Literal["initial", "incremental", "checksum", ""]
    sync_success: bool
    change_id: str | None
    previous_change_id: str | None
    blocks_changed: int
    bytes_transferred: int
    extent_count: int | None
    sync_duration_seconds: float
    note: str
    created_at: str


class ChangedContext(TypedDict):
    """What is wanted for one VM alone; null: nothing, so that the policies say all."""

    policy: PolicyValues | None


class ConfirmDeletion(TypedDict):
    """The VM's exact name; the service checks it."""

    confirm_vm_name: str


class ContextIdentityChange(TypedDict):
    """The VM that this one has probably become, under a new instance UUID."""

    discovered_vm_id: int
    vm_name: str
    vmware_vm_id: str


class ContextRpoEstimate(TypedDict):
    """Whether its target can be kept, and what was measured for that."""

    can_be_kept: bool | None
    shortest_target_seconds: float | None
    words: str
    changed_bytes_per_second: float | None
    read_bytes_per_second: float | None
    other_seconds: float | None
    waiting_seconds: float | None
    expected_seconds: float | None


class Context(TypedDict):
    """Every column of a context, and computed values."""

    context_id: str
    vcenter_id: int
    vcenter: VCenterName
    vmware_vm_id: str
    vm_name: str | None
    moref: str | None
    bios_uuid: str | None
    vmx_path: str | None
    change_version: str | None
    annotation: str | None
    vm_path: str | None
    datacenter: str | None
    host_name: str | None
    cpu_count: int | None
    cores_per_socket: int | None
    memory_mb: int | None
    hardware_version: str | None
    firmware: str | None
    os_type: str | None
    guest_id: str | None
    vm_tools_version: str | None
    vm_tools_status: str | None
    guest_hostname: str | None
    ip_addresses: NotRequired[list[str] | None]
    power_state: str | None
    connection_state: str | None
    is_template: bool | None
    cbt_enabled: bool | None
    snapshot_count: int | None
    consolidation_needed: bool | None
    fault_tolerance_state: str | None
    current_status: Literal["discovered", "replicating", "ready_for_failover", "failed"]
    current_job_id: str | None
    last_successful_job_id: str | None
    transport: Literal["auto", "datastore", "nfc", "nbd", ""]
    transport_reason: str
    identity_asked_at: str | None
    total_jobs_run: int
    successful_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    disk_count: int
    capacity_bytes: int | None
    protection: str
    over_by_seconds: int | None
    rpo_seconds: int | None
    newest_recovery_point_at: str | None
    usable_recovery_point_at: str | None
    undecided_disk_count: int
    next_run_at: str | None
    next_run_why: str
    is_paused: bool
    held_up: str
    breach_expected_at: str | None
    breach_why: str
    last_job_failed: bool
    untracked_disk_count: int | None
    gone_since: str | None
    unreadable_since: str | None
    unreadable_reason: str | None
    identity_change: ContextIdentityChange | None
    newest_point_damaged: bool
    newest_point_repository_id: int | None
    rpo_estimate: ContextRpoEstimate
    untold_places: list[dict[str, str]]
    repository_id: int | None
    repository: RepositoryName | None
    rpo_target_seconds: int | None
    unmanaged_at: str | None
    first_job_at: str | None
    last_job_at: str | None
    last_status_change: str
    created_at: str
    updated_at: str


class ContextHistoryAnswer(TypedDict):
    """A JSON object."""

    periods: list[KeptAnswer]
    days: list[KeptAnswer]
    spells: list[SpellAnswer]


class ContextRowIdentityChange(TypedDict):
    """The VM that this one has probably become, under a new instance UUID."""

    discovered_vm_id: int
    vm_name: str
    vmware_vm_id: str


class ContextRowLastJob(TypedDict):
    """The newest job, whatever its status."""

    id: str
    status: str
    replication_type: str | None
    error_message: str
    bytes_transferred: int
    started_at: str | None
    completed_at: str | None


class ContextRow(TypedDict):
    """What the table shows."""

    context_id: str
    vm_name: str | None
    vmware_vm_id: str
    vm_path: str | None
    datacenter: str | None
    vcenter: VCenterName
    current_status: Literal["discovered", "replicating", "ready_for_failover", "failed"]
    power_state: str | None
    os_type: str | None
    cpu_count: int | None
    memory_mb: int | None
    vm_tools_version: str | None
    ip_addresses: NotRequired[list[str] | None]
    disk_count: int
    capacity_bytes: int | None
    protection: str
    over_by_seconds: int | None
    rpo_seconds: int | None
    newest_recovery_point_at: str | None
    usable_recovery_point_at: str | None
    undecided_disk_count: int
    next_run_at: str | None
    next_run_why: str
    is_paused: bool
    held_up: str
    breach_expected_at: str | None
    breach_why: str
    last_job_failed: bool
    untracked_disk_count: int | None
    gone_since: str | None
    unreadable_since: str | None
    unreadable_reason: str | None
    identity_change: ContextRowIdentityChange | None
    repository_id: int | None
    rpo_target_seconds: int | None
    total_jobs_run: int
    successful_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    current_job_id: str | None
    last_successful_job_id: str | None
    last_job_at: str | None
    last_status_change: str
    current_job: JobProgress | None
    last_job: ContextRowLastJob | None


class ContextRowPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[ContextRow]


class Disk(TypedDict):
    """A disk's present state, and its last committed image."""

    disk_id: str
    device_key: int
    disk_uuid: str | None
    label: str | None
    capacity_bytes: int | None
    vmdk_path: str | None
    datastore: str | None
    provisioning_type: str | None
    disk_mode: str | None
    sharing: str | None
    backing_type: str | None
    controller_type: str | None
    unprotected_reason: str
    accept_unprotected: bool
    tracking_doubt: str
    read_whole_at_point: int | None
    change_id: str | None
    last_sync_at: str | None
    last_sync_type: str | None
    last_sync_bytes: int | None
    stored_bytes: int | None
    created_at: str
    updated_at: str


class EffectivePolicyAnswer(TypedDict):
    """What is in effect for a VM, and where each group of values comes from."""

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
    sources: dict[str, SourceAnswer]


class EverythingAnswer(TypedDict):
    """Everything about one VM."""

    context: Context
    policy: EffectivePolicyAnswer | None
    group: GroupNameAnswer | None
    current_job: JobDetail | None
    job_history: list[JobWithSteps]
    disks: list[Disk]
    networks: list[NetworkAdapter]
    cbt_history: list[CBTHistory]
    recovery_points: list[RecoveryPoint]


class GroupNameAnswer(TypedDict):
    """A JSON object."""

    id: int
    name: str


class JobProgress(TypedDict):
    """The running job in a table's row."""

    id: str
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    replication_type: Literal["initial", "incremental", "checksum", None, ""]
    current_operation: str
    waiting_for: str | None
    bytes_transferred: int
    total_bytes: int | None
    transfer_speed_bps: int | None
    progress_percent: int | None
    eta_seconds: int | None
    created_at: str
    started_at: str | None


class JobWithSteps(TypedDict):
    """A job of the history: `steps` are of its last attempts; `attempts_left_out` counts the
    earlier ones."""

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


class Move(TypedDict):
    """The repository that a VM's next replication goes into."""

    repository_id: int


class MovedAnswer(TypedDict):
    """A JSON object."""

    context_id: str
    repository_id: int
    moved: bool


class NetworkAdapter(TypedDict):
    adapter_id: str
    device_key: int
    label: str | None
    mac_address: str | None
    network_name: str | None
    adapter_type: str | None
    connected: bool | None
    ip_addresses: NotRequired[list[str] | None]
    created_at: str
    updated_at: str


class PolicyValues(TypedDict):
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


class Release(TypedDict):
    """Removing a VM from management; its replica data stays unless both fields are given."""

    delete_replica_data: NotRequired[bool]
    confirm_vm_name: NotRequired[str]


class RemovedAnswer(TypedDict):
    """What is left of a VM's replica, and what was deleted."""

    context_id: str
    current_status: str
    unmanaged_at: str | None
    recovery_points_kept: int
    stored_bytes_kept: int
    recovery_points_deleted: int
    stored_bytes_deleted: int


class RepositoryName(TypedDict):
    id: int
    name: str


class RetentionPreviewAnswer(TypedDict):
    """A JSON object."""

    rules: RulesAnswer | None
    time_zone: str
    stored_bytes: int | None
    longest_chain: int | None
    points: list[VerdictAnswer]


class RulesAnswer(TypedDict):
    """A JSON object."""

    keep_last: int
    keep_hourly: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    keep_yearly: int


class SameVM(TypedDict):
    """Which discovered VM a context's VM is, or is not: by its ID or its instance UUID."""

    discovered_vm_id: NotRequired[int]
    vmware_vm_id: NotRequired[str]


class SourceAnswer(TypedDict):
    """Where a group of values comes from: a policy, and the place where it applies."""

    policy_id: int | None
    policy: str | None
    place: str | None
    is_own: bool


class SpellAnswer(TypedDict):
    """A JSON object."""

    state: Literal["protected", "over_target", "no_target", "broken", "unprotected"]
    target_seconds: int | None
    began_at: str
    ended_at: str | None
    foretold_at: str | None


class Sync(TypedDict):
    """How a job is to sync the disks; a request without a body means: as needed."""

    requested_sync: NotRequired[Literal["as_needed", "checksum", "initial", "reset_cbt"]]


class Take(TypedDict):
    """VMs to take under management: discovered ones by their IDs, or one by its identity."""

    discovered_vm_ids: NotRequired[list[int]]
    vm_name: NotRequired[str]
    vcenter_host: NotRequired[str]
    vmware_vm_id: NotRequired[str]
    repository_id: NotRequired[int]
    rpo_target_seconds: NotRequired[int]


class TakenAnswer(TypedDict):
    """A JSON object."""

    contexts: list[ContextRow]


class VCenterName(TypedDict):
    id: int
    name: str
    host: str


class VerdictAnswer(TypedDict):
    """A JSON object."""

    recovery_point_id: int
    mark: str
    goes: bool
    goes_as: int | None
    waits: str | None
