"""VM contexts as JSON. Spec fields come from the one list; unknown is null."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from contexts.models import VCenter, VMContext, VMDisk, VMNetworkAdapter
from contexts.models.specs import SPEC_NAMES
from contexts.selectors import as_seen
from replication.models import Repository
from replication.selectors.protection import age_seconds, over_by_seconds
from replication.selectors.schedules import (
    breach_expected,
    next_run,
    schedule_of,
    whether_kept,
)
from vmrep.api.serializers.jobs import JobProgressSerializer
from vmrep.api.serializers.parts import IdentityChange, NewestJob, RPOEstimate

COUNTERS = ("total_jobs_run", "successful_jobs", "failed_jobs", "cancelled_jobs")


class VCenterNameSerializer(serializers.ModelSerializer[VCenter]):
    class Meta:
        model = VCenter
        fields = ["id", "name", "host"]
        read_only_fields = fields


class RepositoryNameSerializer(serializers.ModelSerializer[Repository]):
    class Meta:
        model = Repository
        fields = ["id", "name"]
        read_only_fields = fields


class _Protected(serializers.ModelSerializer[Any]):
    """What list and detail add to the columns; `now` in the context is their common time."""

    vcenter = VCenterNameSerializer()
    disk_count = serializers.IntegerField()
    capacity_bytes = serializers.IntegerField(allow_null=True)
    protection = serializers.CharField()
    over_by_seconds = serializers.SerializerMethodField()
    rpo_seconds = serializers.SerializerMethodField()
    newest_recovery_point_at = serializers.DateTimeField(source="newest_point_at", allow_null=True)
    untracked_disk_count = serializers.IntegerField(allow_null=True)
    gone_since = serializers.DateTimeField(allow_null=True)
    unreadable_since = serializers.DateTimeField(allow_null=True)
    unreadable_reason = serializers.CharField(allow_null=True)
    identity_change = serializers.SerializerMethodField()
    next_run_at = serializers.SerializerMethodField()
    next_run_why = serializers.SerializerMethodField()
    is_paused = serializers.BooleanField()
    held_up = serializers.SerializerMethodField()
    breach_expected_at = serializers.SerializerMethodField()
    breach_why = serializers.SerializerMethodField()

    def get_held_up(self, context: Any) -> str:
        due = next_run(context)
        return due.held_up if due else ""

    def get_breach_expected_at(self, context: Any) -> str | None:
        foretold = breach_expected(context, self.context["now"])
        return _time(foretold.breach_expected_at) if foretold else None

    def get_breach_why(self, context: Any) -> str:
        foretold = breach_expected(context, self.context["now"])
        return foretold.breach_why if foretold else ""

    def get_next_run_at(self, context: Any) -> str | None:
        due = next_run(context)
        return _time(due.due_at) if due else None

    def get_next_run_why(self, context: Any) -> str:
        due = next_run(context)
        return due.due_why if due else ""

    def get_rpo_seconds(self, context: Any) -> int | None:
        now: datetime = self.context["now"]
        return age_seconds(context.newest_point_at, now)

    def get_over_by_seconds(self, context: Any) -> int | None:
        now: datetime = self.context["now"]
        return over_by_seconds(context.newest_point_at, context.rpo_target_seconds, now)

    def get_identity_change(self, context: Any) -> IdentityChange | None:
        """The VM that this one has probably become, under a new instance UUID."""
        if context.changed_vm_id is None:
            return None
        return {
            "discovered_vm_id": context.changed_vm_id,
            "vm_name": context.changed_vm_name,
            "vmware_vm_id": context.changed_vm_uuid,
        }


_ADDED = (
    *("disk_count", "capacity_bytes"),
    *("protection", "over_by_seconds", "rpo_seconds"),
    *("newest_recovery_point_at", "usable_recovery_point_at", "undecided_disk_count"),
    *("next_run_at", "next_run_why", "is_paused", "held_up"),
    *("breach_expected_at", "breach_why"),
    "last_job_failed",
    *("untracked_disk_count", "gone_since", "unreadable_since", "unreadable_reason"),
    "identity_change",
)


class ContextRowSerializer(_Protected):
    """What the table shows."""

    current_job = JobProgressSerializer(allow_null=True)
    last_job = serializers.SerializerMethodField()

    class Meta:
        model = VMContext
        fields = [
            *("context_id", "vm_name", "vmware_vm_id", "vm_path", "datacenter", "vcenter"),
            *("current_status", "power_state", "os_type", "cpu_count", "memory_mb"),
            *("vm_tools_version", "ip_addresses"),
            *_ADDED,
            *("repository_id", "rpo_target_seconds"),
            *COUNTERS,
            *("current_job_id", "last_successful_job_id", "last_job_at", "last_status_change"),
            *("current_job", "last_job"),
        ]
        read_only_fields = fields

    def get_last_job(self, context: Any) -> NewestJob | None:
        """The newest job, whatever its status."""
        if context.newest_job_id is None:
            return None
        return {
            "id": context.newest_job_id,
            "status": context.newest_job_status,
            "replication_type": context.newest_job_type,
            "error_message": context.newest_job_error,
            "bytes_transferred": context.newest_job_bytes,
            "started_at": _time(context.newest_job_started_at),
            "completed_at": _time(context.newest_job_completed_at),
        }


class ContextSerializer(_Protected):
    """Every column of a context, and computed values."""

    repository = RepositoryNameSerializer(allow_null=True)
    untold_places = serializers.SerializerMethodField()
    rpo_estimate = serializers.SerializerMethodField()

    def get_untold_places(self, context: Any) -> list[dict[str, str]]:
        """Where it is, as far as vSphere did not tell at the last reading, with since when."""
        return as_seen(context).untold_places

    def get_rpo_estimate(self, context: Any) -> RPOEstimate:
        """Whether its target can be kept, and what was measured for that."""
        found, schedule = whether_kept(context), schedule_of(context)
        return {
            "can_be_kept": found.can_be_kept,
            "shortest_target_seconds": found.shortest_seconds,
            "words": found.words,
            "changed_bytes_per_second": schedule.changed_per_second if schedule else None,
            "read_bytes_per_second": schedule.bytes_per_second if schedule else None,
            "other_seconds": schedule.overhead_seconds if schedule else None,
            "waiting_seconds": schedule.wait_seconds if schedule else None,
            "expected_seconds": schedule.expected_seconds if schedule else None,
        }

    class Meta:
        model = VMContext
        fields = [
            *("context_id", "vcenter_id", "vcenter", "vmware_vm_id"),
            *SPEC_NAMES,
            *("current_status", "current_job_id", "last_successful_job_id"),
            *("transport", "transport_reason", "identity_asked_at"),
            *COUNTERS,
            *_ADDED,
            *("newest_point_damaged", "newest_point_repository_id"),
            *("rpo_estimate", "untold_places"),
            *("repository_id", "repository", "rpo_target_seconds", "unmanaged_at"),
            *("first_job_at", "last_job_at", "last_status_change", "created_at", "updated_at"),
        ]
        read_only_fields = fields


class DiskSerializer(serializers.ModelSerializer[VMDisk]):
    """A disk's present state, and its last committed image."""

    change_id = serializers.CharField(allow_null=True)
    last_sync_at = serializers.DateTimeField(allow_null=True)
    last_sync_type = serializers.CharField(allow_null=True)
    last_sync_bytes = serializers.IntegerField(allow_null=True)
    stored_bytes = serializers.IntegerField(allow_null=True)

    class Meta:
        model = VMDisk
        fields = [
            *("disk_id", "device_key", "disk_uuid", "label", "capacity_bytes"),
            *("vmdk_path", "datastore", "provisioning_type", "disk_mode", "sharing"),
            *("backing_type", "controller_type", "unprotected_reason", "accept_unprotected"),
            *("tracking_doubt", "read_whole_at_point"),
            *("change_id", "last_sync_at", "last_sync_type", "last_sync_bytes", "stored_bytes"),
            *("created_at", "updated_at"),
        ]
        read_only_fields = fields


class NetworkAdapterSerializer(serializers.ModelSerializer[VMNetworkAdapter]):
    class Meta:
        model = VMNetworkAdapter
        fields = [
            *("adapter_id", "device_key", "label", "mac_address", "network_name"),
            *("adapter_type", "connected", "ip_addresses", "created_at", "updated_at"),
        ]
        read_only_fields = fields


def _time(moment: datetime | None) -> Any:
    return serializers.DateTimeField().to_representation(moment) if moment else None
