import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0023_bulk_actions"),
    ]

    operations = [
        migrations.AlterField(
            model_name="repository",
            name="name",
            field=models.CharField(max_length=100),
        ),
        contexts.constraints.AddTypedField(
            model_name="repository",
            name="removed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        contexts.constraints.AddTypedField(
            model_name="repository",
            name="removed_by",
            field=models.CharField(blank=True, default="", max_length=150),
        ),
        contexts.constraints.AddTypedField(
            model_name="repository",
            name="reserve_bytes",
            field=models.BigIntegerField(
                blank=True,
                help_text="What is to stay free: no replication begins with less. Null: as vmrep decides.",
                null=True,
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="repository",
            name="present_id",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(removed_at__isnull=True, then=models.F("id")),
                    default=models.Value(None),
                ),
                output_field=models.BigIntegerField(null=True),
            ),
        ),
        migrations.AddConstraint(
            model_name="repository",
            constraint=models.UniqueConstraint(
                condition=models.Q(("removed_at__isnull", True)),
                fields=("name",),
                name="repository_name_once",
                violation_error_message="Another repository already has this name.",
            ),
        ),
        migrations.AddConstraint(
            model_name="repository",
            constraint=models.UniqueConstraint(
                fields=("present_id",), name="repository_that_is_there"
            ),
        ),
        migrations.AddConstraint(
            model_name="repository",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reserve_bytes__isnull", True), ("reserve_bytes__gte", 0), _connector="OR"
                ),
                name="repository_reserve_is_possible",
            ),
        ),
        migrations.AddConstraint(
            model_name="repository",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("removed_at__isnull", True), ("removed_by", "")),
                    models.Q(
                        ("removed_at__isnull", False), models.Q(("removed_by", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="repository_removed_by_whom",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("repository",),
                name="image_repository_is_there",
                to_columns=("present_id",),
                to_table="repositories",
                violation_error_message="This repository has been removed. Choose another one.",
            ),
        ),
        migrations.AddConstraint(
            model_name="policy",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("repository",),
                name="policy_repository_is_there",
                to_columns=("present_id",),
                to_table="repositories",
                violation_error_message="This repository has been removed. Choose another one.",
            ),
        ),
        migrations.CreateModel(
            name="RepositorySpace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="space",
                        to="replication.repository",
                    ),
                ),
                ("hour", models.DateTimeField(help_text="When the hour began.")),
                ("free_bytes", models.BigIntegerField()),
                ("total_bytes", models.BigIntegerField()),
                ("stored_bytes", models.BigIntegerField(help_text="Of all its images together.")),
            ],
            options={
                "verbose_name_plural": "repository space",
                "db_table": "repository_space",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="repository_space_column_types"),
                    models.UniqueConstraint(
                        fields=("repository", "hour"), name="repository_space_once_per_hour"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("free_bytes__gte", 0),
                            ("stored_bytes__gte", 0),
                            ("total_bytes__gte", 0),
                        ),
                        name="repository_space_is_possible",
                    ),
                ],
            },
        ),
    ]
