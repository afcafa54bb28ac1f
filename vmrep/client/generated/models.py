"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class AnsweringAnswer(TypedDict):
    """A JSON object."""

    id: int
    name: str
    state: Literal["away", "answering"]
    problem: str
    asked_at: str
    answered_at: str | None


class AuditEvent(TypedDict):
    number: int
    at: str
    verb: str
    outcome: Literal["done", "refused", "failed", ""]
    actor: str
    user_id: int | None
    via: Literal["page", "api", "admin", "command", "schedule", "system", ""]
    address: str
    request_id: str
    kind: str
    object_id: str
    object_name: str
    vm_context_id: str
    vcenter_id: int | None
    folder: str
    job_id: str
    old: dict[str, object]
    new: dict[str, object]
    previous_digest: str
    digest: str
    seal: str


class AuditEventPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[AuditEvent]


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


class BulkAction(TypedDict):
    id: int
    kind: Literal[
        "replicate",
        "copy_in_full",
        "cancel",
        "policy",
        "repository",
        "pause",
        "resume",
        "remove",
        "",
    ]
    state: Literal["waiting", "running", "ended", "cancelled"]
    total: int
    done: int
    refused: int
    policy_id: int | None
    repository_id: int | None
    subject: str
    until: str | None
    reason: str
    asked_by: str
    cancelled_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    updated_at: str


class BulkActionPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[BulkAction]


class BulkItem(TypedDict):
    context_id: str
    vm_name: str
    state: Literal["waiting", "done", "refused"]
    why: str


class BulkItemPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[BulkItem]


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


class ChangedBandwidth(TypedDict):
    """The windows of a vCenter; null: of all others."""

    vcenter_id: int | None
    windows: list[BandwidthHours]


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


class ChangedContext(TypedDict):
    """What is wanted for one VM alone; null: nothing, so that the policies say all."""

    policy: PolicyValues | None


class ChangedGroup(TypedDict):
    """Another name; exactly these VMs, in this order."""

    name: NotRequired[str]
    members: NotRequired[list[str]]


class ChangedLimit(TypedDict):
    """A limit; null: as all others, or (without a resource) the default."""

    kind: Literal["vcenter_jobs", "repository_jobs", "host_sessions", "datastore_snapshots"]
    resource: NotRequired[str]
    limit: int | None


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


class ChangedRepository(TypedDict):
    """Changes to a repository; fields that are not given stay unchanged."""

    name: NotRequired[str]
    reserve_bytes: NotRequired[int | None]


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


class ChangedUser(TypedDict):
    """Fields that are not given stay unchanged. A new password ends the user's sessions; so
    does `is_active: false`, which takes the user's tokens out of use, too."""

    role: NotRequired[Literal["viewer", "operator", "admin", None]]
    is_active: NotRequired[bool]
    password: NotRequired[str]


class ChangedVCenter(TypedDict):
    """Changes to a vCenter; fields that are not given stay unchanged."""

    name: NotRequired[str]
    host: NotRequired[str]
    port: NotRequired[int]
    username: NotRequired[str]
    password: NotRequired[str]
    trust_mode: NotRequired[Literal["verify", "pin", "insecure"]]
    fingerprint_sha256: NotRequired[str]
    transport: NotRequired[Literal["auto", "datastore", "nfc", "nbd"]]
    nbd_command: NotRequired[str]
    confirm_instance_uuid: NotRequired[str]


class ChangedVMAnswer(TypedDict):
    """A JSON object."""

    context_id: str
    vm_name: str
    changes: list[LineAnswer]


class ChangedView(TypedDict):
    """Fields that are not given stay unchanged."""

    name: NotRequired[str]
    query: NotRequired[str]
    is_shared: NotRequired[bool]
    is_default: NotRequired[bool]


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


class Comment(TypedDict):
    """What people should know of a recovery point."""

    comment: str


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


class DeliveryPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Delivery]


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


class DiscoveredVMDisks(TypedDict):
    pass


class DiscoveredVMNetworks(TypedDict):
    pass


