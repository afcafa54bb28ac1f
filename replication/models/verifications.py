"""Reading recovery points back, and comparing them with what was copied."""

from django.db import models
from django.db.models import F, Q

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from replication.models.images import DiskImage
from replication.models.recovery import RecoveryPoint, RecoveryPointHold
from replication.states import Trigger, VerificationState


class PointVerification(models.Model):
    """One reading of all of a recovery point. It can be cut off anywhere: all below `offset_bytes`
    of the disk number `position` has been read, and what was found there is stored.

    While it is active, at most one worker has its `token`, until `expires_at`.
    """

    recovery_point = models.ForeignKey(
        RecoveryPoint, on_delete=models.CASCADE, related_name="verifications"
    )
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.PROTECT,
        related_name="verifications",
        verbose_name="VM context",
    )
    hold = models.OneToOneField(
        RecoveryPointHold,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="verification",
        help_text="Keeps the point's files as they are while it is read.",
    )
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    requested_by = models.CharField(max_length=150)
    state = models.CharField(
        max_length=12, choices=VerificationState.choices, default=VerificationState.WAITING
    )
    total_bytes = models.BigIntegerField(default=0, help_text="Of all disks of the point.")
    done_bytes = models.BigIntegerField(default=0, help_text="How much of that was compared.")
    read_bytes = models.BigIntegerField(
        default=0, help_text="How much of that had to be read: the rest is known to be empty."
    )
    position = models.PositiveIntegerField(default=1, help_text="Of the disk within the point.")
    offset_bytes = models.BigIntegerField(default=0, help_text="On that disk.")
    chain_digest = models.CharField(
        max_length=32,
        blank=True,
        default="",
        help_text="Over the files that are read: if it changes, that disk is begun again.",
    )
    damage_count = models.PositiveIntegerField(
        default=0, help_text="How many damages were found; not all of them are listed."
    )
    worker_name = models.CharField(max_length=255, blank=True, default="")
    token = models.UUIDField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(
        default=0, help_text="How often it was begun or taken over since it last got further."
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=150, blank=True, default="")
    problem = models.TextField(
        blank=True, default="", help_text="Why it waits, or could not be finished."
    )
    created_at = MomentField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "point_verifications"
        ordering = ["-id"]
        constraints = [
            ColumnTypes(name="verification_column_types"),
            models.CheckConstraint(
                condition=Q(state__in=VerificationState.values), name="verification_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=VerificationState.active(), ended_at__isnull=True)
                | (
                    ~Q(state__in=VerificationState.active())
                    & Q(ended_at__isnull=False, token__isnull=True)
                ),
                name="verification_ended_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(trigger__in=Trigger.values) & ~Q(requested_by=""),
                name="verification_says_who_asked",
            ),
            models.CheckConstraint(
                condition=Q(
                    total_bytes__gte=0,
                    read_bytes__gte=0,
                    done_bytes__gte=F("read_bytes"),
                    done_bytes__lte=F("total_bytes"),
                    position__gte=1,
                    offset_bytes__gte=0,
                ),
                name="verification_figures_possible",
            ),
            models.UniqueConstraint(
                fields=["vm_context"],
                condition=Q(state__in=VerificationState.active()),
                name="verification_one_per_vm",
                violation_error_message="A recovery point of this VM is being verified already.",
            ),
            CompositeForeignKey(
                name="verification_point_is_of_its_context",
                fields=("recovery_point", "vm_context"),
                to_table="recovery_points",
                to_columns=("id", "vm_context_id"),
            ),
        ]

    def __str__(self) -> str:
        return f"verification {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.state in VerificationState.active()

    @property
    def done_percent(self) -> int:
        """Never 100 before its end."""
        return min(99, self.done_bytes * 100 // self.total_bytes) if self.total_bytes else 0


class VerificationDamage(models.Model):
    """What a verification found wrong: at a place of a disk, or with one of its files as a whole
    (`offset_bytes` is null)."""

    verification = models.ForeignKey(
        PointVerification, on_delete=models.CASCADE, related_name="damages"
    )
    disk = models.ForeignKey("contexts.VMDisk", on_delete=models.PROTECT, related_name="+")
    image = models.ForeignKey(
        DiskImage,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Whose file is wrong; null: unknown, or gone meanwhile.",
    )
    offset_bytes = models.BigIntegerField(null=True, blank=True)
    length_bytes = models.BigIntegerField(null=True, blank=True)
    what = models.TextField()

    class Meta:
        db_table = "verification_damages"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="verification_damage_column_types"),
            models.CheckConstraint(condition=~Q(what=""), name="verification_damage_says_what"),
            models.CheckConstraint(
                condition=Q(offset_bytes__isnull=True, length_bytes__isnull=True)
                | Q(
                    offset_bytes__isnull=False,
                    length_bytes__isnull=False,
                    offset_bytes__gte=0,
                    length_bytes__gt=0,
                ),
                name="verification_damage_has_a_place_or_none",
            ),
        ]

    def __str__(self) -> str:
        return self.what
