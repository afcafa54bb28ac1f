"""Only help texts change: the database stays as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("replication", "0008_parents_are_older"),
    ]

    operations = [
        migrations.AlterField(
            model_name="replicationjob",
            name="transport_reason",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why no better transport was used; empty if there is none.",
            ),
        ),
    ]
