from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0006_secrets_with_what_they_are_for"),
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
                    ("retention_stuck", "Removal stuck"),
                    ("point_damaged", "Recovery point damaged"),
                    ("taken_by_policy", "Taken by a policy"),
                    ("group_failed", "Group not replicated"),
                    ("group_apart", "Group not consistent"),
                    ("group_recovered", "Group consistent again"),
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
                            "retention_stuck",
                            "point_damaged",
                            "taken_by_policy",
                            "group_failed",
                            "group_apart",
                            "group_recovered",
                        ],
                    )
                ),
                name="rule_kind_known",
            ),
        ),
    ]
