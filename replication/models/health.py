"""Who is alive: what each process last said of itself, what workers last heard of vCenters, and
when something that is needed was dead."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes
from replication.states import LifeKind, TroubleKind


class SignOfLife(models.Model):
    """What a process says every few seconds, by the database's clock. Whether it is alive is
    computed from `seen_at` when somebody asks: nobody has to notice that a process died."""

    kind = models.CharField(max_length=10, choices=LifeKind.choices)
    name = models.CharField(max_length=255, help_text="host:pid of the process.")
    queues = models.CharField(
        max_length=200, blank=True, default="", help_text="What a worker consumes, with commas."
    )
    slots = models.PositiveSmallIntegerField(
        default=0, help_text="How many tasks the worker runs at once."
    )
    version = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    broker_at = models.DateTimeField(
        null=True, blank=True, help_text="When Redis last answered it; null: never."
    )
    broker_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when Redis has answered it each time."
    )
    back_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it gave a sign again after a gap in which it counted as dead.",
    )
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text="When it ended as it was told to; null: it did not."
    )

    class Meta:
        db_table = "signs_of_life"
        verbose_name_plural = "signs of life"
        ordering = ["kind", "name"]
        constraints = [
            ColumnTypes(name="sign_of_life_column_types"),
            models.CheckConstraint(condition=Q(kind__in=LifeKind.values), name="life_kind_known"),
            models.CheckConstraint(condition=~Q(name=""), name="life_is_named"),
            models.UniqueConstraint(fields=["kind", "name"], name="life_once_per_process"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def alive_since(self) -> datetime:
        """Since when it has given signs without such a gap."""
        return self.back_at or self.started_at


class VCenterSign(models.Model):
    """What the workers of one machine last heard of a vCenter, asked without a login."""

    vcenter = models.ForeignKey(
        "contexts.VCenter", on_delete=models.CASCADE, related_name="signs", verbose_name="vCenter"
    )
    host = models.CharField(max_length=255)
    looked_at = models.DateTimeField()
    reached_at = models.DateTimeField(
        null=True, blank=True, help_text="When it last answered; null: never."
    )
    problem = models.TextField(
        blank=True, default="", help_text="Why it did not answer; empty if it did."
    )
    answer_seconds = models.FloatField(
        null=True, blank=True, help_text="How long its last answer took; null: there was none."
    )

    class Meta:
        db_table = "vcenter_signs"
        verbose_name = "vCenter sign"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="vcenter_sign_column_types"),
            models.CheckConstraint(condition=~Q(host=""), name="vcenter_sign_names_its_host"),
            models.CheckConstraint(
                condition=Q(answer_seconds__isnull=True)
                | Q(answer_seconds__gte=0, answer_seconds__lte=1e9),
                name="vcenter_sign_answer_possible",
            ),
            models.UniqueConstraint(fields=["vcenter", "host"], name="vcenter_sign_once_per_host"),
        ]

    def __str__(self) -> str:
        return f"{self.vcenter_id} from {self.host}"


class Incident(models.Model):
    """From when to when something that is needed was dead. Written by whichever process is alive;
    what pages say now does not depend on it."""

    kind = models.CharField(max_length=20, choices=TroubleKind.choices)
    subject = models.CharField(
        max_length=200,
        blank=True,
        help_text="Of which of the kind: a queue, or the ID of a vCenter or repository.",
    )
    what = models.TextField()
    vcenter = models.ForeignKey(
        "contexts.VCenter",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="incidents",
        verbose_name="vCenter",
    )
    repository = models.ForeignKey(
        "replication.Repository",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="incidents",
    )
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "incidents"
        ordering = ["-id"]
        constraints = [
            ColumnTypes(name="incident_column_types"),
            models.CheckConstraint(
                condition=Q(kind__in=TroubleKind.values), name="incident_kind_known"
            ),
            models.CheckConstraint(condition=~Q(what=""), name="incident_says_what"),
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(ended_at__isnull=True),
                name="incident_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
