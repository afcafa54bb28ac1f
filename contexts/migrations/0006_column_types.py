from django.db import migrations

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0005_more_rules"),
        ("replication", "0007_points_are_whole"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="contextevent",
            constraint=contexts.constraints.ColumnTypes(name="event_column_types"),
        ),
        migrations.AddConstraint(
            model_name="discoveredvm",
            constraint=contexts.constraints.ColumnTypes(name="discovered_vm_column_types"),
        ),
        migrations.AddConstraint(
            model_name="discovery",
            constraint=contexts.constraints.ColumnTypes(name="discovery_column_types"),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=contexts.constraints.ColumnTypes(name="vcenter_column_types"),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=contexts.constraints.ColumnTypes(name="context_column_types"),
        ),
        migrations.AddConstraint(
            model_name="vmdisk",
            constraint=contexts.constraints.ColumnTypes(name="disk_column_types"),
        ),
        migrations.AddConstraint(
            model_name="vmnetworkadapter",
            constraint=contexts.constraints.ColumnTypes(name="adapter_column_types"),
        ),
    ]
