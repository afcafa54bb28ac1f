"""What a vCenter does not say of a VM is not forgotten: since when, and why."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0006_logins_and_rebuilt_vcenters"),
    ]

    operations = [
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="discoveredvm", name="discovered_vm_column_types"),
        migrations.AddField(
            model_name="discoveredvm",
            name="devices_version",
            field=models.CharField(
                blank=True,
                default="",
                help_text="As long as it is the same, the devices are not read again; empty: always.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="discoveredvm",
            name="unreadable_reason",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="discoveredvm",
            name="unreadable_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when vCenter does not say, or not as described, all that it says of VMs; what was known before stays known.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="discoveredvm",
            index=models.Index(
                condition=models.Q(("unreadable_since__isnull", False)),
                fields=["unreadable_since"],
                name="discovered_vm_unreadable",
            ),
        ),
        migrations.AddConstraint(
            model_name="discoveredvm",
            constraint=contexts.constraints.ColumnTypes(name="discovered_vm_column_types"),
        ),
    ]
