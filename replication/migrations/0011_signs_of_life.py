"""Signs of life, what workers hear of vCenters, and incidents."""

import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0010_damages_and_signs"),
    ]

    operations = [
        migrations.CreateModel(
            name="SignOfLife",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("worker", "Worker"),
                            ("beat", "Beat"),
                            ("tick", "Tick"),
                            ("web", "Web server"),
                        ],
                        max_length=10,
                    ),
                ),
                ("name", models.CharField(help_text="host:pid of the process.", max_length=255)),
                (
                    "queues",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="What a worker consumes, with commas.",
                        max_length=200,
                    ),
                ),
                (
                    "slots",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How many tasks the worker runs at once."
                    ),
                ),
                ("version", models.CharField(max_length=40)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                (
                    "broker_at",
                    models.DateTimeField(
                        blank=True, help_text="When Redis last answered it; null: never.", null=True
                    ),
                ),
                (
                    "ended_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When it ended as it was told to; null: it did not.",
                        null=True,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "signs of life",
                "db_table": "signs_of_life",
                "ordering": ["kind", "name"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="sign_of_life_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["worker", "beat", "tick", "web"])),
                        name="life_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="life_is_named"
                    ),
                    models.UniqueConstraint(fields=("kind", "name"), name="life_once_per_process"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("worker_dead", "No worker"),
                            ("beat_dead", "No beat"),
                            ("tick_late", "No tick"),
                            ("redis_dead", "Redis does not answer"),
                            ("vcenter_away", "vCenter does not answer"),
                            ("repository_away", "Repository cannot be used"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True,
                        help_text="Of which of the kind: a queue, or the ID of a vCenter or repository.",
                        max_length=200,
                    ),
                ),
                ("what", models.TextField()),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "repository",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="incidents",
                        to="replication.repository",
                    ),
                ),
                (
                    "vcenter",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="incidents",
                        to="contexts.vcenter",
                        verbose_name="vCenter",
                    ),
                ),
            ],
            options={
                "db_table": "incidents",
                "ordering": ["-id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="incident_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "worker_dead",
                                    "beat_dead",
                                    "tick_late",
                                    "redis_dead",
                                    "vcenter_away",
                                    "repository_away",
                                ],
                            )
                        ),
                        name="incident_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("what", ""), _negated=True), name="incident_says_what"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("kind", "subject"),
                        name="incident_open_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VCenterSign",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("host", models.CharField(max_length=255)),
                ("looked_at", models.DateTimeField()),
                (
                    "reached_at",
                    models.DateTimeField(
                        blank=True, help_text="When it last answered; null: never.", null=True
                    ),
                ),
                (
                    "problem",
                    models.TextField(
                        blank=True, default="", help_text="Why it did not answer; empty if it did."
                    ),
                ),
                (
                    "vcenter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="signs",
                        to="contexts.vcenter",
                        verbose_name="vCenter",
                    ),
                ),
            ],
            options={
                "verbose_name": "vCenter sign",
                "db_table": "vcenter_signs",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="vcenter_sign_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("host", ""), _negated=True),
                        name="vcenter_sign_names_its_host",
                    ),
                    models.UniqueConstraint(
                        fields=("vcenter", "host"), name="vcenter_sign_once_per_host"
                    ),
                ],
            },
        ),
    ]