class DiscoveredVMRefusals(TypedDict):
    code: NotRequired[str]
    reason: NotRequired[str]
    remedy: NotRequired[str]


class DiscoveredVMNotices(TypedDict):
    code: NotRequired[str]
    summary: NotRequired[str]
    text: NotRequired[str]


class DiscoveredVMUntoldPlaces(TypedDict):
    place: NotRequired[str]
    since: NotRequired[str]


class DiscoveredVM(TypedDict):
    """A VM of a vCenter, with what would prevent its replication (`refusals`), and what to
    know before taking it (`notices`)."""

    id: int
    vcenter_id: int
    vmware_vm_id: str | None
    managed_context_id: str | None
    identity_problem: str
    probable_context_id: str | None
    identity_rejected_at: str | None
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
    disks: NotRequired[list[DiscoveredVMDisks]]
    networks: NotRequired[list[DiscoveredVMNetworks]]
    refusals: NotRequired[list[DiscoveredVMRefusals]]
    notices: NotRequired[list[DiscoveredVMNotices]]
    seen_at: str
    gone_at: str | None
    unreadable_since: str | None
    unreadable_reason: str
    untold_places: NotRequired[list[DiscoveredVMUntoldPlaces]]


class DiscoveredVMPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[DiscoveredVM]
    discovery: Discovery | None


class Discovery(TypedDict):
    id: int
    vcenter_id: int
    status: Literal["pending", "running", "completed", "failed"]
    requested_by: str
    vms_seen: int
    vms_total: int | None
    error_message: str
    created_at: str
    started_at: str | None
    completed_at: str | None


class DiscoveryAnswer(TypedDict):
    """A JSON object."""

    discovery: Discovery


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
    priority: NotRequired[Literal["low", "normal", "high", "", None]]
    sources: dict[str, SourceAnswer]


class Event(TypedDict):
    id: int
    context_id: str
    vm_name: str
    job_id: str | None
    actor: str
    old: str
    new: str
    why: str
    created_at: str


class EventPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Event]


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


class Finding(TypedDict):
    code: str
    severity: Literal["error", "warning", ""]
    context_id: str
    vm_name: str
    job_id: str
    what: str
    remedy: str
    repairable: bool
    repaired: str


class Forecast(TypedDict):
    """How full a repository is, and will be, as its page says it."""

    free_bytes: int | None
    total_bytes: int | None
    reserved_bytes: int | None
    under_way_bytes: int
    steady_bytes: int | None
    levels_off: bool
    full_in_seconds: float | None


class GroupMembers(TypedDict):
    position: int
    context_id: str
    vm_name: str | None
    protection: str


class Group(TypedDict):
    id: int
    name: str
    protection: str | None
    members: list[GroupMembers]
    last_run: Run | None
    created_by: str
    created_at: str


class GroupNameAnswer(TypedDict):
    """A JSON object."""

    id: int
    name: str


class GroupPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Group]


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


class IntegrityAnswer(TypedDict):
    """A JSON object."""

    ok: bool
    run: IntegrityRun | None
    active_run: IntegrityRun | None
    findings: list[Finding]
    repaired: list[Finding]


class IntegrityRun(TypedDict):
    id: int
    requested_by: str
    deep: bool
    repair: bool
    outcome: Literal["pending", "running", "ok", "findings", "broken_off"]
    finding_count: int
    repaired_count: int
    error_message: str
    created_at: str
    started_at: str | None
    completed_at: str | None


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


class JobPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Job]


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


class KeptAnswer(TypedDict):
    """A JSON object."""

    begins_at: str
    ends_at: str
    within_target: float | None


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


class Login(TypedDict):
    """The credentials for a token, and what the token is to be."""

    username: str
    password: str
    name: NotRequired[str]
    scope: NotRequired[Literal["read", "write", "danger"]]
    expires_in_days: NotRequired[int | None]


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


