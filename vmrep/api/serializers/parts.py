"""Small objects within answers, as the schema describes them. Times are as JSON has them."""

from __future__ import annotations

from typing import TypedDict


class IdentityChange(TypedDict):
    """The VM that a VM has probably become."""

    discovered_vm_id: int
    vm_name: str
    vmware_vm_id: str


class NewestJob(TypedDict):
    id: str
    status: str
    replication_type: str | None
    error_message: str
    bytes_transferred: int
    started_at: str | None
    completed_at: str | None


class RPOEstimate(TypedDict):
    can_be_kept: bool | None
    shortest_target_seconds: float | None
    words: str
    changed_bytes_per_second: float | None
    read_bytes_per_second: float | None
    other_seconds: float | None
    waiting_seconds: float | None
    expected_seconds: float | None


class NewestDiscovery(TypedDict):
    id: int
    status: str
    completed_at: str | None
    error_message: str


class GroupMember(TypedDict):
    position: int
    context_id: str
    vm_name: str | None
    protection: str


class RunMember(TypedDict):
    position: int
    context_id: str
    job_id: str | None
    state: str
    taken_at: str | None
    why: str
