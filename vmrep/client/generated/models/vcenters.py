"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


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


class VCenterPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[VCenter]