class NewBulkAction(TypedDict):
    """What to do with which VMs: those of `context_ids`, or all that match `filter` now."""

    kind: Literal[
        "replicate", "copy_in_full", "cancel", "policy", "repository", "pause", "resume", "remove"
    ]
    context_ids: NotRequired[list[str]]
    filter: NotRequired[dict[str, dict[str, object]]]
    policy_id: NotRequired[int | None]
    repository_id: NotRequired[int]
    until: NotRequired[str | None]
    reason: NotRequired[str]


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


class NewGroup(TypedDict):
    """Its name, and its VMs in their order."""

    name: str
    members: NotRequired[list[str]]


class NewPause(TypedDict):
    """What is paused, until when (null: until somebody ends it), and why."""

    kind: Literal["all", "vcenter", "policy", "vm"]
    vcenter_id: NotRequired[int]
    policy_id: NotRequired[int]
    context_id: NotRequired[str]
    until: NotRequired[str | None]
    reason: NotRequired[str]


class NewPlace(TypedDict):
    """A vCenter, or a folder in it with all below."""

    vcenter_id: int
    folder: NotRequired[str]


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


class NewRepository(TypedDict):
    """A folder to become a repository. `device` and `on_system_disk` confirm what the first
    answer said of it."""

    name: str
    path: str
    device: NotRequired[int]
    on_system_disk: NotRequired[bool]


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


class NewUser(TypedDict):
    """`role`: null, and the user sees nothing but the own account."""

    username: str
    password: str
    role: NotRequired[Literal["viewer", "operator", "admin", None]]


class NewVCenter(TypedDict):
    """A vCenter to add. The password is accepted, and never returned."""

    name: str
    host: str
    port: NotRequired[int]
    username: str
    password: str
    trust_mode: NotRequired[Literal["verify", "pin", "insecure"]]
    fingerprint_sha256: NotRequired[str]
    transport: NotRequired[Literal["auto", "datastore", "nfc", "nbd"]]
    nbd_command: NotRequired[str]


class NewView(TypedDict):
    """`query` is what the page's address says after `?`; what the page does not know is left
    away."""

    page: Literal["virtual-machines", "discovery", "jobs", "events", "occurrences"]
    name: str
    query: NotRequired[str]
    is_shared: NotRequired[bool]
    is_default: NotRequired[bool]


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
        "vmrep.taken_by_policy",
        "vmrep.group_failed",
        "vmrep.group_apart",
        "vmrep.group_recovered",
    ]
    timestamp: str
    data: OccurrenceData


class OccurrencePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Occurrence]


class OutcomeAnswer(TypedDict):
    """A JSON object."""

    changed_vms: int
    vms_to_come: int


class Pause(TypedDict):
    id: int
    kind: Literal["all", "vcenter", "policy", "vm"]
    vcenter_id: int | None
    policy_id: int | None
    context_id: str | None
    subject: str
    until: NotRequired[str | None]
    reason: NotRequired[str]
    paused_by: str
    created_at: str


class PausePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Pause]


class Pin(TypedDict):
    """Keeping a recovery point, and why."""

    comment: NotRequired[str]


class Place(TypedDict):
    id: int
    vcenter_id: int | None
    vcenter_name: str
    folder: str
    created_by: str
    created_at: str


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
    vms_to_be_taken: int


class PolicyShareAnswer(TypedDict):
    """A JSON object."""

    policy: str
    vms: int
    share: float | None


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


class PossibleChange(TypedDict):
    """One change of a policy, to be previewed: what it says, a place more, or a place less."""

    policy: NotRequired[ChangedPolicy]
    scope: NotRequired[NewScope]
    remove_scope_id: NotRequired[int]


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


class ReadingAnswer(TypedDict):
    """A JSON object."""

    vcenter_id: int | None
    name: str
    windows: list[BandwidthWindowAnswer]
    bytes_per_second: int | None
    reading_bytes_per_second: int | None
    reading_jobs: int | None


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


class RecoveryPointPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[RecoveryPoint]


class RedisAnswer(TypedDict):
    """A JSON object."""

    problem: str
    answered_at: str | None


