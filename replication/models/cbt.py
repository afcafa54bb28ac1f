"""What change tracking reported, per disk and job."""

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from replication.engine.extent_map import BUCKETS
from replication.states import SyncType

WHOLE_MAP = Exact(Length("extent_map"), Value(BUCKETS))
EXTENT_MAP = (
    "Where on the disk the plan's extents fall: 256 areas of equal size, a byte each, from 0"
    " (nothing) to 255 (all of the area). Null when the plan is empty or unknown."
)

BLOCK_BYTES = 64 << 10  # the unit of `blocks_changed`
LONGEST_SECONDS = 1e9  # no copy takes 30 years: this keeps infinity and "not a number" out


class CBTHistory(models.Model):
    """One row per disk per job, written when the job ends."""

    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.PROTECT,
        related_name="cbt_history",
        verbose_name="VM context",
    )
    job = models.ForeignKey(
        "replication.ReplicationJob", on_delete=models.PROTECT, related_name="cbt_history"
    )
    disk = models.ForeignKey(
        "contexts.VMDisk", on_delete=models.PROTECT, related_name="cbt_history"
    )
    change_id = models.CharField(max_length=255, null=True, blank=True, verbose_name="change ID")
    previous_change_id = models.CharField(
        max_length=255, null=True, blank=True, verbose_name="previous change ID"
    )
    sync_type = models.CharField(max_length=12, choices=SyncType.choices)
    blocks_changed = models.BigIntegerField(
        help_text="The plan's bytes in blocks of 64 KiB, rounded up."
    )
    bytes_transferred = models.BigIntegerField()
    sync_duration_seconds = models.FloatField(verbose_name="duration (seconds)")
    sync_success = models.BooleanField()
    note = models.TextField(
        blank=True, default="", help_text="Why this disk was not incremental; empty if it was."
    )
    capacity_bytes = models.BigIntegerField(null=True, blank=True)
    extent_count = models.PositiveIntegerField(
        null=True, blank=True, help_text="Extents of the plan, with neighbours merged."
    )
    extent_map = models.BinaryField(null=True, blank=True, help_text=EXTENT_MAP)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        db_table = "cbt_history"
        verbose_name = "CBT history entry"
        verbose_name_plural = "CBT history"
        ordering = ["-id"]
        constraints = [
            ColumnTypes(name="cbt_column_types"),
            models.UniqueConstraint(fields=["job", "disk"], name="cbt_once_per_disk_and_job"),
            models.CheckConstraint(
                condition=Q(sync_type__in=SyncType.values), name="cbt_sync_type_known"
            ),
            models.CheckConstraint(
                condition=Q(blocks_changed__gte=0)
                & Q(bytes_transferred__gte=0)
                & Q(sync_duration_seconds__gte=0),
                name="cbt_figures_possible",
            ),
            models.CheckConstraint(
                condition=Q(extent_map__isnull=True)
                | (Q(capacity_bytes__isnull=False, capacity_bytes__gt=0) & Q(WHOLE_MAP)),
                name="cbt_map_is_whole_and_has_its_scale",
            ),
            models.CheckConstraint(
                condition=Q(sync_duration_seconds__lte=LONGEST_SECONDS),
                name="cbt_duration_is_finite",
            ),
            # A failed job may have read only a part of the plan's blocks.
            models.CheckConstraint(
                condition=Q(bytes_transferred__lte=F("blocks_changed") * BLOCK_BYTES)
                & (
                    Q(sync_success=False)
                    | Q(bytes_transferred__gt=(F("blocks_changed") - 1) * BLOCK_BYTES)
                ),
                name="cbt_blocks_hold_the_bytes",
            ),
            models.CheckConstraint(
                condition=~Q(sync_type=SyncType.INCREMENTAL)
                | Q(change_id__isnull=False, previous_change_id__isnull=False),
                name="cbt_incremental_has_change_ids",
            ),
            CompositeForeignKey(
                name="cbt_disk_is_of_its_context",
                fields=("disk", "vm_context"),
                to_table="vm_disks",
                to_columns=("id", "vm_context_id"),
            ),
            CompositeForeignKey(
                name="cbt_job_is_of_its_context",
                fields=("job", "vm_context"),
                to_table="replication_jobs",
                to_columns=("id", "vm_context_id"),
            ),
        ]

    def __str__(self) -> str:
        return f"disk {self.disk_id} in {self.job_id}"
