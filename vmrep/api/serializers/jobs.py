"""Jobs, steps, CBT history and recovery points as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from replication.models import (
    CBTHistory,
    DiskImage,
    JobLogLine,
    JobSample,
    JobStep,
    PointRemoval,
    PointVerification,
    RecoveryPoint,
    ReplicationJob,
    VerificationDamage,
)
from replication.selectors import progress
from replication.selectors.jobs import attempts_left_out, newest_steps
from replication.selectors.telemetry import seconds_since

_PROGRESS = ("progress_percent", "eta_seconds", "duration_seconds")


class _WithProgress(serializers.ModelSerializer[Any]):
    """A job with its progress: percent of its plan's bytes, 100 only once it is committed."""

    bytes_transferred = serializers.SerializerMethodField()
    progress_percent = serializers.SerializerMethodField()
    eta_seconds = serializers.SerializerMethodField()
    duration_seconds = serializers.SerializerMethodField()
    waiting_for = serializers.SerializerMethodField()

    def get_bytes_transferred(self, job: Any) -> int:
        return progress.done_bytes(job)

    def get_progress_percent(self, job: Any) -> int | None:
        return progress.percent(job)

    def get_eta_seconds(self, job: Any) -> int | None:
        return progress.eta_seconds(job)

    def get_waiting_for(self, job: Any) -> str | None:
        return progress.waiting_for(job)

    def get_duration_seconds(self, job: Any) -> float | None:
        return progress.duration_seconds(job)


class JobProgressSerializer(_WithProgress):
    """The running job in a table's row."""

    class Meta:
        model = ReplicationJob
        fields = [
            *("id", "status", "replication_type", "current_operation", "waiting_for"),
            *("bytes_transferred", "total_bytes", "transfer_speed_bps"),
            *("progress_percent", "eta_seconds", "created_at", "started_at"),
        ]
        read_only_fields = fields


class JobSerializer(_WithProgress):
    """Every column of a job."""

    class Meta:
        model = ReplicationJob
        fields = [
            *("id", "vm_context_id", "repository_id", "source_vm_id", "source_vm_name"),
            *("status", "replication_type", "trigger", "requested_by", "requested_sync"),
            "current_operation",
            *("bytes_transferred", "total_bytes", "transfer_speed_bps"),
            *_PROGRESS,
            *("error_message", "error_code", "attempt", "fruitful_attempts", "checkpointed_bytes"),
            *("transport", "transport_reason"),
            *("next_attempt_at", "waiting_for", "waits_for_kind", "waits_for", "worker_name"),
            *("cancel_requested_at", "cancel_requested_by"),
            *("created_at", "started_at", "completed_at", "updated_at"),
        ]
        read_only_fields = fields


class StepSerializer(serializers.ModelSerializer[JobStep]):
    class Meta:
        model = JobStep
        fields = ["attempt", "name", "status", "message", "started_at", "completed_at"]
        read_only_fields = fields


class JobWithStepsSerializer(JobSerializer):
    """A job of the history: `steps` are of its last attempts; `attempts_left_out` counts the
    earlier ones."""

    steps = serializers.SerializerMethodField()
    attempts_left_out = serializers.SerializerMethodField()

    class Meta(JobSerializer.Meta):
        fields = [*JobSerializer.Meta.fields, "steps", "attempts_left_out"]
        read_only_fields = fields

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, job: Any) -> Any:
        return StepSerializer(newest_steps(job).steps, many=True).data

    def get_attempts_left_out(self, job: Any) -> int:
        return attempts_left_out(job)


class JobDiskSerializer(serializers.ModelSerializer[DiskImage]):
    """The progress of one disk of a job."""

    disk_id = serializers.CharField(source="disk.disk_id")
    label = serializers.CharField(source="disk.label")  # type: ignore[assignment]  # a serializer's own `label`
    progress_percent = serializers.SerializerMethodField()

    class Meta:
        model = DiskImage
        fields = [
            *("disk_id", "label", "sync_type", "plan_note", "capacity_bytes"),
            *("planned_bytes", "extent_count"),
            *("transferred_bytes", "progress_percent", "transfer_seconds"),
            *("state", "change_id", "previous_change_id"),
        ]
        read_only_fields = fields

    def get_progress_percent(self, image: Any) -> int | None:
        return progress.percent_of_disk(image)


class JobDetailSerializer(JobWithStepsSerializer):
    """A job with its steps and disks."""

    disks = JobDiskSerializer(many=True, source="images_with_disks")

    class Meta(JobWithStepsSerializer.Meta):
        fields = [*JobWithStepsSerializer.Meta.fields, "disks"]
        read_only_fields = fields


