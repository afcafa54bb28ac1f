"""When each VM is due, and what is not to start by itself for now."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from replication.states import DueWhy, PauseKind


class VMSchedule(models.Model):
    """When a managed VM is due. Derived, and made again when it is missing or its `of_…` differ
    from what is true now (`replication.scheduler.dates`)."""

    vm_context = models.OneToOneField(
        "contexts.VMContext",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="schedule",
        verbose_name="VM context",
    )
    due_at = models.DateTimeField(null=True, blank=True, help_text="Null: never by itself.")
    due_why = models.CharField(max_length=10, choices=DueWhy.choices, blank=True, default="")
    compare = models.BooleanField(
        default=False, help_text="Whether every disk is to be compared whole."
    )
    holds_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the hours in which it may start end, or it would be too late for its"
        " calendar: then it is worked out anew.",
    )
    expected_seconds = models.FloatField(
        null=True, blank=True, help_text="How long its next replication will take."
    )
    usual_seconds = models.FloatField(
        null=True,
        blank=True,
        help_text="How long its replications take on average; null: too little is known.",
    )
    failures_in_a_row = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the first of several failures in a row ended; null: there are not several.",
    )
    held_up = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="Why it was passed over when it was due; empty: it was not.",
    )
    breaks_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When its newest recovery point gets older than its target.",
    )
    latest_start_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When its next replication has to begin, so that it ends before that.",
    )
    usual_start_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The same if it takes as long as usual; the time before is for nine of ten.",
    )
    breach_expected_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it is expected to go over its target; null: it is not.",
    )
    breach_why = models.CharField(max_length=200, blank=True, default="")
    changed_per_second = models.FloatField(
        null=True,
        blank=True,
        help_text="Bytes that change, as measured; with it the three that follow. Null: too little"
        " is known.",
    )
    bytes_per_second = models.FloatField(
        null=True, blank=True, help_text="How fast its disks are read; null: nothing was read."
    )
    overhead_seconds = models.FloatField(
        null=True, blank=True, help_text="How long a replication takes besides reading."
    )
    wait_seconds = models.FloatField(
        null=True, blank=True, help_text="How long its jobs wait for a worker."
    )
    base_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What full copies of its disks take in its repository."
    )
    stored_per_second = models.FloatField(
        null=True,
        blank=True,
        help_text="Bytes that its recovery points add to its repository; null: unknown.",
    )
    steady_bytes = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="What it takes at most once its retention has what it keeps; null: unknown, or"
        " all is kept.",
    )
    of_generation = models.PositiveBigIntegerField()
    of_ended_jobs = models.PositiveIntegerField(help_text="How many of its jobs had ended.")
    of_point_at = models.DateTimeField(
        null=True, blank=True, help_text="Its newest recovery point."
    )
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "vm_schedules"
        verbose_name = "VM schedule"
        ordering = ["vm_context"]
        indexes = [
            models.Index(fields=["due_at"], name="schedule_due"),
            models.Index(
                fields=["breach_expected_at"],
                condition=Q(breach_expected_at__isnull=False),
                name="schedule_breach_expected",
            ),
            models.Index(fields=["vm_context"], condition=~Q(held_up=""), name="schedule_held_up"),
        ]
        constraints = [
            ColumnTypes(name="schedule_column_types"),
            models.CheckConstraint(
                condition=Q(due_at__isnull=True, due_why="", holds_until__isnull=True)
                | Q(due_at__isnull=False, due_why__in=DueWhy.values),
                name="schedule_says_why",
            ),
            models.CheckConstraint(
                condition=Q(breaks_at__isnull=True, latest_start_at__isnull=True)
                | Q(breaks_at__isnull=False, latest_start_at__isnull=False),
                name="schedule_knows_both_or_none",
            ),
            models.CheckConstraint(
                condition=Q(breach_expected_at__isnull=True, breach_why="")
                | Q(breach_expected_at__isnull=False) & ~Q(breach_why=""),
                name="schedule_says_why_a_breach",
            ),
            models.CheckConstraint(
                condition=Q(
                    changed_per_second__isnull=True,
                    bytes_per_second__isnull=True,
                    overhead_seconds__isnull=True,
                    wait_seconds__isnull=True,
                )
                | Q(
                    changed_per_second__isnull=False,
                    overhead_seconds__isnull=False,
                    wait_seconds__isnull=False,
                ),
                name="schedule_has_a_whole_estimate",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vm_context_id}: {self.due_at}"


class Pause(models.Model):
    """Nothing is started by itself: for all VMs, those of a vCenter or a policy, or one VM; until
    a moment, or until somebody ends it. Past ones are kept."""

    kind = models.CharField(max_length=10, choices=PauseKind.choices)
    vcenter = models.ForeignKey(
        "contexts.VCenter",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="pauses",
        verbose_name="vCenter",
    )
    policy = models.ForeignKey(
        "replication.Policy", null=True, blank=True, on_delete=models.CASCADE, related_name="pauses"
    )
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="pauses",
        verbose_name="VM context",
    )
    until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True, default="")
    paused_by = models.CharField(max_length=150)
    created_at = MomentField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        db_table = "pauses"
        ordering = ["-created_at", "-id"]
        constraints = [
            ColumnTypes(name="pause_column_types"),
            models.CheckConstraint(
                condition=Q(kind=PauseKind.ALL, vcenter=None, policy=None, vm_context=None)
                | Q(kind=PauseKind.VCENTER, vcenter__isnull=False, policy=None, vm_context=None)
                | Q(kind=PauseKind.POLICY, vcenter=None, policy__isnull=False, vm_context=None)
                | Q(kind=PauseKind.VM, vcenter=None, policy=None, vm_context__isnull=False),
                name="pause_names_what_its_kind_needs",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by="")
                | Q(ended_at__isnull=False) & ~Q(ended_by=""),
                name="pause_says_who_ended_it",
            ),
            models.CheckConstraint(condition=~Q(paused_by=""), name="pause_says_who_paused"),
            *(
                models.UniqueConstraint(
                    fields=[field],
                    condition=Q(kind=kind, ended_at__isnull=True),
                    name=f"pause_one_open_of_{kind}",
                )
                for kind, field in (
                    (PauseKind.ALL.value, "kind"),
                    (PauseKind.VCENTER.value, "vcenter"),
                    (PauseKind.POLICY.value, "policy"),
                    (PauseKind.VM.value, "vm_context"),
                )
            ),
        ]

    def __str__(self) -> str:
        return f"pause {self.pk} of {self.kind}"
