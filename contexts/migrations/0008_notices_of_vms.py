"""What to know of a VM before it is taken."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0007_unreadable_vms"),
    ]

    operations = [
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="discoveredvm", name="discovered_vm_column_types"),
        migrations.AddField(
            model_name="discoveredvm",
            name="notices",
            field=models.JSONField(
                default=list,
                help_text="What to know before it is taken, by itself: code, summary, text.",
            ),
        ),
        migrations.AddConstraint(
            model_name="discoveredvm",
            constraint=contexts.constraints.ColumnTypes(name="discovered_vm_column_types"),
        ),
    ]
