"""How a VM's protection went, and what people may have to be told of."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from replication.states import OccurrenceKind, Protection


class ProtectionSpell(models.Model):
    """From when to when a VM was in one state of protection, with one target.

    What pages say now does not depend on it: the state is computed from the clock. The tick opens
    and closes spells; their times are when the state changed, not when the tick saw it.
    """

    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.CASCADE,
        related_name="spells",
        verbose_name="VM context",
    )
    state = models.CharField(max_length=20, choices=Protection.choices)
    target_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="The RPO target that held; null: none."
    )
    newest_point_at = models.DateTimeField(
        null=True, blank=True, help_text="Of the newest recovery point when it began."
    )
    is_told = models.BooleanField(
        default=False, help_text="Whether an occurrence tells of this state."
    )
    foretold_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it was last told that the target would be exceeded; null: never.",
    )
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "protection_spells"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="protection_spell_column_types"),
            models.CheckConstraint(
                condition=Q(state__in=Protection.values), name="spell_state_known"
            ),
            models.UniqueConstraint(
                fields=["vm_context"],
                condition=Q(ended_at__isnull=True),
                name="spell_one_open_per_context",
            ),
        ]
        indexes = [
            models.Index(fields=["vm_context", "began_at"], name="spell_of_context"),
            models.Index(fields=["ended_at"], name="spell_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.vm_context_id} {self.state}"


class Occurrence(models.Model):
    """Something that people may have to be told of: the outbox of notifications.

    Written in the transaction that makes it happen. `key` names the transition, so that it is told
    once, whoever writes it and however often.
    """

    kind = models.CharField(max_length=30, choices=OccurrenceKind.choices)
    key = models.CharField(max_length=200, unique=True)
    what = models.TextField(help_text="Whole sentences.")
    at = MomentField(auto_now_add=True)
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="occurrences",
        verbose_name="VM context",
    )
    job = models.ForeignKey(
        "replication.ReplicationJob",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="occurrences",
    )
    vcenter = models.ForeignKey(
        "contexts.VCenter",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="occurrences",
        verbose_name="vCenter",
    )
    repository = models.ForeignKey(
        "replication.Repository",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="occurrences",
    )
    policy = models.ForeignKey(
        "replication.Policy",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="occurrences",
        help_text="If it is about one; what is about a VM is about the policy of that VM, too.",
    )
    fanned_out_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the notifications that it causes were written; null: not yet.",
    )

    class Meta:
        db_table = "occurrences"
        ordering = ["-id"]
        constraints = [
            ColumnTypes(name="occurrence_column_types"),
            models.CheckConstraint(
                condition=Q(kind__in=OccurrenceKind.values), name="occurrence_kind_known"
            ),
            models.CheckConstraint(condition=~Q(key="") & ~Q(what=""), name="occurrence_says_what"),
        ]
        indexes = [
            # Not a cursor over IDs: a lower ID may be committed later.
            models.Index(
                fields=["id"],
                condition=Q(fanned_out_at__isnull=True),
                name="occurrence_to_fan_out",
            ),
            models.Index(fields=["vm_context", "id"], name="occurrence_of_context"),
            models.Index(fields=["at"], name="occurrence_at"),
        ]

    def __str__(self) -> str:
        return self.key
