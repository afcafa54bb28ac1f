"""What is foretold can be told of."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0002_daily_reports"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="rulekind",
            name="rule_kind_known",
        ),
        migrations.AlterField(
            model_name="rulekind",
            name="kind",
            field=models.CharField(
                choices=[
                    ("job_failed", "Replication failed"),
                    ("over_target_expected", "VM soon over its target"),
                    ("over_target", "VM over its target"),
                    ("broken", "VM broken"),
                    ("unprotected", "VM unprotected"),
                    ("recovered", "VM recovered"),
                    ("worker_dead", "No worker"),
                    ("beat_dead", "No beat"),
                    ("tick_late", "No tick"),
                    ("redis_dead", "Redis does not answer"),
                    ("vcenter_away", "vCenter does not answer"),
                    ("repository_away", "Repository cannot be used"),
                    ("space_short", "Space short"),
                    ("trouble_over", "Trouble over"),
                ],
                max_length=30,
            ),
        ),
        migrations.AddConstraint(
            model_name="rulekind",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "job_failed",
                            "over_target_expected",
                            "over_target",
                            "broken",
                            "unprotected",
                            "recovered",
                            "worker_dead",
                            "beat_dead",
                            "tick_late",
                            "redis_dead",
                            "vcenter_away",
                            "repository_away",
                            "space_short",
                            "trouble_over",
                        ],
                    )
                ),
                name="rule_kind_known",
            ),
        ),
    ]
