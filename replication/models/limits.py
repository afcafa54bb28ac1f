"""How much there may be at once: limits, the places that keep them, and windows of bandwidth."""

from django.db import models
from django.db.models import F, Q, TextField
from django.db.models.functions import Cast

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField
from replication.hours import ALL_DAYS, MINUTES_OF_A_DAY
from replication.states import LimitKind

HIGHEST = 10_000
LEAST_BYTES_PER_SECOND = 64 << 10
MOST_BYTES_PER_SECOND = 1 << 40
SETTABLE = [kind.value for kind in LimitKind.settable()]


class Place(models.Model):
    """The right to one of the few jobs, disk sessions or snapshots that a resource may have.

    Places of a resource are numbered from 1, and no two holders have one number. `token` is that of
    the lease under which it is held, and it is renewed with that; from `expires_at` on, by the
    database's clock, anybody may take it.
    """

    kind = models.CharField(max_length=20, choices=LimitKind.choices)
    resource = models.CharField(
        max_length=300,
        help_text="The ID of a vCenter, repository or policy, a host's address:port, or a vCenter's"
        " ID and the name of its datastore.",
    )
    number = models.PositiveSmallIntegerField()
    job = models.ForeignKey(
        "replication.ReplicationJob", on_delete=models.CASCADE, related_name="places"
    )
    holder = models.CharField(max_length=255, help_text="host:pid of the worker")
    token = models.UUIDField(db_index=True)
    acquired_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "places"
        constraints = [
            ColumnTypes(name="place_column_types"),
            models.UniqueConstraint(
                fields=["kind", "resource", "number"], name="place_once_per_resource"
            ),
            models.CheckConstraint(condition=Q(kind__in=LimitKind.values), name="place_kind_known"),
            models.CheckConstraint(condition=Q(number__gte=1), name="place_number_possible"),
            models.CheckConstraint(
                condition=~Q(resource="") & ~Q(holder=""), name="place_has_resource_and_holder"
            ),
        ]

    def __str__(self) -> str:
        return f"place {self.number} of {self.kind} at {self.resource}"


class Limit(models.Model):
    """How many places a resource has (`resource` as in Place), or all that have no limit of their
    own (empty). Without a row, vmrep's default holds."""

    kind = models.CharField(
        max_length=20, choices=[(kind.value, kind.label) for kind in LimitKind.settable()]
    )
    resource = models.CharField(max_length=300, blank=True, default="")
    vcenter = models.ForeignKey(
        "contexts.VCenter",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="limits",
        verbose_name="vCenter",
    )
    repository = models.ForeignKey(
        "replication.Repository",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="limits",
    )
    value = models.PositiveIntegerField()
    set_by = models.CharField(max_length=150)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "limits"
        ordering = ["kind", "resource"]
        constraints = [
            ColumnTypes(name="limit_column_types"),
            models.UniqueConstraint(fields=["kind", "resource"], name="limit_once_per_resource"),
            models.CheckConstraint(
                condition=Q(kind=LimitKind.HOST_SESSIONS, vcenter=None, repository=None)
                | Q(resource="", vcenter=None, repository=None, kind__in=SETTABLE)
                | Q(kind=LimitKind.VCENTER_JOBS, repository=None, vcenter__isnull=False)
                & Q(resource=Cast(F("vcenter"), TextField()))
                | Q(kind=LimitKind.REPOSITORY_JOBS, vcenter=None, repository__isnull=False)
                & Q(resource=Cast(F("repository"), TextField()))
                | Q(kind=LimitKind.DATASTORE_SNAPSHOTS, repository=None, vcenter__isnull=False)
                & ~Q(resource=""),
                name="limit_is_of_its_kind",
            ),
            models.CheckConstraint(
                condition=Q(value__gte=1, value__lte=HIGHEST), name="limit_value_possible"
            ),
            models.CheckConstraint(condition=~Q(set_by=""), name="limit_says_who_set_it"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.resource or 'all others'}: {self.value}"


class BandwidthWindow(models.Model):
    """When, and to how much, all jobs of a vCenter together are limited in reading its disks;
    without a vCenter, those of each one that has no window of its own.

    `days`: a bit for each day on which it opens, Monday the lowest. It goes over midnight when
    `to_minute` comes first.
    """

    vcenter = models.ForeignKey(
        "contexts.VCenter",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="bandwidth_windows",
        verbose_name="vCenter",
    )
    days = models.PositiveSmallIntegerField(default=ALL_DAYS)
    from_minute = models.PositiveSmallIntegerField(default=0, help_text="Of the day.")
    to_minute = models.PositiveSmallIntegerField(
        default=MINUTES_OF_A_DAY, help_text="Of the day; the first minute that is free again."
    )
    time_zone = models.CharField(max_length=64, default="UTC")
    bytes_per_second = models.PositiveBigIntegerField()
    set_by = models.CharField(max_length=150)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "bandwidth_windows"
        ordering = ["vcenter", "id"]
        constraints = [
            ColumnTypes(name="bandwidth_column_types"),
            models.CheckConstraint(
                condition=Q(days__gte=1, days__lte=ALL_DAYS), name="bandwidth_days_possible"
            ),
            models.CheckConstraint(
                condition=Q(from_minute__gte=0, from_minute__lt=MINUTES_OF_A_DAY)
                & Q(to_minute__gte=0, to_minute__lte=MINUTES_OF_A_DAY)
                & ~Q(from_minute=F("to_minute")),
                name="bandwidth_minutes_possible",
            ),
            models.CheckConstraint(
                condition=Q(
                    bytes_per_second__gte=LEAST_BYTES_PER_SECOND,
                    bytes_per_second__lte=MOST_BYTES_PER_SECOND,
                ),
                name="bandwidth_rate_possible",
            ),
            models.CheckConstraint(
                condition=~Q(time_zone="") & ~Q(set_by=""), name="bandwidth_says_where_and_who"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bytes_per_second} bytes/s at {self.vcenter_id or 'all others'}"
