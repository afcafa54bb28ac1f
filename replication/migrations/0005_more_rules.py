"""Rules of one row, and between rows, that all rows keep already; and numbers for images."""

import django.db.models.expressions
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0005_more_rules"),
        ("replication", "0004_integrity_runs"),
    ]

    operations = [
        migrations.AddField(
            model_name="diskimage",
            name="position",
            field=models.PositiveIntegerField(
                blank=True, help_text="Its number within its recovery point, from 1 on.", null=True
            ),
        ),
        migrations.AddField(
            model_name="diskimage",
            name="of_disks",
            field=models.PositiveIntegerField(
                blank=True, help_text="How many disks its recovery point has.", null=True
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="committed_context_id",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(state="writing", then=models.Value(None)),
                    default=models.F("vm_context"),
                ),
                output_field=models.CharField(max_length=120, null=True),
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="needed_images",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(state__in=["available", "expiring"], then=models.F("disk_count")),
                    default=models.Value(None),
                ),
                output_field=models.IntegerField(null=True),
            ),
        ),
        migrations.AddField(
            model_name="diskimage",
            name="committed_position",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(state="committed", then=models.F("position")),
                    default=models.Value(None),
                ),
                output_field=models.IntegerField(null=True),
            ),
        ),
        migrations.AddField(
            model_name="diskimage",
            name="needs_position",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(
                        position__gt=1,
                        state="committed",
                        then=django.db.models.expressions.CombinedExpression(
                            models.F("position"), "-", models.Value(1)
                        ),
                    ),
                    default=models.Value(None),
                ),
                output_field=models.IntegerField(null=True),
            ),
        ),
        migrations.AddConstraint(
            model_name="cbthistory",
            constraint=models.CheckConstraint(
                condition=models.Q(("sync_duration_seconds__lte", 1000000000.0)),
                name="cbt_duration_is_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="cbthistory",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "bytes_transferred__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("blocks_changed"), "*", models.Value(65536)
                        ),
                    ),
                    models.Q(
                        ("sync_success", False),
                        (
                            "bytes_transferred__gt",
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    models.F("blocks_changed"), "-", models.Value(1)
                                ),
                                "*",
                                models.Value(65536),
                            ),
                        ),
                        _connector="OR",
                    ),
                ),
                name="cbt_blocks_hold_the_bytes",
            ),
        ),
        migrations.AddConstraint(
            model_name="cbthistory",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sync_type", "incremental"), _negated=True),
                    models.Q(("change_id__isnull", False), ("previous_change_id__isnull", False)),
                    _connector="OR",
                ),
                name="cbt_incremental_has_change_ids",
            ),
        ),
        migrations.AddConstraint(
            model_name="contextlease",
            constraint=models.CheckConstraint(
                condition=models.Q(("holder", ""), _negated=True), name="lease_has_a_holder"
            ),
        ),
        migrations.AddConstraint(
            model_name="contextlease",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("job", "vm_context"),
                name="lease_job_is_of_its_context",
                to_columns=("id", "vm_context_id"),
                to_table="replication_jobs",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("attempt__gte", 1),
                    models.Q(("locator", ""), _negated=True),
                    models.Q(("format", ""), _negated=True),
                    ("checkpoint_bytes__lte", models.F("capacity_bytes")),
                    ("planned_bytes__lte", models.F("capacity_bytes")),
                    ("transfer_seconds__lte", 1000000000.0),
                    models.Q(
                        ("allocated_bytes__isnull", True),
                        ("allocated_bytes__gte", 0),
                        _connector="OR",
                    ),
                ),
                name="image_figures_possible",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "committed"), _negated=True),
                    ("transferred_bytes", models.F("planned_bytes")),
                    _connector="OR",
                ),
                name="image_committed_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "writing"), _negated=True),
                    ("recovery_point__isnull", True),
                    _connector="OR",
                ),
                name="image_in_a_point_is_not_written",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sync_type", "incremental"), _negated=True),
                    models.Q(("change_id__isnull", False), ("previous_change_id__isnull", False)),
                    _connector="OR",
                ),
                name="image_incremental_has_change_ids",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.UniqueConstraint(
                fields=("recovery_point", "committed_position"),
                name="image_position_once_per_point",
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.UniqueConstraint(
                fields=("id", "disk", "repository"), name="image_with_its_disk_and_repository"
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("parent", "disk", "repository"),
                name="image_parent_is_of_the_same_disk",
                to_columns=("id", "disk_id", "repository_id"),
                to_table="disk_images",
            ),
        ),
        migrations.AddConstraint(
            model_name="jobstep",
            constraint=models.CheckConstraint(
                condition=models.Q(("attempt__gte", 1)), name="step_attempt_possible"
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("job", "committed_context_id"),
                name="point_job_completed",
                to_columns=("id", "completed_context_id"),
                to_table="replication_jobs",
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=models.UniqueConstraint(
                fields=("id", "job", "repository", "disk_count"), name="point_with_its_terms"
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverypointhold",
            constraint=models.CheckConstraint(
                condition=models.Q(("owner", ""), _negated=True), name="hold_has_an_owner"
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("id", ""), _negated=True),
                    models.Q(("source_vm_id", ""), _negated=True),
                    models.Q(("requested_by", ""), _negated=True),
                ),
                name="job_says_what_and_for_whom",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("total_bytes__isnull", False), ("bytes_transferred", 0), _connector="OR"
                ),
                name="job_progress_has_a_total",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(("transfer_speed_bps__gte", 0)), name="job_speed_possible"
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "running"), _negated=True),
                    models.Q(
                        ("started_at__isnull", False), models.Q(("worker_name", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="job_running_has_begun",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cancel_requested_at__isnull", True), ("cancel_requested_by", "")),
                    models.Q(
                        ("cancel_requested_at__isnull", False),
                        models.Q(("cancel_requested_by", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="job_cancel_says_who_asked",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("id", "active_context_id"),
                name="job_active_is_current",
                to_columns=("current_job_id", "context_id"),
                to_table="vm_replication_contexts",
                violation_error_message="An active job must be the current job of its VM.",
            ),
        ),
        migrations.AddConstraint(
            model_name="repository",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="repository_is_named"
            ),
        ),
        migrations.AddConstraint(
            model_name="vmsnapshot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("removed_at__isnull", False), ("state", "removed")),
                    models.Q(
                        models.Q(("state", "removed"), _negated=True), ("removed_at__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="snapshot_removed_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmsnapshot",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("name", ""), _negated=True), ("attempt__gte", 1)),
                name="snapshot_is_named",
            ),
        ),
    ]
