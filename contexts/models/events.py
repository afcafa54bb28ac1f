"""What happened to a context, in the order in which it happened."""

from django.db import models
from django.db.models import Q

from contexts.chain import BEGINNING, DIGEST_LENGTH
from contexts.constraints import ColumnTypes, CompositeForeignKey


class ContextEvent(models.Model):
    """A change of a context: old, new, why, by whom, in which job. Rows are only ever added, by
    `contexts.services.events`, and go with their context alone: the database sees to both. The
    events of each context are a chain (`contexts.chain`)."""

    vm_context = models.ForeignKey(
        "contexts.VMContext",
        # The database removes them once the context is gone: before, it would refuse.
        on_delete=models.DO_NOTHING,
        related_name="events",
        verbose_name="VM context",
    )
    number = models.PositiveBigIntegerField(
        help_text="From 1, without gaps, among the events of the VM."
    )
    job = models.ForeignKey(
        "replication.ReplicationJob",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="events",
    )
    told_job_id = models.CharField(
        max_length=64,
        blank=True,
        default="",
        verbose_name="job ID",
        help_text="The job's, also once the job is deleted.",
    )
    actor = models.CharField(max_length=150)
    old = models.CharField(max_length=255, blank=True, default="", verbose_name="old value")
    new = models.CharField(max_length=255, blank=True, default="", verbose_name="new value")
    why = models.TextField(verbose_name="reason")
    created_at = models.DateTimeField()
    digest = models.CharField(
        max_length=DIGEST_LENGTH,
        help_text="SHA-256 of the digest before it and of all that is told.",
    )
    seal = models.CharField(
        max_length=DIGEST_LENGTH,
        help_text="HMAC-SHA-256 of the digest: nobody makes it without a key of this installation.",
    )

    class Meta:
        db_table = "context_events"
        ordering = ["-id"]
        constraints = [
            ColumnTypes(name="event_column_types"),
            models.CheckConstraint(
                condition=~Q(actor="") & ~Q(why=""), name="event_says_who_and_why"
            ),
            CompositeForeignKey(
                name="event_job_is_of_its_context",
                fields=("job", "vm_context"),
                to_table="replication_jobs",
                to_columns=("id", "vm_context_id"),
            ),
            models.UniqueConstraint(fields=["vm_context", "number"], name="event_followed_by_one"),
        ]

    def __str__(self) -> str:
        return f"{self.old} → {self.new}: {self.reason}"

    @property
    def reason(self) -> str:
        """Why, for people: of a job that has been deleted since, with its ID."""
        if self.told_job_id and self.job_id is None:
            return f"{self.why} ({self.told_job_id}, since deleted)"
        return self.why


class ContextEventHead(models.Model):
    """The newest event of a context. The database makes it with the context, and moves it with each
    event; whoever adds one locks it."""

    vm_context = models.OneToOneField(
        "contexts.VMContext",
        primary_key=True,
        on_delete=models.DO_NOTHING,  # as of the events
        related_name="event_head",
        verbose_name="VM context",
    )
    number = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=DIGEST_LENGTH, default=BEGINNING)

    class Meta:
        db_table = "context_event_heads"
        verbose_name = "head of a VM's events"
        verbose_name_plural = "heads of VMs' events"
        constraints = [ColumnTypes(name="event_head_column_types")]

    def __str__(self) -> str:
        return f"{self.vm_context_id}: {self.number}"
