"""Who may write to a context's replica."""

import uuid

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes, CompositeForeignKey
from replication.states import LeaseHolder


class ContextLease(models.Model):
    """One writer per context: jobs, clean-up, retention and deletion take the same lease.

    It belongs to the process that knows `token`, until `expires_at` by the database's clock.
    """

    vm_context = models.OneToOneField(
        "contexts.VMContext",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="lease",
        verbose_name="VM context",
    )
    holder_kind = models.CharField(max_length=10, choices=LeaseHolder.choices)
    job = models.ForeignKey(
        "replication.ReplicationJob",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="leases",
    )
    holder = models.CharField(max_length=255, help_text="host:pid of the worker")
    token = models.UUIDField(unique=True, default=uuid.uuid4)
    acquired_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "context_leases"
        constraints = [
            ColumnTypes(name="lease_column_types"),
            models.CheckConstraint(
                condition=Q(holder_kind__in=LeaseHolder.values), name="lease_holder_kind_known"
            ),
            models.CheckConstraint(
                condition=~Q(holder_kind=LeaseHolder.JOB) | Q(job__isnull=False),
                name="lease_of_a_job_names_it",
            ),
            models.CheckConstraint(condition=~Q(holder=""), name="lease_has_a_holder"),
            CompositeForeignKey(
                name="lease_job_is_of_its_context",
                fields=("job", "vm_context"),
                to_table="replication_jobs",
                to_columns=("id", "vm_context_id"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holder_kind} on {self.vm_context_id}"
