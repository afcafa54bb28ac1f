"""Replication jobs and their steps."""

from django.db import models
from django.db.models import Case, F, Q, Value, When

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from contexts.states import CHOSEN_TRANSPORTS, TransportKind
from replication.states import (
    ACTIVE_JOB_STATUSES,
    JobStatus,
    LimitKind,
    ReplicationType,
    StepName,
    StepStatus,
    SyncRequest,
    Trigger,
)


class ReplicationJob(models.Model):
    """One run that brings a VM's replica up to a new recovery point.

    `active_context_id` and `completed_context_id` are computed by the database: the context while
    the job is active, or once it has completed. With them the database itself enforces "one active
    job per context" and "the current job is an active job of this context".
    """

    id = models.CharField(primary_key=True, max_length=40, verbose_name="ID")
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.PROTECT,
        related_name="jobs",
        verbose_name="VM context",
    )
    repository = models.ForeignKey(
        "replication.Repository", on_delete=models.PROTECT, related_name="jobs"
    )
    source_vm_id = models.CharField(max_length=64, verbose_name="source VM ID")
    source_vm_name = models.TextField(verbose_name="source VM name")

    status = models.CharField(max_length=10, choices=JobStatus.choices, default=JobStatus.PENDING)
    replication_type = models.CharField(
        max_length=12, choices=ReplicationType.choices, null=True, blank=True
    )
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    requested_by = models.CharField(max_length=150)
    requested_sync = models.CharField(
        max_length=10, choices=SyncRequest.choices, default=SyncRequest.AS_NEEDED
    )
    current_operation = models.CharField(max_length=255, blank=True, default="")

    bytes_transferred = models.BigIntegerField(default=0)
    total_bytes = models.BigIntegerField(null=True, blank=True)
    transfer_speed_bps = models.BigIntegerField(
        null=True, blank=True, help_text="Bytes per second.", verbose_name="transfer speed"
    )
    error_message = models.TextField(blank=True, default="")
    error_code = models.CharField(
        max_length=60,
        null=True,
        blank=True,
        help_text="Why the job failed, for programs; null unless it has failed.",
    )

    attempt = models.PositiveIntegerField(default=1)
    fruitful_attempts = models.PositiveIntegerField(
        default=0, help_text="Interrupted attempts that got further than all earlier ones."
    )
    checkpointed_bytes = models.PositiveBigIntegerField(
        default=0,
        help_text="The sum of its images' checkpoints, at the most that any attempt left.",
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    waits_for_kind = models.CharField(
        max_length=20,
        choices=LimitKind.choices,
        blank=True,
        default="",
        help_text="Which of its limits a waiting job met.",
    )
    waits_for = models.CharField(
        max_length=300,
        blank=True,
        default="",
        help_text="The resource whose places are all taken, as in places.",
    )
    transport = models.CharField(
        max_length=20,
        choices=TransportKind.choices,
        blank=True,
        default="",
        help_text="How its disks were read; empty until that is chosen.",
    )
    transport_reason = models.TextField(
        blank=True,
        default="",
        help_text="Why no better transport was used; empty if there is none.",
    )
    worker_name = models.CharField(max_length=255, blank=True, default="")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True, default="")

    created_at = MomentField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    updated_at = MomentField(auto_now=True)

    active_context_id = models.GeneratedField(
        expression=Case(
            When(status__in=ACTIVE_JOB_STATUSES, then=F("vm_context")), default=Value(None)
        ),
        output_field=models.CharField(max_length=120, null=True),
        db_persist=True,
    )
    completed_context_id = models.GeneratedField(
        expression=Case(
            When(status=JobStatus.COMPLETED.value, then=F("vm_context")), default=Value(None)
        ),
        output_field=models.CharField(max_length=120, null=True),
        db_persist=True,
    )

    class Meta:
        db_table = "replication_jobs"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["status", "next_attempt_at"], name="job_runnable"),
            models.Index(fields=["vm_context", "-created_at"], name="job_history"),
            models.Index(fields=["-created_at", "-id"], name="job_newest"),
            # The home page summarises recently ended jobs.
            models.Index(
                fields=["completed_at", "status", "bytes_transferred"],
                condition=Q(completed_at__isnull=False),
                name="job_ended",
            ),
        ]
        constraints = [
            ColumnTypes(name="job_column_types"),
            models.UniqueConstraint(
                fields=["active_context_id"],
                name="job_one_active_per_context",
                violation_error_message="A replication of this VM is already active.",
            ),
            models.UniqueConstraint(fields=["id", "active_context_id"], name="job_while_active"),
            models.UniqueConstraint(
                fields=["id", "completed_context_id"], name="job_once_completed"
            ),
            models.UniqueConstraint(fields=["id", "vm_context"], name="job_with_its_context"),
            models.CheckConstraint(
                condition=Q(status__in=JobStatus.values), name="job_status_known"
            ),
            models.CheckConstraint(
                condition=Q(trigger__in=Trigger.values), name="job_trigger_known"
            ),
            models.CheckConstraint(
                condition=Q(requested_sync__in=SyncRequest.values), name="job_request_known"
            ),
            models.CheckConstraint(
                condition=Q(replication_type__isnull=True)
                | Q(replication_type__in=ReplicationType.values),
                name="job_type_known",
            ),
            models.CheckConstraint(
                condition=Q(bytes_transferred__gte=0)
                & (Q(total_bytes__isnull=True) | Q(total_bytes__gte=F("bytes_transferred"))),
                name="job_progress_possible",
            ),
            models.CheckConstraint(
                condition=~Q(status=JobStatus.COMPLETED)
                | Q(
                    total_bytes__isnull=False,
                    total_bytes=F("bytes_transferred"),
                    replication_type__isnull=False,
                    error_message="",
                ),
                name="job_completed_is_whole",
            ),
            models.CheckConstraint(
                condition=~Q(status=JobStatus.FAILED) | ~Q(error_message=""),
                name="job_failed_says_why",
            ),
            models.CheckConstraint(
                condition=Q(error_code__isnull=True)
                | (Q(status=JobStatus.FAILED) & ~Q(error_code="")),
                name="job_code_is_of_a_failure",
            ),
            models.CheckConstraint(
                condition=Q(status__in=ACTIVE_JOB_STATUSES, completed_at__isnull=True)
                | (~Q(status__in=ACTIVE_JOB_STATUSES) & Q(completed_at__isnull=False)),
                name="job_ended_has_its_time",
            ),
            models.CheckConstraint(condition=Q(attempt__gte=1), name="job_attempt_possible"),
            models.CheckConstraint(
                condition=~Q(id="") & ~Q(source_vm_id="") & ~Q(requested_by=""),
                name="job_says_what_and_for_whom",
            ),
            models.CheckConstraint(
                condition=Q(total_bytes__isnull=False) | Q(bytes_transferred=0),
                name="job_progress_has_a_total",
            ),
            models.CheckConstraint(
                condition=Q(transfer_speed_bps__gte=0), name="job_speed_possible"
            ),
            models.CheckConstraint(
                condition=~Q(status=JobStatus.RUNNING)
                | (Q(started_at__isnull=False) & ~Q(worker_name="")),
                name="job_running_has_begun",
            ),
            models.CheckConstraint(
                condition=Q(transport__in=["", *CHOSEN_TRANSPORTS]), name="job_transport_known"
            ),
            models.CheckConstraint(
                condition=Q(waits_for_kind="") | Q(status=JobStatus.PENDING),
                name="job_waits_only_while_pending",
            ),
            models.CheckConstraint(
                condition=Q(waits_for_kind="", waits_for="")
                | (Q(waits_for_kind__in=LimitKind.values) & ~Q(waits_for="")),
                name="job_says_what_it_waits_for",
            ),
            models.CheckConstraint(
                condition=Q(cancel_requested_at__isnull=True, cancel_requested_by="")
                | (Q(cancel_requested_at__isnull=False) & ~Q(cancel_requested_by="")),
                name="job_cancel_says_who_asked",
            ),
            CompositeForeignKey(
                name="job_active_is_current",
                fields=("id", "active_context_id"),
                to_table="vm_replication_contexts",
                to_columns=("current_job_id", "context_id"),
                violation_error_message="An active job must be the current job of its VM.",
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE_JOB_STATUSES

    @property
    def obeys_pauses(self) -> bool:
        """Whether it does not begin while its VM is paused."""
        is_waiting = self.status == JobStatus.PENDING and self.started_at is None
        return is_waiting and self.trigger == Trigger.SCHEDULE


class JobStep(models.Model):
    """A named phase of one attempt of a job, with start, end and outcome."""

    job = models.ForeignKey(ReplicationJob, on_delete=models.CASCADE, related_name="steps")
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=20, choices=StepName.choices)
    status = models.CharField(max_length=12, choices=StepStatus.choices, default=StepStatus.RUNNING)
    message = models.TextField(blank=True, default="")
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "job_steps"
        ordering = ["job_id", "attempt", "id"]
        indexes = [
            models.Index(
                fields=["job"], condition=Q(status=StepStatus.RUNNING), name="step_running"
            )
        ]
        constraints = [
            ColumnTypes(name="step_column_types"),
            models.UniqueConstraint(
                fields=["job", "attempt", "name"], name="step_once_per_attempt"
            ),
            models.CheckConstraint(condition=Q(attempt__gte=1), name="step_attempt_possible"),
            models.CheckConstraint(condition=Q(name__in=StepName.values), name="step_name_known"),
            models.CheckConstraint(
                condition=Q(status__in=StepStatus.values), name="step_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status=StepStatus.RUNNING, completed_at__isnull=True)
                | (~Q(status=StepStatus.RUNNING) & Q(completed_at__isnull=False)),
                name="step_ended_has_its_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.attempt} {self.name}"
