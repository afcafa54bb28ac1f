"""Recovery points: what a VM can be brought back to."""

from django.db import models
from django.db.models import Case, F, Q, Value, When

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from replication.states import HoldKind, RecoveryPointState, RemovalWhy


class RecoveryPoint(models.Model):
    """One committed, consistent state of all of a VM's protected disks in a repository.

    The database itself enforces that an available point has an image for each of its disks: the
    images are numbered, each needs the one before it, and the point needs the last one
    (`needed_images`). `committed_context_id` is the context once the point is committed: its job
    must have completed.
    """

    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.PROTECT,
        related_name="recovery_points",
        verbose_name="VM context",
    )
    repository = models.ForeignKey(
        "replication.Repository", on_delete=models.PROTECT, related_name="recovery_points"
    )
    job = models.OneToOneField(
        "replication.ReplicationJob", on_delete=models.PROTECT, related_name="recovery_point"
    )
    consistent_at = models.DateTimeField(help_text="The moment just before its snapshot.")
    quiesced = models.BooleanField(help_text="Whether the guest's file systems were quiesced.")
    disk_count = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=RecoveryPointState.choices, default=RecoveryPointState.WRITING
    )
    source_moref = models.CharField(
        max_length=64, blank=True, default="", help_text="The VM's reference in its vCenter."
    )
    snapshot_taken_at = models.DateTimeField(
        null=True, blank=True, help_text="Just after its snapshot, by the vCenter's clock."
    )
    source_booted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the VM was powered on, as vSphere says; null if it was off.",
    )
    snapshots_known = models.BooleanField(
        null=True,
        blank=True,
        help_text="Whether the VM's other snapshots were recorded; null before they ever were.",
    )
    damaged_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when an image that it needs is known to be damaged or missing.",
    )
    damage = models.TextField(
        blank=True, default="", help_text="What is wrong with that image; empty if nothing is."
    )
    verified_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it was last found that it reads as it was copied; null: never yet.",
    )
    comment = models.TextField(blank=True, default="")
    expired_at = models.DateTimeField(
        null=True, blank=True, help_text="Null also for points that expired before this was kept."
    )
    expired_why = models.CharField(
        max_length=10, choices=RemovalWhy.choices, blank=True, default=""
    )
    created_at = MomentField(auto_now_add=True)

    needed_images = models.GeneratedField(
        expression=Case(
            When(
                state__in=[RecoveryPointState.AVAILABLE, RecoveryPointState.EXPIRING],
                then=F("disk_count"),
            ),
            default=Value(None),
        ),
        output_field=models.IntegerField(null=True),
        db_persist=True,
    )
    committed_context_id = models.GeneratedField(
        expression=Case(
            When(state=RecoveryPointState.WRITING, then=Value(None)), default=F("vm_context")
        ),
        output_field=models.CharField(max_length=120, null=True),
        db_persist=True,
    )

    class Meta:
        db_table = "recovery_points"
        ordering = ["-consistent_at", "-id"]
        indexes = [
            models.Index(fields=["vm_context", "state", "-consistent_at"], name="point_newest"),
            models.Index(
                fields=["vm_context", "-consistent_at"],
                condition=Q(state=RecoveryPointState.AVAILABLE),
                name="point_available",
            ),
            models.Index(
                fields=["state"],
                condition=Q(state__in=[RecoveryPointState.WRITING, RecoveryPointState.EXPIRING]),
                name="point_on_its_way",
            ),
            models.Index(
                fields=["vm_context"],
                condition=Q(damaged_at__isnull=False),
                name="point_damaged",
            ),
        ]
        constraints = [
            ColumnTypes(name="point_column_types"),
            models.CheckConstraint(
                condition=Q(state__in=RecoveryPointState.values), name="point_state_known"
            ),
            models.CheckConstraint(condition=Q(disk_count__gte=1), name="point_has_disks"),
            models.CheckConstraint(
                condition=Q(damaged_at__isnull=True, damage="")
                | (Q(damaged_at__isnull=False) & ~Q(damage="")),
                name="point_damage_says_what",
            ),
            models.CheckConstraint(
                condition=Q(expired_at__isnull=True, expired_why="")
                | Q(
                    expired_at__isnull=False,
                    expired_why__in=RemovalWhy.values,
                    state=RecoveryPointState.EXPIRED,
                ),
                name="point_expired_says_why",
            ),
            models.UniqueConstraint(fields=["id", "vm_context"], name="point_with_its_context"),
            CompositeForeignKey(
                name="point_job_is_of_its_context",
                fields=("job", "vm_context"),
                to_table="replication_jobs",
                to_columns=("id", "vm_context_id"),
            ),
            CompositeForeignKey(
                name="point_job_completed",
                fields=("job", "committed_context_id"),
                to_table="replication_jobs",
                to_columns=("id", "completed_context_id"),
            ),
            models.UniqueConstraint(
                fields=["id", "job", "repository", "disk_count"], name="point_with_its_terms"
            ),
            CompositeForeignKey(
                name="point_has_an_image_of_each_disk",
                fields=("id", "needed_images"),
                to_table="disk_images",
                to_columns=("recovery_point_id", "committed_position"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vm_context_id} at {self.consistent_at:%Y-%m-%d %H:%M:%S}"


class PointSnapshot(models.Model):
    """A snapshot that the VM had besides vmrep's when a recovery point was made: what it could be
    reverted to later. At most 256 per point; where there were more, none is recorded."""

    recovery_point = models.ForeignKey(
        RecoveryPoint, on_delete=models.PROTECT, related_name="source_snapshots"
    )
    moref = models.CharField(max_length=64)
    parent_moref = models.CharField(max_length=64, blank=True, default="")
    taken_at = models.DateTimeField(null=True, blank=True, help_text="By the host's clock.")
    is_current = models.BooleanField(help_text="Whether the VM was on it, just before vmrep's.")

    class Meta:
        db_table = "recovery_point_snapshots"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="point_snapshot_column_types"),
            models.UniqueConstraint(
                fields=["recovery_point", "moref"], name="point_snapshot_once_per_point"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.moref} at recovery point {self.recovery_point_id}"


class RecoveryPointHold(models.Model):
    """A recovery point must stay. Of a reader's, no image of its chain may change; a pin keeps only
    the point itself."""

    recovery_point = models.ForeignKey(
        RecoveryPoint, on_delete=models.PROTECT, related_name="holds"
    )
    kind = models.CharField(max_length=15, choices=HoldKind.choices)
    owner = models.CharField(max_length=255)
    comment = models.TextField(blank=True, default="")
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        db_table = "recovery_point_holds"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="hold_column_types"),
            models.CheckConstraint(condition=Q(kind__in=HoldKind.values), name="hold_kind_known"),
            models.CheckConstraint(condition=~Q(owner=""), name="hold_has_an_owner"),
            models.UniqueConstraint(
                fields=["recovery_point"],
                condition=Q(kind=HoldKind.PIN),
                name="hold_one_pin_per_point",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.recovery_point_id}"
