"""An ESXi host on its own is recognised by its hardware, so that it cannot be added twice."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0002_jobs_of_contexts"),
    ]

    operations = [
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="vcenter", name="vcenter_column_types"),
        migrations.AddField(
            model_name="vcenter",
            name="host_uuid",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Of an ESXi host on its own, which has no such identity: its hardware's UUID.",
                max_length=36,
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.UniqueConstraint(
                condition=models.Q(("host_uuid", ""), _negated=True),
                fields=("host_uuid",),
                name="vcenter_host_once",
                violation_error_message="This host has been added already, by another address.",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=contexts.constraints.ColumnTypes(name="vcenter_column_types"),
        ),
    ]
