import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q, TextField
from django.db.models.functions import Cast

import contexts.constraints

KINDS = [
    ("vcenter_jobs", "Jobs per vCenter"),
    ("repository_jobs", "Jobs per repository"),
    ("host_sessions", "Disk sessions per ESXi host"),
    ("datastore_snapshots", "Snapshots per datastore"),
]
KNOWN = [kind for kind, _ in KINDS]


def key() -> tuple[str, models.BigAutoField]:
    return (
        "id",
        models.BigAutoField(
            auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
        ),
    )


def owner(to: str, name: str, **more: str) -> models.ForeignKey:
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.CASCADE,
        related_name=name,
        to=to,
        **more,
    )


class Migration(migrations.Migration):
    """A place is held for 40 seconds at most without its worker, and a job that waits for one looks
    again after some minutes: neither has to be carried over."""

    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0012_occurrences_and_spells"),
    ]

    operations = [
        migrations.DeleteModel(name="HostPlace"),
        migrations.CreateModel(
            name="Place",
            fields=[
                key(),
                ("kind", models.CharField(choices=KINDS, max_length=20)),
                (
                    "resource",
                    models.CharField(
                        help_text="The ID of a vCenter or repository, a host's address:port, or a"
                        " vCenter's ID and the name of its datastore.",
                        max_length=300,
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                ("holder", models.CharField(help_text="host:pid of the worker", max_length=255)),
                ("token", models.UUIDField(db_index=True)),
                ("acquired_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="places",
                        to="replication.replicationjob",
                    ),
                ),
            ],
            options={
                "db_table": "places",
                "constraints": [
                    contexts.constraints.ColumnTypes(name="place_column_types"),
                    models.UniqueConstraint(
                        fields=("kind", "resource", "number"), name="place_once_per_resource"
                    ),
                    models.CheckConstraint(condition=Q(kind__in=KNOWN), name="place_kind_known"),
                    models.CheckConstraint(
                        condition=Q(number__gte=1), name="place_number_possible"
                    ),
                    models.CheckConstraint(
                        condition=~Q(resource="") & ~Q(holder=""),
                        name="place_has_resource_and_holder",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Limit",
            fields=[
                key(),
                ("kind", models.CharField(choices=KINDS, max_length=20)),
                ("resource", models.CharField(blank=True, default="", max_length=300)),
                ("value", models.PositiveIntegerField()),
                ("set_by", models.CharField(max_length=150)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("vcenter", owner("contexts.vcenter", "limits", verbose_name="vCenter")),
                ("repository", owner("replication.repository", "limits")),
            ],
            options={
                "db_table": "limits",
                "ordering": ["kind", "resource"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="limit_column_types"),
                    models.UniqueConstraint(
                        fields=("kind", "resource"), name="limit_once_per_resource"
                    ),
                    models.CheckConstraint(
                        condition=Q(kind="host_sessions", vcenter=None, repository=None)
                        | Q(resource="", vcenter=None, repository=None, kind__in=KNOWN)
                        | Q(kind="vcenter_jobs", repository=None, vcenter__isnull=False)
                        & Q(resource=Cast(F("vcenter"), TextField()))
                        | Q(kind="repository_jobs", vcenter=None, repository__isnull=False)
                        & Q(resource=Cast(F("repository"), TextField()))
                        | Q(kind="datastore_snapshots", repository=None, vcenter__isnull=False)
                        & ~Q(resource=""),
                        name="limit_is_of_its_kind",
                    ),
                    models.CheckConstraint(
                        condition=Q(value__gte=1, value__lte=10_000), name="limit_value_possible"
                    ),
                    models.CheckConstraint(condition=~Q(set_by=""), name="limit_says_who_set_it"),
                ],
            },
        ),
        migrations.CreateModel(
            name="BandwidthWindow",
            fields=[
                key(),
                ("days", models.PositiveSmallIntegerField(default=127)),
                (
                    "from_minute",
                    models.PositiveSmallIntegerField(default=0, help_text="Of the day."),
                ),
                (
                    "to_minute",
                    models.PositiveSmallIntegerField(
                        default=1440,
                        help_text="Of the day; the first minute that is free again.",
                    ),
                ),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                ("bytes_per_second", models.PositiveBigIntegerField()),
                ("set_by", models.CharField(max_length=150)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("vcenter", owner("contexts.vcenter", "bandwidth_windows", verbose_name="vCenter")),
            ],
            options={
                "db_table": "bandwidth_windows",
                "ordering": ["vcenter", "id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="bandwidth_column_types"),
                    models.CheckConstraint(
                        condition=Q(days__gte=1, days__lte=127), name="bandwidth_days_possible"
                    ),
                    models.CheckConstraint(
                        condition=Q(from_minute__gte=0, from_minute__lt=1440)
                        & Q(to_minute__gte=0, to_minute__lte=1440)
                        & ~Q(from_minute=F("to_minute")),
                        name="bandwidth_minutes_possible",
                    ),
                    models.CheckConstraint(
                        condition=Q(bytes_per_second__gte=65_536, bytes_per_second__lte=1 << 40),
                        name="bandwidth_rate_possible",
                    ),
                    models.CheckConstraint(
                        condition=~Q(time_zone="") & ~Q(set_by=""),
                        name="bandwidth_says_where_and_who",
                    ),
                ],
            },
        ),
        # It names every column: it goes before one is added or dropped.
        migrations.RemoveConstraint(model_name="replicationjob", name="job_column_types"),
        migrations.RemoveConstraint(
            model_name="replicationjob", name="job_waits_only_while_pending"
        ),
        migrations.RemoveField(model_name="replicationjob", name="waits_for_host"),
        migrations.AddField(
            model_name="replicationjob",
            name="waits_for_kind",
            field=models.CharField(
                blank=True,
                choices=KINDS,
                default="",
                help_text="Which of its limits a waiting job met.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="replicationjob",
            name="waits_for",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The resource whose places are all taken, as in places.",
                max_length=300,
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=Q(waits_for_kind="") | Q(status="pending"),
                name="job_waits_only_while_pending",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=Q(waits_for_kind="", waits_for="")
                | (Q(waits_for_kind__in=KNOWN) & ~Q(waits_for="")),
                name="job_says_what_it_waits_for",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=contexts.constraints.ColumnTypes(name="job_column_types"),
        ),
    ]
