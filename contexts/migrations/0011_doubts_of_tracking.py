"""Why a disk's change tracking is not believed is kept from when it is found."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0010_help_texts_2"),
    ]

    operations = [
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="vmdisk", name="disk_column_types"),
        migrations.AddField(
            model_name="vmdisk",
            name="tracking_doubt",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why change tracking is not believed for it until the disk has been compared, or copied whole.",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmdisk",
            constraint=contexts.constraints.ColumnTypes(name="disk_column_types"),
        ),
    ]
