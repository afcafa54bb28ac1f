"""The daily report, sent at a time of the day."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0001_channels_rules_deliveries"),
        ("replication", "0012_occurrences_and_spells"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="delivery",
            name="delivery_purpose_fits",
        ),
        contexts.constraints.AddTypedField(
            model_name="channel",
            name="report_at_minute",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Of the day in its time zone, when the report of the day before is sent; null: it is not.",
                null=True,
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="delivery",
            name="report_day",
            field=models.DateField(blank=True, help_text="Which day it reports.", null=True),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("occurrence", "Occurrence"),
                    ("digest", "Digest"),
                    ("report", "Daily report"),
                    ("test", "Test"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="channel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("report_at_minute__isnull", True),
                    ("report_at_minute__lt", 1440),
                    _connector="OR",
                ),
                name="channel_report_time_possible",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("occurrence__isnull", False),
                        ("purpose", "occurrence"),
                        ("report_day__isnull", True),
                    ),
                    models.Q(
                        ("occurrence__isnull", True),
                        ("purpose", "report"),
                        ("report_day__isnull", False),
                    ),
                    models.Q(
                        ("occurrence__isnull", True),
                        ("purpose__in", ("digest", "test")),
                        ("report_day__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="delivery_purpose_fits",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("report_day", "channel"), name="delivery_report_once_per_channel"
            ),
        ),
    ]
