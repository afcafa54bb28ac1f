"""Recovery points that are to go, and how far that has come."""

import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0013_places_and_limits"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="imagedamage",
            name="image_damage_finder_known",
        ),
        contexts.constraints.AddTypedField(
            model_name="diskimage",
            name="merged_digest",
            field=models.CharField(
                blank=True,
                default="",
                help_text="One digest over all that is known of the file, since another image was merged with it.",
                max_length=64,
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="recoverypoint",
            name="comment",
            field=models.TextField(blank=True, default=""),
        ),
        contexts.constraints.AddTypedField(
            model_name="recoverypoint",
            name="expired_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Null also for points that expired before this was kept.",
                null=True,
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="recoverypoint",
            name="expired_why",
            field=models.CharField(
                blank=True,
                choices=[
                    ("policy", "Retention"),
                    ("user", "Deleted by a user"),
                    ("replica", "Deleted with the VM's replica data"),
                ],
                default="",
                max_length=10,
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="recoverypointhold",
            name="comment",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AlterField(
            model_name="imagedamage",
            name="found_by",
            field=models.CharField(
                choices=[
                    ("integrity", "Integrity check"),
                    ("job", "Replication"),
                    ("retention", "Removal of a recovery point"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.UniqueConstraint(
                fields=("id", "parent"), name="image_with_its_parent"
            ),
        ),
        migrations.AddConstraint(
            model_name="imagedamage",
            constraint=models.CheckConstraint(
                condition=models.Q(("found_by__in", ["integrity", "job", "retention"])),
                name="image_damage_finder_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("expired_at__isnull", True), ("expired_why", "")),
                    models.Q(
                        ("expired_at__isnull", False),
                        ("expired_why__in", ["policy", "user", "replica"]),
                        ("state", "expired"),
                    ),
                    _connector="OR",
                ),
                name="point_expired_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverypointhold",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "pin")),
                fields=("recovery_point",),
                name="hold_one_pin_per_point",
            ),
        ),
        migrations.CreateModel(
            name="PointRemoval",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "why",
                    models.CharField(
                        choices=[
                            ("policy", "Retention"),
                            ("user", "Deleted by a user"),
                            ("replica", "Deleted with the VM's replica data"),
                        ],
                        max_length=10,
                    ),
                ),
                ("requested_by", models.CharField(max_length=150)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("wanted", "Wanted"),
                            ("under_way", "Under way"),
                            ("done", "Done"),
                        ],
                        default="wanted",
                        max_length=10,
                    ),
                ),
                (
                    "problem",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Why it waits, or what the last attempt failed with.",
                    ),
                ),
                (
                    "attempts",
                    models.PositiveIntegerField(default=0, help_text="Those that failed."),
                ),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                (
                    "freed_bytes",
                    models.BigIntegerField(default=0, help_text="Of the repository, so far."),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "recovery_point",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="removal",
                        to="replication.recoverypoint",
                    ),
                ),
                (
                    "vm_context",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="removals",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
            ],
            options={
                "db_table": "point_removals",
                "ordering": ["id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "done"), _negated=True),
                        fields=["vm_context"],
                        name="removal_not_done",
                    ),
                ],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="removal_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["wanted", "under_way", "done"])),
                        name="removal_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("why__in", ["policy", "user"]),
                            models.Q(("requested_by", ""), _negated=True),
                        ),
                        name="removal_says_who_and_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", False), ("state", "done")),
                            models.Q(
                                models.Q(("state", "done"), _negated=True),
                                ("ended_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="removal_done_has_ended",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", "wanted"), ("started_at__isnull", False), _connector="OR"
                        ),
                        name="removal_under_way_has_started",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("attempts__gte", 0), ("freed_bytes__gte", 0)),
                        name="removal_figures_possible",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("recovery_point", "vm_context"),
                        name="removal_point_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="recovery_points",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ImageMerge",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("planned", "Planned"),
                            ("merging", "Merging"),
                            ("merged", "Merged"),
                            ("done", "Done"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Over all that is known of the merged file.",
                        max_length=64,
                    ),
                ),
                ("writer_host", models.CharField(blank=True, default="", max_length=255)),
                (
                    "writer_pid",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="writer PID"),
                ),
                ("writer_start_time", models.BigIntegerField(blank=True, null=True)),
                (
                    "writer_boot_id",
                    models.CharField(
                        blank=True, default="", max_length=64, verbose_name="writer boot ID"
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "child",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="merge_as_child",
                        to="replication.diskimage",
                    ),
                ),
                (
                    "image",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="merge",
                        to="replication.diskimage",
                    ),
                ),
                (
                    "removal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="merges",
                        to="replication.pointremoval",
                    ),
                ),
            ],
            options={
                "db_table": "image_merges",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="merge_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("stage__in", ["planned", "merging", "merged", "done"])),
                        name="merge_stage_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("child__isnull", True), ("stage", "done")),
                            models.Q(
                                models.Q(("stage", "done"), _negated=True), ("child__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="merge_has_a_child_until_it_is_done",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("stage", "merged"), _negated=True),
                            models.Q(("digest", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="merge_was_checked",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("child", "image"),
                        name="merge_child_is_based_on_the_image",
                        to_columns=("id", "parent_id"),
                        to_table="disk_images",
                    ),
                ],
            },
        ),
    ]
