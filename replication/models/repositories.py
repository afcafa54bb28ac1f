"""Storage on the KVM side that holds replicas."""

import uuid

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from replication.states import RepositoryKind


class Repository(models.Model):
    """A place for recovery points. It contains a marker file with `uuid`. Without the marker
    nothing there is read, written or considered missing (an unmounted share looks empty).
    """

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(
        max_length=20, choices=RepositoryKind.choices, default=RepositoryKind.DIRECTORY
    )
    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False, verbose_name="UUID")
    config = models.JSONField(default=dict, help_text='Of a directory: {"path": "/srv/vmrep"}.')
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "repositories"
        verbose_name_plural = "repositories"
        ordering = ["name"]
        constraints = [
            ColumnTypes(name="repository_column_types"),
            models.CheckConstraint(condition=~Q(name=""), name="repository_is_named"),
            models.CheckConstraint(
                condition=Q(kind__in=RepositoryKind.values), name="repository_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RepositorySign(models.Model):
    """What the workers of one machine last saw of a repository. Only they write it: a machine that
    runs no worker may not have it mounted."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="signs")
    host = models.CharField(max_length=255)
    looked_at = models.DateTimeField()
    reached_at = models.DateTimeField(
        null=True, blank=True, help_text="When it could last be written to; null: never."
    )
    problem = models.TextField(
        blank=True, default="", help_text="Why it could not be written to; empty if it could."
    )
    free_bytes = models.BigIntegerField(
        null=True, blank=True, help_text="When it was last reached; null: it never was."
    )
    total_bytes = models.BigIntegerField(null=True, blank=True)
    full_in_seconds = models.FloatField(
        null=True,
        blank=True,
        help_text="At the pace of the last days, when it was last reached; null: nobody can say.",
    )

    class Meta:
        db_table = "repository_signs"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="repository_sign_column_types"),
            models.CheckConstraint(condition=~Q(host=""), name="repository_sign_names_its_host"),
            models.UniqueConstraint(
                fields=["repository", "host"], name="repository_sign_once_per_host"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repository_id} from {self.host}"
