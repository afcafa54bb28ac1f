"""How old the newest recovery point was when a spell began."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("replication", "0014_removals_of_points"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="protectionspell", name="protection_spell_column_types"
        ),
        migrations.AddField(
            model_name="protectionspell",
            name="newest_point_at",
            field=models.DateTimeField(
                blank=True, help_text="Of the newest recovery point when it began.", null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="protectionspell",
            constraint=contexts.constraints.ColumnTypes(name="protection_spell_column_types"),
        ),
    ]
