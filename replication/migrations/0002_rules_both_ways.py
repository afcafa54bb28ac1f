"""An active job is its context's current one, and a point has an image of each of its disks."""

from django.db import migrations

import contexts.constraints


class Migration(migrations.Migration):
    replaces = [("replication", "0002_rules_across_tables")]

    dependencies = [
        ("contexts", "0002_jobs_of_contexts"),
        ("replication", "0001_first_release"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("id", "active_context_id"),
                name="job_active_is_current",
                to_columns=("current_job_id", "context_id"),
                to_table="vm_replication_contexts",
                violation_error_message="An active job must be the current job of its VM.",
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("id", "needed_images"),
                name="point_has_an_image_of_each_disk",
                to_columns=("recovery_point_id", "committed_position"),
                to_table="disk_images",
            ),
        ),
    ]
