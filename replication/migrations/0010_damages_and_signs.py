"""What is known to be damaged, what workers see of repositories, and the default RPO target."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0009_help_texts_2"),
    ]

    operations = [
        migrations.CreateModel(
            name="Installation",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "default_rpo_target_seconds",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="For VMs without a target of their own; null: none.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(31622400),
                        ],
                        verbose_name="default RPO target (seconds)",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name_plural": "installation",
                "db_table": "installation",
                "constraints": [
                    contexts.constraints.ColumnTypes(name="installation_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="installation_is_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("default_rpo_target_seconds__isnull", True),
                            models.Q(
                                ("default_rpo_target_seconds__gte", 1),
                                ("default_rpo_target_seconds__lte", 31622400),
                            ),
                            _connector="OR",
                        ),
                        name="installation_rpo_target_possible",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RepositorySign",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("host", models.CharField(max_length=255)),
                ("looked_at", models.DateTimeField()),
                (
                    "reached_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When it could last be written to; null: never.",
                        null=True,
                    ),
                ),
                (
                    "problem",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Why it could not be written to; empty if it could.",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="signs",
                        to="replication.repository",
                    ),
                ),
            ],
            options={
                "db_table": "repository_signs",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="repository_sign_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("host", ""), _negated=True),
                        name="repository_sign_names_its_host",
                    ),
                    models.UniqueConstraint(
                        fields=("repository", "host"), name="repository_sign_once_per_host"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ImageDamage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="That of the integrity check's finding.", max_length=40
                    ),
                ),
                ("what", models.TextField()),
                (
                    "found_by",
                    models.CharField(
                        choices=[("integrity", "Integrity check"), ("job", "Replication")],
                        max_length=10,
                    ),
                ),
                (
                    "needs_deep_look",
                    models.BooleanField(
                        help_text="Whether only a look through tables and digests can find it gone."
                    ),
                ),
                ("found_at", models.DateTimeField(auto_now_add=True)),
                ("cleared_at", models.DateTimeField(blank=True, null=True)),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="damages",
                        to="replication.diskimage",
                    ),
                ),
            ],
            options={
                "db_table": "image_damages",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="image_damage_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("code", ""), _negated=True),
                            models.Q(("what", ""), _negated=True),
                        ),
                        name="image_damage_says_what",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("found_by__in", ["integrity", "job"])),
                        name="image_damage_finder_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("cleared_at__isnull", True)),
                        fields=("image", "code"),
                        name="damage_once_per_image_and_code",
                    ),
                ],
            },
        ),
        # It names every column: it goes before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="recoverypoint", name="point_column_types"),
        migrations.AddField(
            model_name="recoverypoint",
            name="damaged_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when an image that it needs is known to be damaged or missing.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="damage",
            field=models.TextField(
                blank=True,
                default="",
                help_text="What is wrong with that image; empty if nothing is.",
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=contexts.constraints.ColumnTypes(name="point_column_types"),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("damage", ""), ("damaged_at__isnull", True)),
                    models.Q(
                        ("damaged_at__isnull", False), models.Q(("damage", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="point_damage_says_what",
            ),
        ),
        migrations.AddIndex(
            model_name="recoverypoint",
            index=models.Index(
                condition=models.Q(("damaged_at__isnull", False)),
                fields=["vm_context"],
                name="point_damaged",
            ),
        ),
    ]
