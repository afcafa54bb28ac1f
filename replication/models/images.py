"""The disk images that recovery points are made of."""

from django.db import models
from django.db.models import Case, F, Q, Value, When

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from replication.models.cbt import EXTENT_MAP, LONGEST_SECONDS, WHOLE_MAP
from replication.models.recovery import RecoveryPoint
from replication.states import ImageState, SyncType


class DiskImage(models.Model):
    """One disk's image. The row is committed as `writing` before its file is created.

    While it is being written the file is `temporary_locator`; once sealed it is `locator`. Both are
    relative to the repository. `checkpoint_bytes` is the disk offset below which everything in the
    plan is in the file and flushed: a later attempt resumes there.

    In its recovery point it is number `position` of `of_disks`, from 1 on. The images of a point
    stop being committed only when the point is expired: all in one transaction, or the highest
    position first. What a committed image is based on is committed, too.
    """

    repository = models.ForeignKey(
        "replication.Repository", on_delete=models.PROTECT, related_name="images"
    )
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.PROTECT,
        related_name="images",
        verbose_name="VM context",
    )
    disk = models.ForeignKey("contexts.VMDisk", on_delete=models.PROTECT, related_name="images")
    job = models.ForeignKey(
        "replication.ReplicationJob", on_delete=models.PROTECT, related_name="images"
    )
    recovery_point = models.ForeignKey(
        RecoveryPoint, null=True, blank=True, on_delete=models.PROTECT, related_name="images"
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    position = models.PositiveIntegerField(
        null=True, blank=True, help_text="Its number within its recovery point, starting at 1."
    )
    of_disks = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many disks its recovery point has.",
        verbose_name="number of disks",
    )
    attempt = models.PositiveIntegerField(help_text="The attempt that began this file.")
    state = models.CharField(max_length=10, choices=ImageState.choices, default=ImageState.WRITING)
    format = models.CharField(max_length=10, default="qcow2")
    locator = models.TextField()
    sync_type = models.CharField(max_length=12, choices=SyncType.choices)
    capacity_bytes = models.BigIntegerField()
    planned_bytes = models.BigIntegerField()
    plan_note = models.TextField(
        blank=True, default="", help_text="Why this disk is not incremental; empty if it is."
    )
    extent_count = models.PositiveIntegerField(
        null=True, blank=True, help_text="Extents of the plan, with neighbours merged."
    )
    extent_map = models.BinaryField(
        null=True, blank=True, help_text=f"{EXTENT_MAP} Kept here until the job ends."
    )
    checkpoint_bytes = models.BigIntegerField(default=0)
    transferred_bytes = models.BigIntegerField(
        default=0, help_text="Bytes of the plan read so far in all attempts, each counted once."
    )
    transfer_seconds = models.FloatField(default=0)
    allocated_bytes = models.BigIntegerField(null=True, blank=True)
    change_id = models.CharField(
        max_length=255,
        null=True,
        blank=True,
        help_text="Of the disk in the snapshot that it was read from.",
        verbose_name="change ID",
    )
    previous_change_id = models.CharField(
        max_length=255, null=True, blank=True, verbose_name="previous change ID"
    )
    snapshot_moref = models.CharField(
        max_length=64,
        help_text="The snapshot that it is read from.",
        verbose_name="snapshot reference",
    )
    digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="One digest over the digests of all bytes read from the source.",
    )
    merged_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="One digest over all that is known of the file, since another image was merged"
        " with it.",
    )
    map_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="The digest of its chunk map; empty: it has none yet.",
    )
    as_committed = models.TextField(
        blank=True,
        default="",
        help_text="Length, times and inode of its files when it was committed, or last proven: any"
        " later change of them is noticed. Empty: not known.",
    )
    writer_host = models.CharField(max_length=255, blank=True, default="")
    writer_pid = models.PositiveIntegerField(null=True, blank=True, verbose_name="writer PID")
    writer_start_time = models.BigIntegerField(null=True, blank=True)
    writer_boot_id = models.CharField(
        max_length=64, blank=True, default="", verbose_name="writer boot ID"
    )
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    committed_position = models.GeneratedField(
        expression=Case(When(state=ImageState.COMMITTED, then=F("position")), default=Value(None)),
        output_field=models.IntegerField(null=True),
        db_persist=True,
    )
    needs_position = models.GeneratedField(
        expression=Case(
            When(state=ImageState.COMMITTED, position__gt=1, then=F("position") - 1),
            default=Value(None),
        ),
        output_field=models.IntegerField(null=True),
        db_persist=True,
    )
    is_committed = models.GeneratedField(
        expression=Case(When(state=ImageState.COMMITTED, then=Value(1)), default=Value(None)),
        output_field=models.SmallIntegerField(null=True),
        db_persist=True,
    )

    class Meta:
        db_table = "disk_images"
        ordering = ["id"]
        indexes = [
            # The home page shows how fast repositories grow.
            models.Index(
                fields=["repository", "created_at", "allocated_bytes"],
                condition=Q(state=ImageState.COMMITTED),
                name="image_growth",
            )
        ]
        constraints = [
            ColumnTypes(name="image_column_types"),
            CompositeForeignKey(
                name="image_repository_is_there",
                fields=("repository",),
                to_table="repositories",
                to_columns=("present_id",),
                violation_error_message="This repository has been removed. Choose another one.",
            ),
            models.UniqueConstraint(fields=["repository", "locator"], name="image_locator_once"),
            models.UniqueConstraint(
                fields=["recovery_point", "disk"], name="image_disk_once_per_point"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ImageState.values), name="image_state_known"
            ),
            models.CheckConstraint(
                condition=Q(sync_type__in=SyncType.values), name="image_sync_type_known"
            ),
            models.CheckConstraint(
                condition=~Q(sync_type=SyncType.INITIAL) | Q(parent__isnull=True),
                name="image_initial_is_a_root",
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | Q(parent__lt=F("id")),
                name="image_parent_is_older",
            ),
            models.CheckConstraint(
                condition=~Q(state=ImageState.COMMITTED) | Q(recovery_point__isnull=False),
                name="image_committed_has_point",
            ),
            models.CheckConstraint(
                condition=Q(capacity_bytes__gt=0)
                & Q(planned_bytes__gte=0)
                & Q(checkpoint_bytes__gte=0)
                & Q(transferred_bytes__gte=0)
                & Q(transferred_bytes__lte=F("planned_bytes"))
                & Q(transfer_seconds__gte=0),
                name="image_sizes_possible",
            ),
            models.CheckConstraint(
                condition=Q(extent_map__isnull=True) | Q(WHOLE_MAP), name="image_map_is_whole"
            ),
            models.CheckConstraint(
                condition=Q(attempt__gte=1)
                & ~Q(locator="")
                & ~Q(format="")
                & Q(checkpoint_bytes__lte=F("capacity_bytes"))
                & Q(planned_bytes__lte=F("capacity_bytes"))
                & Q(transfer_seconds__lte=LONGEST_SECONDS)
                & (Q(allocated_bytes__isnull=True) | Q(allocated_bytes__gte=0)),
                name="image_figures_possible",
            ),
            models.CheckConstraint(
                condition=~Q(state=ImageState.COMMITTED) | Q(transferred_bytes=F("planned_bytes")),
                name="image_committed_is_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state=ImageState.WRITING) | Q(recovery_point__isnull=True),
                name="image_in_a_point_is_not_written",
            ),
            models.CheckConstraint(
                condition=~Q(sync_type=SyncType.INCREMENTAL)
                | Q(change_id__isnull=False, previous_change_id__isnull=False),
                name="image_incremental_has_change_ids",
            ),
            models.CheckConstraint(
                condition=Q(recovery_point__isnull=True)
                | Q(
                    position__isnull=False,
                    of_disks__isnull=False,
                    position__gte=1,
                    position__lte=F("of_disks"),
                ),
                name="image_of_a_point_has_its_number",
            ),
            models.UniqueConstraint(
                fields=["recovery_point", "committed_position"],
                name="image_position_once_per_point",
            ),
            models.UniqueConstraint(
                fields=["id", "disk", "repository"], name="image_with_its_disk_and_repository"
            ),
            models.UniqueConstraint(fields=["id", "parent"], name="image_with_its_parent"),
            models.UniqueConstraint(
                fields=["id", "is_committed"], name="image_with_its_being_committed"
            ),
            CompositeForeignKey(
                name="image_parent_is_committed",
                fields=("parent", "is_committed"),
                to_table="disk_images",
                to_columns=("id", "is_committed"),
            ),
            CompositeForeignKey(
                name="image_has_the_one_before_it",
                fields=("recovery_point", "needs_position"),
                to_table="disk_images",
                to_columns=("recovery_point_id", "committed_position"),
            ),
            CompositeForeignKey(
                name="image_agrees_with_its_point",
                fields=("recovery_point", "job", "repository", "of_disks"),
                to_table="recovery_points",
                to_columns=("id", "job_id", "repository_id", "disk_count"),
            ),
            CompositeForeignKey(
                name="image_parent_is_of_the_same_disk",
                fields=("parent", "disk", "repository"),
                to_table="disk_images",
                to_columns=("id", "disk_id", "repository_id"),
            ),
            CompositeForeignKey(
                name="image_disk_is_of_its_context",
                fields=("disk", "vm_context"),
                to_table="vm_disks",
                to_columns=("id", "vm_context_id"),
            ),
            CompositeForeignKey(
                name="image_job_is_of_its_context",
                fields=("job", "vm_context"),
                to_table="replication_jobs",
                to_columns=("id", "vm_context_id"),
            ),
            CompositeForeignKey(
                name="image_point_is_of_its_context",
                fields=("recovery_point", "vm_context"),
                to_table="recovery_points",
                to_columns=("id", "vm_context_id"),
            ),
        ]

    def __str__(self) -> str:
        return self.locator

    @property
    def temporary_locator(self) -> str:
        return f"{self.locator}.{self.attempt}.tmp"
