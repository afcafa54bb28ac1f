"""The VM context: the one lasting record of a VM under management."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Left, Now

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from contexts.models.specs import VMSpecs, specs_possible
from contexts.states import CHOSEN_TRANSPORTS, ContextStatus, TransportKind

MAX_RPO_TARGET_SECONDS = 366 * 86_400  # a year: more protects nothing and overflows calculations

# A text may have any length but an index entry may not: indexes hold this many characters.
INDEXED_TEXT_LENGTH = 200


class VMContext(VMSpecs):
    """Identity, specs, status, statistics and history of one VM under management.

    The VM's identity is (vCenter, instance UUID); names, paths and morefs can change.
    Table and column names are a contract with people who query the database.
    """

    context_id = models.CharField(primary_key=True, max_length=120, verbose_name="context ID")
    vcenter = models.ForeignKey(
        "contexts.VCenter",
        on_delete=models.PROTECT,
        related_name="contexts",
        verbose_name="vCenter",
    )
    vmware_vm_id = models.CharField(max_length=64, verbose_name="instance UUID")
    repository = models.ForeignKey(
        "replication.Repository",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="contexts",
    )

    current_status = models.CharField(
        max_length=20, choices=ContextStatus.choices, default=ContextStatus.DISCOVERED
    )
    current_job = models.OneToOneField(
        "replication.ReplicationJob",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="current_of",
    )
    last_successful_job = models.OneToOneField(
        "replication.ReplicationJob",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="last_successful_of",
    )
    total_jobs_run = models.PositiveIntegerField(default=0)
    successful_jobs = models.PositiveIntegerField(default=0)
    failed_jobs = models.PositiveIntegerField(default=0)
    cancelled_jobs = models.PositiveIntegerField(default=0)

    # Database triggers maintain these eight (replication/database/figures.py): nothing else may
    # write them.
    newest_recovery_point_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the newest available recovery point was consistent; null if there is none.",
        verbose_name="newest recovery point",
    )
    usable_recovery_point_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the newest available recovery point that is not known to be damaged was"
        " consistent; null if there is none.",
        verbose_name="newest usable recovery point",
    )
    newest_point_damaged = models.BooleanField(
        db_default=False,
        editable=False,
        help_text="Whether the newest available recovery point is known to be damaged.",
    )
    # No foreign key: a figure must never make a delete fail.
    newest_point_repository_id = models.BigIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="The ID of the repository that holds the newest available recovery point.",
        verbose_name="repository of the newest recovery point",
    )
    disk_count = models.PositiveIntegerField(
        db_default=0, editable=False, help_text="How many disks the VM has now."
    )
    undecided_disk_count = models.PositiveIntegerField(
        db_default=0,
        editable=False,
        help_text="How many of its disks no snapshot can hold and nobody agreed to leave out.",
    )
    capacity_bytes = models.BigIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="Of all disks that the VM has now; null while the size of any is unknown.",
    )
    last_job_failed = models.BooleanField(
        db_default=False,
        editable=False,
        help_text="Whether the newest job failed, even if there are recovery points.",
    )

    transport = models.CharField(
        max_length=20,
        choices=TransportKind.choices,
        blank=True,
        default="",
        help_text="How its disks were last read; empty until they are.",
    )
    transport_reason = models.TextField(
        blank=True,
        default="",
        help_text="Why no better transport was used; empty if there is none.",
    )

    rpo_target_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        verbose_name="RPO target (seconds)",
        validators=[MinValueValidator(1), MaxValueValidator(MAX_RPO_TARGET_SECONDS)],
    )
    unmanaged_at = models.DateTimeField(null=True, blank=True)
    identity_asked_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When its vCenter was replaced; it is not replicated until an operator"
        " confirms the VM.",
    )
    first_job_at = models.DateTimeField(null=True, blank=True)
    last_job_at = models.DateTimeField(null=True, blank=True)
    last_status_change = models.DateTimeField(db_default=Now())
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "vm_replication_contexts"
        verbose_name = "VM context"
        ordering = ["vm_name", "context_id"]
        indexes = [
            models.Index(fields=["vcenter", "moref"], name="context_of_moref"),
            models.Index(fields=["updated_at"], name="context_newest_change"),
            # The list sorts, filters and counts by these columns, and reads the narrow index
            # instead of the wide table. (Texts of unlimited length cannot be in an index.)
            models.Index(
                fields=[
                    *("current_status", "newest_recovery_point_at", "rpo_target_seconds"),
                    *("capacity_bytes", "last_job_at", "power_state", "vcenter", "context_id"),
                    *("successful_jobs", "newest_point_damaged", "newest_point_repository_id"),
                    "undecided_disk_count",
                ],
                condition=Q(unmanaged_at__isnull=True),
                name="context_list",
            ),
            models.Index(
                Left("vm_name", INDEXED_TEXT_LENGTH),
                "context_id",
                condition=Q(unmanaged_at__isnull=True),
                name="context_by_name",
            ),
            models.Index(
                Left("os_type", INDEXED_TEXT_LENGTH),
                condition=Q(unmanaged_at__isnull=True),
                name="context_by_os",
            ),
            models.Index(
                fields=["context_id"],
                condition=Q(unmanaged_at__isnull=True, last_job_failed=True),
                name="context_last_job_failed",
            ),
            models.Index(
                fields=["newest_recovery_point_at", "context_id"],
                condition=Q(unmanaged_at__isnull=True),
                name="context_oldest_point",
            ),
        ]
        constraints = [
            ColumnTypes(name="context_column_types"),
            models.UniqueConstraint(
                fields=["vcenter", "vmware_vm_id"],
                name="context_identity_once",
                violation_error_message="This VM already has a context.",
            ),
            models.UniqueConstraint(
                fields=["current_job", "context_id"], name="context_with_its_current_job"
            ),
            models.CheckConstraint(
                condition=~Q(context_id="") & ~Q(vmware_vm_id=""), name="context_has_identity"
            ),
            CompositeForeignKey(
                name="context_repository_is_there",
                fields=("repository",),
                to_table="repositories",
                to_columns=("present_id",),
                violation_error_message="This repository has been removed. Choose another one.",
            ),
            specs_possible("context_specs_possible"),
            models.CheckConstraint(
                condition=Q(rpo_target_seconds__isnull=True)
                | Q(rpo_target_seconds__gte=1, rpo_target_seconds__lte=MAX_RPO_TARGET_SECONDS),
                name="context_rpo_target_possible",
            ),
            models.CheckConstraint(
                condition=Q(capacity_bytes__isnull=True)
                | Q(capacity_bytes__gt=0, disk_count__gt=0),
                name="context_capacity_possible",
            ),
            models.CheckConstraint(
                condition=Q(current_status__in=ContextStatus.values), name="context_status_known"
            ),
            models.CheckConstraint(
                condition=Q(transport__in=["", *CHOSEN_TRANSPORTS]),
                name="context_transport_known",
            ),
            models.CheckConstraint(
                condition=~Q(current_status=ContextStatus.READY)
                | Q(last_successful_job__isnull=False),
                name="context_ready_has_had_a_success",
            ),
            models.CheckConstraint(
                condition=Q(last_successful_job__isnull=True) | Q(successful_jobs__gte=1),
                name="context_last_success_is_counted",
            ),
            models.CheckConstraint(
                condition=Q(current_status=ContextStatus.REPLICATING, current_job__isnull=False)
                | (~Q(current_status=ContextStatus.REPLICATING) & Q(current_job__isnull=True)),
                name="context_replicating_has_a_job",
            ),
            models.CheckConstraint(
                condition=Q(
                    current_job__isnull=True,
                    total_jobs_run=F("successful_jobs") + F("failed_jobs") + F("cancelled_jobs"),
                )
                | Q(
                    current_job__isnull=False,
                    total_jobs_run=F("successful_jobs")
                    + F("failed_jobs")
                    + F("cancelled_jobs")
                    + 1,
                ),
                name="context_counters_add_up",
            ),
            CompositeForeignKey(
                name="context_current_job_is_active_and_its_own",
                fields=("current_job", "context_id"),
                to_table="replication_jobs",
                to_columns=("id", "active_context_id"),
                violation_error_message="The current job must be an active job of this VM.",
            ),
            CompositeForeignKey(
                name="context_last_success_completed_and_its_own",
                fields=("last_successful_job", "context_id"),
                to_table="replication_jobs",
                to_columns=("id", "completed_context_id"),
                violation_error_message="It must be a completed job of this VM.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.vm_name or self.context_id)

    @property
    def is_managed(self) -> bool:
        return self.unmanaged_at is None
