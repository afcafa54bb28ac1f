"""Every state of this app, and which may follow which, as data."""

from __future__ import annotations

from django.db import models


class JobStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ACTIVE_JOB_STATUSES = (JobStatus.PENDING.value, JobStatus.RUNNING.value)

_J = JobStatus
JOB_TRANSITIONS: dict[str, frozenset[str]] = {
    _J.PENDING: frozenset({_J.RUNNING, _J.CANCELLED, _J.FAILED}),
    # Back to pending: a transient error, or a worker that died; the same job is tried again.
    _J.RUNNING: frozenset({_J.PENDING, _J.COMPLETED, _J.FAILED, _J.CANCELLED}),
    _J.COMPLETED: frozenset(),
    _J.FAILED: frozenset(),
    _J.CANCELLED: frozenset(),
}


class SyncType(models.TextChoices):
    """How one disk was brought up to date."""

    INITIAL = "initial", "Initial"
    INCREMENTAL = "incremental", "Incremental"
    CHECKSUM = "checksum", "Checksum"


class ReplicationType(models.TextChoices):
    """A job's type: `initial` if any disk was not incremental."""

    INITIAL = "initial", "Initial"
    INCREMENTAL = "incremental", "Incremental"


class Trigger(models.TextChoices):
    MANUAL = "manual", "Manual"
    API = "api", "API"
    SCHEDULE = "schedule", "Schedule"
    SYSTEM = "system", "System"


class StepName(models.TextChoices):
    """The steps of a job, in their order."""

    PREPARE = "prepare", "Prepare"
    TRACKING = "tracking", "Tracking"
    SNAPSHOT = "snapshot", "Snapshot"
    PLAN = "plan", "Plan"
    TRANSFER = "transfer", "Transfer"
    VERIFY = "verify", "Verify"
    COMMIT = "commit", "Commit"
    CLEAN_UP = "clean_up", "Clean up"


class StepStatus(models.TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    WARNING = "warning", "Completed with a warning"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    INTERRUPTED = "interrupted", "Interrupted"


class SnapshotState(models.TextChoices):
    """A snapshot that vmrep made at a vCenter. `intended` is committed before the call."""

    INTENDED = "intended", "Intended"
    CREATED = "created", "Created"
    REMOVED = "removed", "Removed"


class RecoveryPointState(models.TextChoices):
    WRITING = "writing", "Writing"
    AVAILABLE = "available", "Available"
    EXPIRING = "expiring", "Expiring"
    EXPIRED = "expired", "Expired"


class ImageState(models.TextChoices):
    WRITING = "writing", "Writing"
    COMMITTED = "committed", "Committed"
    DELETING = "deleting", "Deleting"


class RepositoryKind(models.TextChoices):
    DIRECTORY = "directory", "Directory of qcow2 images"


class LeaseHolder(models.TextChoices):
    JOB = "job", "Job"
    CLEAN_UP = "clean_up", "Clean-up"
    RETENTION = "retention", "Retention"
    DELETION = "deletion", "Deletion"


class HoldKind(models.TextChoices):
    VERIFY = "verify", "Verification"
    TEST_FAILOVER = "test_failover", "Test failover"
    PIN = "pin", "Pinned"
