"""What happened to a context, in the order in which it happened."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField


class ContextEvent(models.Model):
    """A change of a context: old, new, why, by whom, in which job. Rows are only ever added."""

    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.CASCADE,
        related_name="events",
        verbose_name="VM context",
    )
    job = models.ForeignKey(
        "replication.ReplicationJob",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="events",
    )
    actor = models.CharField(max_length=150)
    old = models.CharField(max_length=255, blank=True, default="", verbose_name="old value")
    new = models.CharField(max_length=255, blank=True, default="", verbose_name="new value")
    why = models.TextField(verbose_name="reason")
    created_at = MomentField(auto_now_add=True)

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
        ]

    def __str__(self) -> str:
        return f"{self.old} → {self.new}: {self.why}"
