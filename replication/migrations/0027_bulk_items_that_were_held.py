"""A VM whose row somebody holds waits behind the others of its bulk action."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("replication", "0026_progress_of_merges"),
    ]

    operations = [
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="bulkitem", name="bulk_item_column_types"),
        migrations.AddField(
            model_name="bulkitem",
            name="times_held",
            field=models.PositiveIntegerField(
                default=0,
                help_text="How often another process held its VM when it was its turn: it comes after those with less.",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkitem",
            constraint=contexts.constraints.ColumnTypes(name="bulk_item_column_types"),
        ),
    ]
