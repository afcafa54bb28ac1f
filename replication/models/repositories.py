"""Storage on the KVM side that holds replicas."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Case, F, Q, QuerySet, Value, When

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from replication.states import RepositoryKind


class Present(models.Manager["Repository"]):
    """Repositories that have not been removed."""

    def get_queryset(self) -> QuerySet[Repository]:
        return super().get_queryset().filter(removed_at__isnull=True)


class Repository(models.Model):
    """A place for recovery points. It contains a marker file with `uuid`. Without the marker
    nothing there is read, written or considered missing (an unmounted share looks empty).

    The row of a removed one stays, because jobs and removed recovery points refer to it; only
    `with_removed` finds it, and what refers to it.
    """

    name = models.CharField(max_length=100)
    kind = models.CharField(
        max_length=20, choices=RepositoryKind.choices, default=RepositoryKind.DIRECTORY
    )
    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False, verbose_name="UUID")
    config = models.JSONField(default=dict, help_text='Of a directory: {"path": "/srv/vmrep"}.')
    reserve_bytes = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="How much must stay free: no replication begins with less. Null: the default.",
    )
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.CharField(max_length=150, blank=True, default="")
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    # For the rule that what is kept is not kept in a removed repository.
    present_id = models.GeneratedField(
        expression=Case(When(removed_at__isnull=True, then=F("id")), default=Value(None)),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )

    objects = Present()
    with_removed = models.Manager()  # noqa: DJ012  # it is no field

    class Meta:
        db_table = "repositories"
        verbose_name_plural = "repositories"
        ordering = ["name"]
        constraints = [
            ColumnTypes(name="repository_column_types"),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(removed_at__isnull=True),
                name="repository_name_once",
                violation_error_message="Another repository already has this name.",
            ),
            models.UniqueConstraint(fields=["present_id"], name="repository_that_is_there"),
            models.CheckConstraint(
                condition=Q(reserve_bytes__isnull=True) | Q(reserve_bytes__gte=0),
                name="repository_reserve_is_possible",
            ),
            models.CheckConstraint(
                condition=Q(removed_at__isnull=True, removed_by="")
                | Q(removed_at__isnull=False) & ~Q(removed_by=""),
                name="repository_removed_by_whom",
            ),
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


class RepositorySpace(models.Model):
    """How full a repository was: the first look of an hour that reached it. Kept for 400 days."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="space")
    hour = models.DateTimeField(help_text="When the hour began.")
    free_bytes = models.BigIntegerField()
    total_bytes = models.BigIntegerField()
    stored_bytes = models.BigIntegerField(help_text="Of all its images together.")

    class Meta:
        db_table = "repository_space"
        verbose_name_plural = "repository space"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="repository_space_column_types"),
            models.UniqueConstraint(
                fields=["repository", "hour"], name="repository_space_once_per_hour"
            ),
            models.CheckConstraint(
                condition=Q(free_bytes__gte=0, total_bytes__gte=0, stored_bytes__gte=0),
                name="repository_space_is_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repository_id} at {self.hour}"

    @property
    def used_bytes(self) -> int:
        return self.total_bytes - self.free_bytes
