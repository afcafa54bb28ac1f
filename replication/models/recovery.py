"""Recovery points and the disk images that they are made of."""

from django.db import models
from django.db.models import F, Q

from contexts.constraints import CompositeForeignKey
from replication.models.cbt import EXTENT_MAP, WHOLE_MAP
from replication.states import HoldKind, ImageState, RecoveryPointState, SyncType


class RecoveryPoint(models.Model):
    """One committed, consistent state of all of a VM's protected disks in a repository."""

    vm_context = models.ForeignKey(
        "contexts.VMContext", on_delete=models.PROTECT, related_name="recovery_points"
    )
    repository = models.ForeignKey(
        "replication.Repository", on_delete=models.PROTECT, related_name="recovery_points"
    )
    job = models.OneToOneField(
        "replication.ReplicationJob", on_delete=models.PROTECT, related_name="recovery_point"
    )
    consistent_at = models.DateTimeField(help_text="The moment just before its snapshot.")
    quiesced = models.BooleanField(help_text="Whether the guest's file systems were at rest.")
    disk_count = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=RecoveryPointState.choices, default=RecoveryPointState.WRITING
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "recovery_points"
        ordering = ["-consistent_at", "-id"]
        indexes = [
            models.Index(fields=["vm_context", "state", "-consistent_at"], name="point_newest")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=RecoveryPointState.values), name="point_state_known"
            ),
            models.CheckConstraint(condition=Q(disk_count__gte=1), name="point_has_disks"),
            models.UniqueConstraint(fields=["id", "vm_context"], name="point_with_its_context"),
            CompositeForeignKey(
                name="point_job_is_of_its_context",
                fields=("job", "vm_context"),
                to_table="replication_jobs",
                to_columns=("id", "vm_context_id"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vm_context_id} at {self.consistent_at:%Y-%m-%d %H:%M:%S}"


class DiskImage(models.Model):
    """One disk's image. The row is committed as `writing` before its file is made.

    While it is written the file is `temporary_locator`; once sealed it is `locator`. Both are
    relative to the repository. `checkpoint_bytes` is the disk offset below which everything that
    the plan names is in the file and flushed: a later attempt resumes there.
    """

    repository = models.ForeignKey(
        "replication.Repository", on_delete=models.PROTECT, related_name="images"
    )
    vm_context = models.ForeignKey(
        "contexts.VMContext", on_delete=models.PROTECT, related_name="images"
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
    attempt = models.PositiveIntegerField(help_text="The attempt that began this file.")
    state = models.CharField(max_length=10, choices=ImageState.choices, default=ImageState.WRITING)
    format = models.CharField(max_length=10, default="qcow2")
    locator = models.TextField()
    sync_type = models.CharField(max_length=12, choices=SyncType.choices)
    capacity_bytes = models.BigIntegerField()
    planned_bytes = models.BigIntegerField()
    plan_note = models.TextField(
        blank=True, default="", help_text="Why this disk is not incremental, if it is not."
    )
    extent_count = models.PositiveIntegerField(
        null=True, blank=True, help_text="Extents of the plan, neighbours merged."
    )
    extent_map = models.BinaryField(
        null=True, blank=True, help_text=f"{EXTENT_MAP} Kept here until the job ends."
    )
    checkpoint_bytes = models.BigIntegerField(default=0)
    transferred_bytes = models.BigIntegerField(
        default=0, help_text="Bytes of the plan read so far, over all attempts, none twice."
    )
    transfer_seconds = models.FloatField(default=0)
    allocated_bytes = models.BigIntegerField(null=True, blank=True)
    change_id = models.CharField(
        max_length=255, null=True, blank=True, help_text="Of the snapshot that it was read from."
    )
    previous_change_id = models.CharField(max_length=255, null=True, blank=True)
    snapshot_moref = models.CharField(max_length=64, help_text="The snapshot it is read from.")
    digest = models.CharField(
        max_length=64, blank=True, default="", help_text="Over all bytes read from the source."
    )
    writer_host = models.CharField(max_length=255, blank=True, default="")
    writer_pid = models.PositiveIntegerField(null=True, blank=True)
    writer_start_time = models.BigIntegerField(null=True, blank=True)
    writer_boot_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "disk_images"
        ordering = ["id"]
        constraints = [
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


class RecoveryPointHold(models.Model):
    """Somebody reads this recovery point: every image of its chain stays as it is."""

    recovery_point = models.ForeignKey(
        RecoveryPoint, on_delete=models.PROTECT, related_name="holds"
    )
    kind = models.CharField(max_length=15, choices=HoldKind.choices)
    owner = models.CharField(max_length=255)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "recovery_point_holds"
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=HoldKind.values), name="hold_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.recovery_point_id}"
