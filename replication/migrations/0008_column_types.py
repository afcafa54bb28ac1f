from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0006_column_types"),
        ("replication", "0007_points_are_whole"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="cbthistory",
            constraint=contexts.constraints.ColumnTypes(name="cbt_column_types"),
        ),
        migrations.AddConstraint(
            model_name="contextlease",
            constraint=contexts.constraints.ColumnTypes(name="lease_column_types"),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=contexts.constraints.ColumnTypes(name="image_column_types"),
        ),
        migrations.AddConstraint(
            model_name="integrityfinding",
            constraint=contexts.constraints.ColumnTypes(name="integrity_finding_column_types"),
        ),
        migrations.AddConstraint(
            model_name="integrityrun",
            constraint=contexts.constraints.ColumnTypes(name="integrity_run_column_types"),
        ),
        migrations.AddConstraint(
            model_name="joblogline",
            constraint=contexts.constraints.ColumnTypes(name="log_column_types"),
        ),
        migrations.AddConstraint(
            model_name="jobsample",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("seconds__lte", 1000000000.0), ("bytes_per_second__lte", 1000000000000000.0)
                ),
                name="sample_figures_are_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="jobsample",
            constraint=contexts.constraints.ColumnTypes(name="sample_column_types"),
        ),
        migrations.AddConstraint(
            model_name="jobstep",
            constraint=contexts.constraints.ColumnTypes(name="step_column_types"),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=contexts.constraints.ColumnTypes(name="point_column_types"),
        ),
        migrations.AddConstraint(
            model_name="recoverypointhold",
            constraint=contexts.constraints.ColumnTypes(name="hold_column_types"),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=contexts.constraints.ColumnTypes(name="job_column_types"),
        ),
        migrations.AddConstraint(
            model_name="repository",
            constraint=contexts.constraints.ColumnTypes(name="repository_column_types"),
        ),
        migrations.AddConstraint(
            model_name="vmsnapshot",
            constraint=contexts.constraints.ColumnTypes(name="snapshot_column_types"),
        ),
    ]
