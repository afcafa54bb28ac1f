"""Snapshots that vmrep made, or meant to make, at a vCenter."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from replication.states import SnapshotState


class VMSnapshot(models.Model):
    """The row is committed as `intended` before the call, so that no snapshot is forgotten."""

    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.PROTECT,
        related_name="snapshots",
        verbose_name="VM context",
    )
    job = models.ForeignKey(
        "replication.ReplicationJob", on_delete=models.PROTECT, related_name="snapshots"
    )
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=80, unique=True)
    state = models.CharField(
        max_length=10, choices=SnapshotState.choices, default=SnapshotState.INTENDED
    )
    moref = models.CharField(max_length=64, blank=True, default="", verbose_name="reference")
    consistent_at = models.DateTimeField(help_text="The moment just before the call.")
    taken_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was taken, as vSphere says."
    )
    quiesce_requested = models.BooleanField()
    quiesced = models.BooleanField(
        null=True,
        blank=True,
        help_text="Whether the guest was in fact quiesced; null until the snapshot is made.",
    )
    problem = models.TextField(blank=True, default="")
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "vm_snapshots"
        verbose_name = "VM snapshot"
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["vm_context"],
                condition=~Q(state=SnapshotState.REMOVED),
                name="snapshot_left_over",
            )
        ]
        constraints = [
            ColumnTypes(name="snapshot_column_types"),
            models.CheckConstraint(
                condition=Q(state__in=SnapshotState.values), name="snapshot_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state=SnapshotState.CREATED) | ~Q(moref=""),
                name="snapshot_created_has_reference",
            ),
            models.CheckConstraint(
                condition=Q(state=SnapshotState.REMOVED, removed_at__isnull=False)
                | (~Q(state=SnapshotState.REMOVED) & Q(removed_at__isnull=True)),
                name="snapshot_removed_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(name="") & Q(attempt__gte=1), name="snapshot_is_named"
            ),
            CompositeForeignKey(
                name="snapshot_job_is_of_its_context",
                fields=("job", "vm_context"),
                to_table="replication_jobs",
                to_columns=("id", "vm_context_id"),
            ),
        ]

    def __str__(self) -> str:
        return self.name
