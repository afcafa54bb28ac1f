"""What a job records while it runs: how fast bytes arrive, and log lines for operators.

Both are bounded per job, whatever its length, and deleted with the job.
"""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.text import printable
from replication.states import LogLevel


class JobSample(models.Model):
    """A stretch of a transfer: how much of the plan was done at its end, and its rate.

    `bytes_per_second * seconds` are the bytes read in this stretch. Bytes that an earlier attempt
    read and a checkpoint kept count in `bytes_transferred`, but not in the rate.
    """

    job = models.ForeignKey(
        "replication.ReplicationJob", on_delete=models.CASCADE, related_name="samples"
    )
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField(help_text="The end of the stretch, by the database's clock.")
    seconds = models.FloatField(help_text="How long the stretch took.")
    bytes_transferred = models.BigIntegerField(
        help_text="Bytes of the plan read so far in all attempts, each counted once."
    )
    bytes_per_second = models.FloatField(help_text="The mean rate over the stretch.")

    class Meta:
        db_table = "job_samples"
        ordering = ["job_id", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(attempt__gte=1)
                & Q(seconds__gte=0)
                & Q(bytes_transferred__gte=0)
                & Q(bytes_per_second__gte=0),
                name="sample_figures_possible",
            ),
            # Infinity and "not a number" are not less than zero either.
            models.CheckConstraint(
                condition=Q(seconds__lte=1e9) & Q(bytes_per_second__lte=1e15),
                name="sample_figures_are_finite",
            ),
            ColumnTypes(name="sample_column_types"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.attempt} at {self.at:%H:%M:%S}"


MOST_LINES = 500  # of one job's log; then the oldest are dropped


class JobLogLine(models.Model):
    """Something about a job that an operator wants to read. Never a secret.

    `message` has names of VMs and files exactly as the vCenter reported them, with control
    characters: show `text` instead.
    """

    job = models.ForeignKey(
        "replication.ReplicationJob", on_delete=models.CASCADE, related_name="log_lines"
    )
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=10, choices=LogLevel.choices)
    message = models.TextField()

    class Meta:
        db_table = "job_log_lines"
        verbose_name = "log line"
        ordering = ["job_id", "id"]
        constraints = [
            ColumnTypes(name="log_column_types"),
            models.CheckConstraint(condition=Q(level__in=LogLevel.values), name="log_level_known"),
            models.CheckConstraint(condition=Q(attempt__gte=1), name="log_attempt_possible"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.attempt} {self.level}: {self.text}"

    @property
    def text(self) -> str:
        """The message with non-printable characters made visible."""
        return printable(self.message)
