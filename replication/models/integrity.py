"""What check_integrity found, run by run."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from replication.states import IntegrityOutcome, Severity


class IntegrityRun(models.Model):
    """One run of the integrity check. `updated_at` changes while it works: a silent run is dead."""

    requested_by = models.CharField(max_length=150)
    deep = models.BooleanField(
        default=False, help_text="Whether the images' tables and digests were checked, too."
    )
    repair = models.BooleanField(default=False)
    outcome = models.CharField(
        max_length=10, choices=IntegrityOutcome.choices, default=IntegrityOutcome.PENDING
    )
    finding_count = models.PositiveIntegerField(default=0, help_text="How many faults remain.")
    repaired_count = models.PositiveIntegerField(default=0)
    error_message = models.TextField(blank=True, default="")
    created_at = MomentField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "integrity_runs"
        ordering = ["-id"]
        constraints = [
            ColumnTypes(name="integrity_run_column_types"),
            models.CheckConstraint(
                condition=Q(outcome__in=IntegrityOutcome.values), name="integrity_outcome_known"
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=IntegrityOutcome.active(), completed_at__isnull=True)
                | (~Q(outcome__in=IntegrityOutcome.active()) & Q(completed_at__isnull=False)),
                name="integrity_ended_has_its_time",
            ),
            models.UniqueConstraint(
                fields=["outcome"],
                condition=Q(outcome__in=IntegrityOutcome.active()),
                name="integrity_one_at_a_time",
                violation_error_message="An integrity check is already running.",
            ),
        ]

    def __str__(self) -> str:
        return f"integrity check {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.outcome in IntegrityOutcome.active()


class IntegrityFinding(models.Model):
    """One fault. Its subject is stored as text, since it may be what is missing."""

    run = models.ForeignKey(IntegrityRun, on_delete=models.CASCADE, related_name="findings")
    code = models.CharField(max_length=40)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    context_id = models.CharField(max_length=120, blank=True, default="", verbose_name="context ID")
    vm_name = models.TextField(blank=True, default="", verbose_name="VM name")
    job_id = models.CharField(max_length=40, blank=True, default="", verbose_name="job ID")
    what = models.TextField()
    remedy = models.TextField()
    repairable = models.BooleanField()
    repaired = models.TextField(
        blank=True, default="", help_text="What --repair did about it; empty if nothing."
    )

    class Meta:
        db_table = "integrity_findings"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="integrity_finding_column_types"),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="integrity_severity_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.what}"
