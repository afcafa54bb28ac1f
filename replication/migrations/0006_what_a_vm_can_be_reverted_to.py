"""A recovery point records which snapshots its VM had, and a job how it was asked to sync."""

import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0004_nfc"),
        ("replication", "0005_help_texts"),
    ]

    operations = [
        # They name every column: they go before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="replicationjob", name="job_column_types"),
        migrations.RemoveConstraint(model_name="recoverypoint", name="point_column_types"),
        migrations.CreateModel(
            name="PointSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("moref", models.CharField(max_length=64)),
                ("parent_moref", models.CharField(blank=True, default="", max_length=64)),
                (
                    "taken_at",
                    models.DateTimeField(blank=True, help_text="By the host's clock.", null=True),
                ),
                (
                    "is_current",
                    models.BooleanField(help_text="Whether the VM was on it, just before vmrep's."),
                ),
                (
                    "recovery_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="source_snapshots",
                        to="replication.recoverypoint",
                    ),
                ),
            ],
            options={
                "db_table": "recovery_point_snapshots",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="point_snapshot_column_types"),
                    models.UniqueConstraint(
                        fields=("recovery_point", "moref"), name="point_snapshot_once_per_point"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="snapshot_taken_at",
            field=models.DateTimeField(
                blank=True, help_text="Just after its snapshot, by the vCenter's clock.", null=True
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="snapshots_known",
            field=models.BooleanField(
                blank=True,
                help_text="Whether the VM's other snapshots were recorded; null before they ever were.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="source_booted_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the VM was powered on, as vSphere says; null if it was off.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="source_moref",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The VM's reference in its vCenter.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="replicationjob",
            name="requested_sync",
            field=models.CharField(
                choices=[
                    ("as_needed", "As needed"),
                    ("checksum", "Compare every disk whole"),
                    ("initial", "Copy every disk in full"),
                    ("reset_cbt", "Reset change tracking, then compare every disk whole"),
                ],
                default="as_needed",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("requested_sync__in", ["as_needed", "checksum", "initial", "reset_cbt"])
                ),
                name="job_request_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=contexts.constraints.ColumnTypes(name="job_column_types"),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=contexts.constraints.ColumnTypes(name="point_column_types"),
        ),
    ]