class Release(TypedDict):
    """Removing a VM from management; its replica data stays unless both fields are given."""

    delete_replica_data: NotRequired[bool]
    confirm_vm_name: NotRequired[str]


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


class RemovedAnswer(TypedDict):
    """What is left of a VM's replica, and what was deleted."""

    context_id: str
    current_status: str
    unmanaged_at: str | None
    recovery_points_kept: int
    stored_bytes_kept: int
    recovery_points_deleted: int
    stored_bytes_deleted: int


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


class ReportMessage(TypedDict):
    """None"""

    type: Literal["vmrep.report"]
    timestamp: str
    data: ReportAnswer


class Repository(TypedDict):
    id: int
    name: str
    kind: Literal["directory"]
    uuid: str
    config: NotRequired[dict[str, object]]
    reserve_bytes: int | None
    context_count: int
    point_count: int
    stored_bytes: int
    created_at: str
    updated_at: str


class RepositoryDetailAnswer(TypedDict):
    id: int
    name: str
    kind: Literal["directory"]
    uuid: str
    config: NotRequired[dict[str, object]]
    reserve_bytes: int | None
    context_count: int
    point_count: int
    stored_bytes: int
    created_at: str
    updated_at: str
    forecast: Forecast
    signs: list[RepositorySign]


class RepositoryName(TypedDict):
    id: int
    name: str


class RepositoryPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Repository]


class RepositorySign(TypedDict):
    """What the workers of one machine last saw of it."""

    host: str
    looked_at: str
    reached_at: str | None
    problem: str
    free_bytes: int | None
    total_bytes: int | None
    full_in_seconds: float | None


class RepositorySpace(TypedDict):
    hour: str
    free_bytes: int
    total_bytes: int
    stored_bytes: int


class RepositorySpacePage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[RepositorySpace]


class RetentionPreviewAnswer(TypedDict):
    """A JSON object."""

    rules: RulesAnswer | None
    time_zone: str
    stored_bytes: int | None
    longest_chain: int | None
    points: list[VerdictAnswer]


class RootAnswer(TypedDict):
    vm_contexts: str
    vm_context_lookup: str
    replications: str
    vcenters: str
    repositories: str
    policies: str
    groups: str
    limits: str
    bandwidth: str
    pauses: str
    bulk_actions: str
    health: str
    integrity: str
    events: str
    occurrences: str
    audit_events: str
    report: str
    notification_channels: str
    notification_rules: str
    notification_deliveries: str
    token: str
    tokens: str
    users: str
    saved_views: str


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


class RulesAnswer(TypedDict):
    """A JSON object."""

    keep_last: int
    keep_hourly: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    keep_yearly: int


class RunMembers(TypedDict):
    position: int
    context_id: str
    job_id: str | None
    state: str
    taken_at: str | None
    why: str


class Run(TypedDict):
    id: int
    state: str
    trigger: str
    requested_by: str
    spread_seconds: float | None
    problem: str
    created_at: str
    gathered_at: str | None
    ended_at: str | None
    together_count: int | None
    point_count: int
    members: list[RunMembers]


class RunPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Run]


class SameVM(TypedDict):
    """Which discovered VM a context's VM is, or is not: by its ID or its instance UUID."""

    discovered_vm_id: NotRequired[int]
    vmware_vm_id: NotRequired[str]


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


class SavedView(TypedDict):
    id: int
    page: Literal["virtual-machines", "discovery", "jobs", "events", "occurrences", ""]
    name: str
    query: str
    is_shared: bool
    is_default: bool
    created_at: str
    updated_at: str


class SavedViewPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[SavedView]


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


class SourceAnswer(TypedDict):
    """Where a group of values comes from: a policy, and the place where it applies."""

    policy_id: int | None
    policy: str | None
    place: str | None
    is_own: bool


class SpaceAnswer(TypedDict):
    """A JSON object."""

    name: str
    free_bytes: int | None
    total_bytes: int | None
    full_in_seconds: float | None


