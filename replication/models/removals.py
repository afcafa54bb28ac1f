"""Recovery points that are to go, and how far that has come."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from replication.models.images import DiskImage
from replication.models.recovery import RecoveryPoint
from replication.states import MergeStage, RemovalState, RemovalWhy


class PointRemoval(models.Model):
    """A recovery point that is to go, is going, or is gone.

    While it is under way the point is `expiring`, and there is an `ImageMerge` for each of its
    images. Whoever has the context's lease goes on with it.
    """

    recovery_point = models.OneToOneField(
        RecoveryPoint, on_delete=models.PROTECT, related_name="removal"
    )
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.PROTECT,
        related_name="removals",
        verbose_name="VM context",
    )
    why = models.CharField(max_length=10, choices=RemovalWhy.choices)
    requested_by = models.CharField(max_length=150)
    state = models.CharField(
        max_length=10, choices=RemovalState.choices, default=RemovalState.WANTED
    )
    problem = models.TextField(
        blank=True, default="", help_text="Why it waits, or what the last attempt failed with."
    )
    attempts = models.PositiveIntegerField(default=0, help_text="Those that failed.")
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    freed_bytes = models.BigIntegerField(default=0, help_text="Of the repository, so far.")
    created_at = MomentField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "point_removals"
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["vm_context"],
                condition=~Q(state=RemovalState.DONE),
                name="removal_not_done",
            )
        ]
        constraints = [
            ColumnTypes(name="removal_column_types"),
            models.CheckConstraint(
                condition=Q(state__in=RemovalState.values), name="removal_state_known"
            ),
            models.CheckConstraint(
                condition=Q(why__in=RemovalWhy.of_one_point()) & ~Q(requested_by=""),
                name="removal_says_who_and_why",
            ),
            models.CheckConstraint(
                condition=Q(state=RemovalState.DONE, ended_at__isnull=False)
                | Q(~Q(state=RemovalState.DONE), ended_at__isnull=True),
                name="removal_done_has_ended",
            ),
            models.CheckConstraint(
                condition=Q(state=RemovalState.WANTED) | Q(started_at__isnull=False),
                name="removal_under_way_has_started",
            ),
            models.CheckConstraint(
                condition=Q(attempts__gte=0, freed_bytes__gte=0), name="removal_figures_possible"
            ),
            CompositeForeignKey(
                name="removal_point_is_of_its_context",
                fields=("recovery_point", "vm_context"),
                to_table="recovery_points",
                to_columns=("id", "vm_context_id"),
            ),
        ]

    def __str__(self) -> str:
        return f"removal of recovery point {self.recovery_point_id}"

    @property
    def done_percent(self) -> int | None:
        """How much of the merging is done, of all its images; None unless it is under way."""
        if self.state != RemovalState.UNDER_WAY:
            return None
        percents = [
            100 if merge.stage == MergeStage.DONE else merge.done_percent
            for merge in self.merges.all()
        ]
        return sum(percents) // len(percents) if percents else 0


class ImageMerge(models.Model):
    """What becomes of one image of a point that is being removed: the child's content is merged
    into its file, which then takes the child's name (decision 0016). Without a child nothing is to
    be merged: the file just goes. The rows go when the point is expired."""

    removal = models.ForeignKey(PointRemoval, on_delete=models.CASCADE, related_name="merges")
    image = models.OneToOneField(DiskImage, on_delete=models.PROTECT, related_name="merge")
    child = models.OneToOneField(
        DiskImage, null=True, blank=True, on_delete=models.PROTECT, related_name="merge_as_child"
    )
    stage = models.CharField(max_length=10, choices=MergeStage.choices)
    digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="Over all that is known of the merged file.",
    )
    map_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="Of the merged file's chunk map; empty: it has none.",
    )
    done_percent = models.PositiveSmallIntegerField(
        default=0, help_text="Half of it is writing, half reading again what was written."
    )
    writer_host = models.CharField(max_length=255, blank=True, default="")
    writer_pid = models.PositiveIntegerField(null=True, blank=True, verbose_name="writer PID")
    writer_start_time = models.BigIntegerField(null=True, blank=True)
    writer_boot_id = models.CharField(
        max_length=64, blank=True, default="", verbose_name="writer boot ID"
    )
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "image_merges"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="merge_column_types"),
            models.CheckConstraint(
                condition=Q(stage__in=MergeStage.values), name="merge_stage_known"
            ),
            models.CheckConstraint(
                condition=Q(stage=MergeStage.DONE, child__isnull=True)
                | Q(~Q(stage=MergeStage.DONE), child__isnull=False),
                name="merge_has_a_child_until_it_is_done",
            ),
            models.CheckConstraint(
                condition=~Q(stage=MergeStage.MERGED) | ~Q(digest=""), name="merge_was_checked"
            ),
            models.CheckConstraint(
                condition=Q(done_percent__gte=0, done_percent__lte=100),
                name="merge_percent_possible",
            ),
            CompositeForeignKey(
                name="merge_child_is_based_on_the_image",
                fields=("child", "image"),
                to_table="disk_images",
                to_columns=("id", "parent_id"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stage} of image {self.image_id}"