class LogLineSerializer(serializers.ModelSerializer[JobLogLine]):
    """A line of a job's log. `message` is unchanged: a client that prints it must handle control
    characters in a VM's names."""

    class Meta:
        model = JobLogLine
        fields = ["at", "attempt", "level", "message"]
        read_only_fields = fields


class SampleSerializer(serializers.ModelSerializer[JobSample]):
    """A stretch of a transfer; needs the job's start as `started_at` in its context."""

    seconds_since_start = serializers.SerializerMethodField()

    class Meta:
        model = JobSample
        fields = [
            *("at", "attempt", "seconds_since_start", "seconds"),
            *("bytes_transferred", "bytes_per_second"),
        ]
        read_only_fields = fields

    def get_seconds_since_start(self, sample: Any) -> float:
        return seconds_since(self.context["started_at"], sample.at)


class ThroughputOfSerializer(serializers.Serializer[Any]):
    """Which job the samples are of."""

    job_id = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)


class CBTHistorySerializer(serializers.ModelSerializer[CBTHistory]):
    disk_id = serializers.CharField(source="disk.disk_id")
    disk_uuid = serializers.CharField(source="disk.disk_uuid")

    class Meta:
        model = CBTHistory
        fields = [
            *("job_id", "disk_id", "disk_uuid", "sync_type", "sync_success"),
            *("change_id", "previous_change_id", "blocks_changed", "bytes_transferred"),
            *("extent_count", "sync_duration_seconds", "note", "created_at"),
        ]
        read_only_fields = fields


class ImageSerializer(serializers.ModelSerializer[DiskImage]):
    disk_id = serializers.CharField(source="disk.disk_id")

    class Meta:
        model = DiskImage
        fields = [
            *("id", "disk_id", "parent_id", "format", "locator", "state", "sync_type"),
            *("capacity_bytes", "allocated_bytes", "change_id", "digest"),
        ]
        read_only_fields = fields


class RemovalSerializer(serializers.ModelSerializer[PointRemoval]):
    done_percent = serializers.IntegerField(allow_null=True)

    class Meta:
        model = PointRemoval
        fields = [
            *("state", "why", "requested_by", "problem", "next_attempt_at", "freed_bytes"),
            *("done_percent", "created_at", "started_at", "ended_at"),
        ]
        read_only_fields = fields


class FoundDamageSerializer(serializers.ModelSerializer[VerificationDamage]):
    disk_id = serializers.CharField(source="disk.disk_id")
    file = serializers.CharField(source="image.locator", allow_null=True, default=None)

    class Meta:
        model = VerificationDamage
        fields = ["disk_id", "file", "offset_bytes", "length_bytes", "what"]
        read_only_fields = fields


class VerificationSerializer(serializers.ModelSerializer[PointVerification]):
    class Meta:
        model = PointVerification
        fields = [
            *("id", "recovery_point_id", "state", "trigger", "requested_by", "problem"),
            *("total_bytes", "done_bytes", "read_bytes", "damage_count", "created_at"),
            *("started_at", "ended_at"),
        ]
        read_only_fields = fields


class VerificationInDetailSerializer(VerificationSerializer):
    damages = FoundDamageSerializer(many=True)

    class Meta(VerificationSerializer.Meta):
        fields = [*VerificationSerializer.Meta.fields, "damages"]
        read_only_fields = fields


class RecoveryPointSerializer(serializers.ModelSerializer[RecoveryPoint]):
    pinned_by = serializers.CharField(allow_null=True)
    pin_comment = serializers.CharField(allow_null=True)
    removal = serializers.SerializerMethodField()
    stored_bytes = serializers.IntegerField()
    capacity_bytes = serializers.IntegerField()
    images = ImageSerializer(many=True, source="images_with_disks")
    verification = serializers.SerializerMethodField(
        help_text="The newest one; null: there was none."
    )

    class Meta:
        model = RecoveryPoint
        fields = [
            *("id", "consistent_at", "state", "quiesced", "disk_count", "repository_id", "job_id"),
            *("damaged_at", "damage", "stored_bytes", "capacity_bytes", "created_at", "images"),
            *("comment", "pinned_by", "pin_comment", "removal", "expired_at", "expired_why"),
            *("vm_context_id", "verified_at", "verification"),
        ]
        read_only_fields = fields

    @extend_schema_field(VerificationSerializer(allow_null=True))
    def get_verification(self, point: Any) -> dict[str, Any] | None:
        return next((VerificationSerializer(it).data for it in point.last_verifications), None)

    @extend_schema_field(RemovalSerializer(allow_null=True))
    def get_removal(self, point: RecoveryPoint) -> dict[str, Any] | None:
        return RemovalSerializer(point.removal).data if hasattr(point, "removal") else None
