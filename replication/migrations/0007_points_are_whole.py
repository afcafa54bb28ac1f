"""A recovery point has a committed image of each of its disks."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [("replication", "0006_number_the_images")]

    operations = [
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("recovery_point__isnull", True),
                    models.Q(
                        ("of_disks__isnull", False),
                        ("position__gte", 1),
                        ("position__isnull", False),
                        ("position__lte", models.F("of_disks")),
                    ),
                    _connector="OR",
                ),
                name="image_of_a_point_has_its_number",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("recovery_point", "needs_position"),
                name="image_has_the_one_before_it",
                to_columns=("recovery_point_id", "committed_position"),
                to_table="disk_images",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("recovery_point", "job", "repository", "of_disks"),
                name="image_agrees_with_its_point",
                to_columns=("id", "job_id", "repository_id", "disk_count"),
                to_table="recovery_points",
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
