from django.db import migrations

from contexts.constraints import ColumnTypes


class Migration(migrations.Migration):
    dependencies = [("replication", "0017_targets_become_policies")]

    operations = [
        migrations.RemoveConstraint("installation", "installation_column_types"),
        migrations.RemoveConstraint("installation", "installation_rpo_target_possible"),
        migrations.RemoveField("installation", "default_rpo_target_seconds"),
        migrations.AddConstraint("installation", ColumnTypes(name="installation_column_types")),
    ]
