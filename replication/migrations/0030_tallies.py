"""What is counted for monitoring, and how fast vCenters answer."""

import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0016_secrets_with_what_they_are_for"),
        ("replication", "0029_usual_durations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
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
                            ("job", "Ended job"),
                            ("vcenter_call", "Call to a vCenter"),
                            ("nfc_open", "Disk opened over NFC"),
                            ("nfc_read", "Read over NFC"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="How the jobs ended; empty of all else.",
                        max_length=10,
                    ),
                ),
                (
                    "replication_type",
                    models.CharField(
                        blank=True, default="", help_text="Of jobs that completed.", max_length=12
                    ),
                ),
                (
                    "error_code",
                    models.CharField(
                        blank=True, default="", help_text="Of jobs that failed.", max_length=60
                    ),
                ),
                (
                    "at_most_seconds",
                    models.FloatField(
                        blank=True,
                        help_text="The smallest bound that none of them exceeded; null: longer than all bounds.",
                        null=True,
                    ),
                ),
                ("count", models.PositiveBigIntegerField()),
                ("microseconds", models.BigIntegerField(help_text="Of all of them together.")),
                (
                    "bytes",
                    models.BigIntegerField(default=0, help_text="Read by all of them together."),
                ),
            ],
            options={
                "verbose_name_plural": "tallies",
                "db_table": "tallies",
                "ordering": ["id"],
            },
        ),
        contexts.constraints.AddTypedField(
            model_name="vcentersign",
            name="answer_seconds",
            field=models.FloatField(
                blank=True,
                help_text="How long its last answer took; null: there was none.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="vcentersign",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("answer_seconds__isnull", True),
                    models.Q(("answer_seconds__gte", 0), ("answer_seconds__lte", 1000000000.0)),
                    _connector="OR",
                ),
                name="vcenter_sign_answer_possible",
            ),
        ),
        migrations.AddField(
            model_name="tally",
            name="vcenter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="contexts.vcenter",
                verbose_name="vCenter",
            ),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=contexts.constraints.ColumnTypes(name="tally_column_types"),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["job", "vcenter_call", "nfc_open", "nfc_read"])),
                name="tally_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", "job"), ("outcome__in", ["completed", "failed", "cancelled"])
                    ),
                    models.Q(
                        models.Q(("kind", "job"), _negated=True),
                        ("error_code", ""),
                        ("outcome", ""),
                        ("replication_type", ""),
                    ),
                    _connector="OR",
                ),
                name="tally_outcome_is_of_jobs",
            ),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("count__gte", 1),
                    ("bytes__gte", 0),
                    ("microseconds__gte", 0),
                    models.Q(
                        ("at_most_seconds__isnull", True),
                        ("at_most_seconds__gt", 0),
                        _connector="OR",
                    ),
                ),
                name="tally_figures_possible",
            ),
        ),
    ]
