"""What the state of protection is computed from: kept by triggers, in the index that lists read."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0011_doubts_of_tracking"),
        ("replication", "0009_help_texts_2"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="vmcontext", name="context_list"),
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="vmcontext", name="context_column_types"),
        migrations.AddField(
            model_name="vmcontext",
            name="usable_recovery_point_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When the newest available recovery point that is not known to be damaged was consistent; null if there is none.",
                null=True,
                verbose_name="newest usable recovery point",
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="newest_point_repository_id",
            field=models.BigIntegerField(
                blank=True,
                editable=False,
                help_text="The ID of the repository that holds the newest available recovery point.",
                null=True,
                verbose_name="repository of the newest recovery point",
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="newest_point_damaged",
            field=models.BooleanField(
                db_default=False,
                editable=False,
                help_text="Whether the newest available recovery point is known to be damaged.",
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="undecided_disk_count",
            field=models.PositiveIntegerField(
                db_default=0,
                editable=False,
                help_text="How many of its disks no snapshot can hold and nobody agreed to leave out.",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=contexts.constraints.ColumnTypes(name="context_column_types"),
        ),
        migrations.AddIndex(
            model_name="vmcontext",
            index=models.Index(
                condition=models.Q(("unmanaged_at__isnull", True)),
                fields=[
                    "current_status",
                    "newest_recovery_point_at",
                    "rpo_target_seconds",
                    "capacity_bytes",
                    "last_job_at",
                    "power_state",
                    "vcenter",
                    "context_id",
                    "successful_jobs",
                    "newest_point_damaged",
                    "newest_point_repository_id",
                    "undecided_disk_count",
                ],
                name="context_list",
            ),
        ),
    ]
