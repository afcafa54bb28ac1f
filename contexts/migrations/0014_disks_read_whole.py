"""For which recovery point a disk was read whole last: an older one is not gone on from blindly."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0013_repositories_that_are_there"),
    ]

    operations = [
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="vmdisk", name="disk_column_types"),
        migrations.AddField(
            model_name="vmdisk",
            name="read_whole_at_point",
            field=models.PositiveBigIntegerField(
                blank=True,
                help_text="The number of the newest recovery point for which it was read whole, in whichever repository. The disk of an older one is compared whole before another is based on it.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="vmdisk",
            constraint=contexts.constraints.ColumnTypes(name="disk_column_types"),
        ),
    ]
