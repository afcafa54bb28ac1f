from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0009_fill_figures_of_contexts"),
    ]

    operations = [
        migrations.AlterField(
            model_name="vmcontext",
            name="current_status",
            field=models.CharField(
                choices=[
                    ("discovered", "Not replicated yet"),
                    ("replicating", "Replicating"),
                    ("ready_for_failover", "Ready for failover"),
                    ("failed", "Failed"),
                ],
                default="discovered",
                max_length=20,
            ),
        ),
    ]
