"""What people may have to be told of, how protection went, and how full repositories are."""

import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0011_signs_of_life"),
    ]

    operations = [
        migrations.CreateModel(
            name="Occurrence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("job_failed", "Replication failed"),
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
                ("key", models.CharField(max_length=200, unique=True)),
                ("what", models.TextField(help_text="Whole sentences.")),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "fanned_out_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the notifications that it causes were written; null: not yet.",
                        null=True,
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="occurrences",
                        to="replication.replicationjob",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="occurrences",
                        to="replication.repository",
                    ),
                ),
                (
                    "vcenter",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="occurrences",
                        to="contexts.vcenter",
                        verbose_name="vCenter",
                    ),
                ),
                (
                    "vm_context",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="occurrences",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
            ],
            options={
                "db_table": "occurrences",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("fanned_out_at__isnull", True)),
                        fields=["id"],
                        name="occurrence_to_fan_out",
                    ),
                    models.Index(fields=["vm_context", "id"], name="occurrence_of_context"),
                    models.Index(fields=["at"], name="occurrence_at"),
                ],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="occurrence_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "job_failed",
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
                        name="occurrence_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("key", ""), _negated=True),
                            models.Q(("what", ""), _negated=True),
                        ),
                        name="occurrence_says_what",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProtectionSpell",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("protected", "Protected"),
                            ("over_target", "Over target"),
                            ("no_target", "No target"),
                            ("broken", "Broken"),
                            ("unprotected", "Unprotected"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "target_seconds",
                    models.PositiveIntegerField(
                        blank=True, help_text="The RPO target that held; null: none.", null=True
                    ),
                ),
                (
                    "is_told",
                    models.BooleanField(
                        default=False, help_text="Whether an occurrence tells of this state."
                    ),
                ),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "vm_context",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="spells",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
            ],
            options={
                "db_table": "protection_spells",
                "ordering": ["id"],
                "indexes": [
                    models.Index(fields=["vm_context", "began_at"], name="spell_of_context"),
                    models.Index(fields=["ended_at"], name="spell_ended"),
                ],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="protection_spell_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["protected", "over_target", "no_target", "broken", "unprotected"],
                            )
                        ),
                        name="spell_state_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("vm_context",),
                        name="spell_one_open_per_context",
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="incident",
            name="incident_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="repositorysign", name="repository_sign_column_types"
        ),
        migrations.AddField(
            model_name="repositorysign",
            name="free_bytes",
            field=models.BigIntegerField(
                blank=True, help_text="When it was last reached; null: it never was.", null=True
            ),
        ),
        migrations.AddField(
            model_name="repositorysign",
            name="full_in_seconds",
            field=models.FloatField(
                blank=True,
                help_text="At the pace of the last days, when it was last reached; null: nobody can say.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="repositorysign",
            name="total_bytes",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="incident",
            name="kind",
            field=models.CharField(
                choices=[
                    ("worker_dead", "No worker"),
                    ("beat_dead", "No beat"),
                    ("tick_late", "No tick"),
                    ("redis_dead", "Redis does not answer"),
                    ("vcenter_away", "vCenter does not answer"),
                    ("repository_away", "Repository cannot be used"),
                    ("space_short", "Space short"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="incident",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "worker_dead",
                            "beat_dead",
                            "tick_late",
                            "redis_dead",
                            "vcenter_away",
                            "repository_away",
                            "space_short",
                        ],
                    )
                ),
                name="incident_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="repositorysign",
            constraint=contexts.constraints.ColumnTypes(name="repository_sign_column_types"),
        ),
    ]
