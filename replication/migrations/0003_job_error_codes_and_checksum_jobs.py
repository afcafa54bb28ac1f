"""A failed job has a code for programs; a job that compared whole disks is called so."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0003_lone_hosts"),
        ("replication", "0002_rules_both_ways"),
    ]

    operations = [
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="replicationjob", name="job_column_types"),
        migrations.RemoveConstraint(model_name="replicationjob", name="job_type_known"),
        migrations.AddField(
            model_name="replicationjob",
            name="error_code",
            field=models.CharField(
                blank=True,
                help_text="Why it failed, for programs; null while it has not failed.",
                max_length=60,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="replication_type",
            field=models.CharField(
                blank=True,
                choices=[
                    ("initial", "Initial"),
                    ("incremental", "Incremental"),
                    ("checksum", "Checksum"),
                ],
                max_length=12,
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("replication_type__isnull", True),
                    ("replication_type__in", ["initial", "incremental", "checksum"]),
                    _connector="OR",
                ),
                name="job_type_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("error_code__isnull", True),
                    models.Q(("status", "failed"), models.Q(("error_code", ""), _negated=True)),
                    _connector="OR",
                ),
                name="job_code_is_of_a_failure",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=contexts.constraints.ColumnTypes(name="job_column_types"),
        ),
    ]