class SpellAnswer(TypedDict):
    """A JSON object."""

    state: Literal["protected", "over_target", "no_target", "broken", "unprotected"]
    target_seconds: int | None
    began_at: str
    ended_at: str | None
    foretold_at: str | None


class StartByIdentity(TypedDict):
    """A VM, and how its disks are to be synced."""

    vm_name: NotRequired[str]
    vcenter_host: NotRequired[str]
    vmware_vm_id: NotRequired[str]
    requested_sync: NotRequired[Literal["as_needed", "checksum", "initial", "reset_cbt"]]


class Step(TypedDict):
    attempt: int
    name: Literal[
        "prepare", "tracking", "snapshot", "plan", "transfer", "verify", "commit", "clean_up", ""
    ]
    status: Literal["running", "completed", "warning", "failed", "cancelled", "interrupted"]
    message: str
    started_at: str
    completed_at: str | None


class StepPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Step]


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


class TestData(TypedDict):
    """Somebody tested the channel."""

    channel: str


class TestMessage(TypedDict):
    """Somebody tested the channel."""

    type: Literal["vmrep.test"]
    timestamp: str
    data: TestData


class TickAnswer(TypedDict):
    """A JSON object."""

    state: Literal["alive", "dead"]
    ran_at: str | None


class Token(TypedDict):
    id: int
    name: str
    scope: Literal["read", "write", "danger", ""]
    prefix: str
    origin: Literal["page", "api", "earlier", ""]
    created_at: str
    created_from: str
    expires_at: str | None
    last_used_at: str | None
    last_used_from: str


class TokenAnswer(TypedDict):
    """A new token: the key is shown this once."""

    token: str
    id: int
    name: str
    scope: Literal["read", "write", "danger", ""]
    prefix: str
    origin: Literal["page", "api", "earlier", ""]
    created_at: str
    created_from: str
    expires_at: str | None
    last_used_at: str | None
    last_used_from: str


class TokenPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Token]


class TooSlowAnswer(TypedDict):
    """A JSON object."""

    context_id: str
    name: str
    why: str


class TroubleAnswer(TypedDict):
    """A JSON object."""

    kind: str
    subject: str
    what: str
    since: str | None
    vcenter_id: int | None
    repository_id: int | None


class User(TypedDict):
    id: int
    username: str
    role: str | None
    is_active: bool
    is_superuser: bool
    scopes: list[Place]
    date_joined: str
    last_login: str | None


class UserPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[User]


class VCenterLastDiscovery(TypedDict):
    id: int
    status: str
    completed_at: str | None
    error_message: str


class VCenter(TypedDict):
    id: int
    name: str
    host: str
    port: int
    username: str
    trust_mode: Literal["verify", "pin", "insecure"]
    fingerprint_sha256: str
    transport: Literal["auto", "datastore", "nfc", "nbd"]
    nbd_command: str
    instance_uuid: str
    host_uuid: str
    product: str
    api_version: str
    login_refused_at: str | None
    login_refused_why: str
    found_instance_uuid: str
    found_at: str | None
    former_instance_uuid: str
    replaced_at: str | None
    replaced_by: str
    read_over: dict[str, int]
    passed_over_vm: str | None
    passed_over_reason: str | None
    vm_count: int
    context_count: int
    last_discovery: VCenterLastDiscovery | None
    created_at: str
    updated_at: str


class VCenterName(TypedDict):
    id: int
    name: str
    host: str


class VCenterPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[VCenter]


class VMInRepository(TypedDict):
    """A VM that has something in a repository, or is kept there."""

    context_id: str
    vm_name: str | None
    repository_id: int | None
    unmanaged_at: str | None
    point_count: int
    going_count: int
    oldest_at: str | None
    newest_at: str | None
    stored_bytes: int


class VMInRepositoryPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[VMInRepository]


class VerdictAnswer(TypedDict):
    """A JSON object."""

    recovery_point_id: int
    mark: str
    goes: bool
    goes_as: int | None
    waits: str | None


class Window(TypedDict):
    days: list[str]
    begin: str
    end: str
