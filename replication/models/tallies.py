"""What is counted for monitoring: it stays when the jobs that were counted are deleted."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from replication.states import ACTIVE_JOB_STATUSES, JobStatus, TallyKind

OUTCOMES = [status for status in JobStatus.values if status not in ACTIVE_JOB_STATUSES]


class Tally(models.Model):
    """How often something happened, and how long it took each time at most.

    Rows are only added: whoever counts waits for nobody. The rows that say the same are summed up
    by whoever reads them, and become one now and then (`replication.services.tallies`).
    """

    kind = models.CharField(max_length=20, choices=TallyKind.choices)
    vcenter = models.ForeignKey(
        "contexts.VCenter", on_delete=models.CASCADE, related_name="+", verbose_name="vCenter"
    )
    outcome = models.CharField(
        max_length=10, blank=True, default="", help_text="How the jobs ended; empty of all else."
    )
    replication_type = models.CharField(
        max_length=12, blank=True, default="", help_text="Of jobs that completed."
    )
    error_code = models.CharField(
        max_length=60, blank=True, default="", help_text="Of jobs that failed."
    )
    at_most_seconds = models.FloatField(
        null=True,
        blank=True,
        help_text="The smallest bound that none of them exceeded; null: longer than all bounds.",
    )
    count = models.PositiveBigIntegerField()
    # Whole numbers: sums of fractions depend on their order, and a counter that falls by the
    # smallest of them has begun again, to whoever reads it.
    microseconds = models.BigIntegerField(help_text="Of all of them together.")
    bytes = models.BigIntegerField(default=0, help_text="Read by all of them together.")

    class Meta:
        db_table = "tallies"
        verbose_name_plural = "tallies"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="tally_column_types"),
            models.CheckConstraint(condition=Q(kind__in=TallyKind.values), name="tally_kind_known"),
            models.CheckConstraint(
                condition=Q(kind=TallyKind.JOB, outcome__in=OUTCOMES)
                | (~Q(kind=TallyKind.JOB) & Q(outcome="", replication_type="", error_code="")),
                name="tally_outcome_is_of_jobs",
            ),
            models.CheckConstraint(
                condition=Q(count__gte=1)
                & Q(microseconds__gte=0, bytes__gte=0)
                & (Q(at_most_seconds__isnull=True) | Q(at_most_seconds__gt=0)),
                name="tally_figures_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} × {self.kind}"
