"""Reading recovery points back, and what was found."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0017_events_are_chains"),
        ("replication", "0036_which_installation_a_repository_is_of"),
    ]

    operations = [
        migrations.CreateModel(
            name="PointVerification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "trigger",
                    models.CharField(
                        choices=[
                            ("manual", "Manual"),
                            ("api", "API"),
                            ("schedule", "Schedule"),
                            ("system", "System"),
                        ],
                        max_length=10,
                    ),
                ),
                ("requested_by", models.CharField(max_length=150)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("verified", "Verified"),
                            ("damaged", "Damaged"),
                            ("impossible", "Cannot be verified"),
                            ("failed", "Not finished"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                (
                    "total_bytes",
                    models.BigIntegerField(default=0, help_text="Of all disks of the point."),
                ),
                (
                    "done_bytes",
                    models.BigIntegerField(default=0, help_text="How much of that was compared."),
                ),
                (
                    "read_bytes",
                    models.BigIntegerField(
                        default=0,
                        help_text="How much of that had to be read: the rest is known to be empty.",
                    ),
                ),
                (
                    "position",
                    models.PositiveIntegerField(
                        default=1, help_text="Of the disk within the point."
                    ),
                ),
                ("offset_bytes", models.BigIntegerField(default=0, help_text="On that disk.")),
                (
                    "chain_digest",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Over the files that are read: if it changes, that disk is begun again.",
                        max_length=32,
                    ),
                ),
                (
                    "damage_count",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="How many damages were found; not all of them are listed.",
                    ),
                ),
                ("worker_name", models.CharField(blank=True, default="", max_length=255)),
                ("token", models.UUIDField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="How often it was begun or taken over since it last got further.",
                    ),
                ),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_by", models.CharField(blank=True, default="", max_length=150)),
                (
                    "problem",
                    models.TextField(
                        blank=True, default="", help_text="Why it waits, or could not be finished."
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "point_verifications",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="VerificationDamage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("offset_bytes", models.BigIntegerField(blank=True, null=True)),
                ("length_bytes", models.BigIntegerField(blank=True, null=True)),
                ("what", models.TextField()),
            ],
            options={
                "db_table": "verification_damages",
                "ordering": ["id"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="imagedamage",
            name="image_damage_finder_known",
        ),
        migrations.RemoveConstraint(
            model_name="occurrence",
            name="occurrence_kind_known",
        ),
        contexts.constraints.AddTypedField(
            model_name="effectivepolicy",
            name="verify_every_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="So often the newest recovery point is read back; 0: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="verify every (days)",
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="effectivepolicy",
            name="verify_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="Where how often it is verified comes from; null: no policy says it.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="replication.policyscope",
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="policy",
            name="verify_every_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="So often the newest recovery point is read back; 0: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="verify every (days)",
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="recoverypoint",
            name="verified_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it was last found that it reads as it was copied; null: never yet.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="imagedamage",
            name="found_by",
            field=models.CharField(
                choices=[
                    ("integrity", "Integrity check"),
                    ("job", "Replication"),
                    ("retention", "Removal of a recovery point"),
                    ("verify", "Verification"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="occurrence",
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
            model_name="imagedamage",
            constraint=models.CheckConstraint(
                condition=models.Q(("found_by__in", ["integrity", "job", "retention", "verify"])),
                name="image_damage_finder_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="occurrence",
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
                name="occurrence_kind_known",
            ),
        ),
        migrations.AddField(
            model_name="pointverification",
            name="hold",
            field=models.OneToOneField(
                blank=True,
                help_text="Keeps the point's files as they are while it is read.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="verification",
                to="replication.recoverypointhold",
            ),
        ),
        migrations.AddField(
            model_name="pointverification",
            name="recovery_point",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="verifications",
                to="replication.recoverypoint",
            ),
        ),
        migrations.AddField(
            model_name="pointverification",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="verifications",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AddField(
            model_name="verificationdamage",
            name="disk",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="contexts.vmdisk"
            ),
        ),
        migrations.AddField(
            model_name="verificationdamage",
            name="image",
            field=models.ForeignKey(
                blank=True,
                help_text="Whose file is wrong; null: unknown, or gone meanwhile.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="replication.diskimage",
            ),
        ),
        migrations.AddField(
            model_name="verificationdamage",
            name="verification",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="damages",
                to="replication.pointverification",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointverification",
            constraint=contexts.constraints.ColumnTypes(name="verification_column_types"),
        ),
        migrations.AddConstraint(
            model_name="pointverification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "waiting",
                            "running",
                            "verified",
                            "damaged",
                            "impossible",
                            "failed",
                            "cancelled",
                        ],
                    )
                ),
                name="verification_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointverification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("state__in", ["waiting", "running"])),
                    models.Q(
                        models.Q(("state__in", ["waiting", "running"]), _negated=True),
                        ("ended_at__isnull", False),
                        ("token__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="verification_ended_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointverification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("trigger__in", ["manual", "api", "schedule", "system"]),
                    models.Q(("requested_by", ""), _negated=True),
                ),
                name="verification_says_who_asked",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointverification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("done_bytes__gte", models.F("read_bytes")),
                    ("done_bytes__lte", models.F("total_bytes")),
                    ("offset_bytes__gte", 0),
                    ("position__gte", 1),
                    ("read_bytes__gte", 0),
                    ("total_bytes__gte", 0),
                ),
                name="verification_figures_possible",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointverification",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["waiting", "running"])),
                fields=("vm_context",),
                name="verification_one_per_vm",
                violation_error_message="A recovery point of this VM is being verified already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointverification",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("recovery_point", "vm_context"),
                name="verification_point_is_of_its_context",
                to_columns=("id", "vm_context_id"),
                to_table="recovery_points",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationdamage",
            constraint=contexts.constraints.ColumnTypes(name="verification_damage_column_types"),
        ),
        migrations.AddConstraint(
            model_name="verificationdamage",
            constraint=models.CheckConstraint(
                condition=models.Q(("what", ""), _negated=True),
                name="verification_damage_says_what",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationdamage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("length_bytes__isnull", True), ("offset_bytes__isnull", True)),
                    models.Q(
                        ("length_bytes__gt", 0),
                        ("length_bytes__isnull", False),
                        ("offset_bytes__gte", 0),
                        ("offset_bytes__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="verification_damage_has_a_place_or_none",
            ),
        ),
    ]
