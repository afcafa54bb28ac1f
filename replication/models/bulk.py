"""What was asked for with many VMs at once, and what became of each of them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from replication.states import BulkItemState, BulkKind, BulkState, Trigger

_ASKED_FOR = (Trigger.MANUAL.value, Trigger.API.value)


class BulkAction(models.Model):
    """The same act for many VMs, which were chosen when it was asked for. A worker does it, one VM
    after the other; `done` and `refused` are always those of its items."""

    kind = models.CharField(max_length=20, choices=BulkKind.choices)
    subject = models.CharField(
        max_length=100,
        blank=True,
        default="",
        help_text="The name of the policy or the repository when it was asked for; of the kind"
        " `policy` empty: none.",
    )
    policy = models.ForeignKey(
        "replication.Policy", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    repository = models.ForeignKey(
        "replication.Repository",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    until = models.DateTimeField(null=True, blank=True, help_text="When a pause is to end.")
    reason = models.CharField(
        max_length=200, blank=True, default="", help_text="Why they are paused."
    )
    trigger = models.CharField(max_length=20, choices=Trigger.choices)
    asked_by = models.CharField(max_length=150)
    state = models.CharField(max_length=10, choices=BulkState.choices, default=BulkState.WAITING)
    total = models.PositiveIntegerField(help_text="How many VMs it is for.")
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    cancelled_by = models.CharField(max_length=150, blank=True, default="")
    claimed_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then a worker works on it, if it still lives."
    )
    created_at = MomentField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "bulk_actions"
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(ended_at__isnull=True), name="bulk_action_not_ended"
            ),
            models.Index(fields=["updated_at"], name="bulk_action_changed"),
        ]
        constraints = [
            ColumnTypes(name="bulk_action_column_types"),
            models.CheckConstraint(
                condition=Q(kind__in=BulkKind.values, state__in=BulkState.values),
                name="bulk_action_known",
            ),
            models.CheckConstraint(
                condition=Q(trigger__in=_ASKED_FOR) & ~Q(asked_by=""), name="bulk_action_says_who"
            ),
            models.CheckConstraint(
                condition=Q(kind=BulkKind.POLICY, repository__isnull=True)
                & (~Q(subject="") | Q(policy__isnull=True))
                | Q(kind=BulkKind.REPOSITORY, policy__isnull=True) & ~Q(subject="")
                | ~Q(kind__in=[BulkKind.POLICY, BulkKind.REPOSITORY])
                & Q(subject="", policy__isnull=True, repository__isnull=True),
                name="bulk_action_names_what_its_kind_needs",
            ),
            models.CheckConstraint(
                condition=Q(kind=BulkKind.PAUSE) | Q(until__isnull=True, reason=""),
                name="bulk_action_times_only_pauses",
            ),
            models.CheckConstraint(
                condition=Q(total__gte=1) & Q(total__gte=F("done") + F("refused")),
                name="bulk_action_figures_possible",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[BulkState.WAITING, BulkState.RUNNING],
                    ended_at__isnull=True,
                    cancelled_by="",
                )
                | Q(
                    state=BulkState.ENDED,
                    ended_at__isnull=False,
                    cancelled_by="",
                    total=F("done") + F("refused"),
                )
                | Q(state=BulkState.CANCELLED, ended_at__isnull=False) & ~Q(cancelled_by=""),
                name="bulk_action_ended_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"bulk action {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.state in BulkState.active()

    @property
    def come_to(self) -> int:
        """VMs that it has come to."""
        return self.done + self.refused

    @property
    def left(self) -> int:
        """VMs at which nothing was done yet."""
        return self.total - self.come_to


class BulkItem(models.Model):
    """One VM of a bulk action."""

    action = models.ForeignKey(BulkAction, on_delete=models.CASCADE, related_name="items")
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.CASCADE,
        related_name="bulk_items",
        verbose_name="VM context",
    )
    state = models.CharField(
        max_length=10, choices=BulkItemState.choices, default=BulkItemState.WAITING
    )
    why = models.TextField(blank=True, default="", help_text="Why it was refused.")
    times_held = models.PositiveIntegerField(
        default=0,
        help_text="How often another process held its VM when it was its turn: it comes after those"
        " with less.",
    )

    class Meta:
        db_table = "bulk_items"
        ordering = ["id"]
        indexes = [models.Index(fields=["action", "state", "id"], name="bulk_item_of_action")]
        constraints = [
            ColumnTypes(name="bulk_item_column_types"),
            models.CheckConstraint(
                condition=Q(state__in=[BulkItemState.WAITING, BulkItemState.DONE], why="")
                | Q(state=BulkItemState.REFUSED) & ~Q(why=""),
                name="bulk_item_refused_says_why",
            ),
            models.UniqueConstraint(fields=["action", "vm_context"], name="bulk_item_once_per_vm"),
        ]

    def __str__(self) -> str:
        return f"{self.vm_context_id} of bulk action {self.action_id}"
