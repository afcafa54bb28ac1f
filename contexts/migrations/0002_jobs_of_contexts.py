"""The links of contexts to jobs and repositories, and the figures that triggers keep."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    replaces = [("contexts", "0002_initial")]

    dependencies = [
        ("contexts", "0001_first_release"),
        ("replication", "0001_first_release"),
    ]

    operations = [
        migrations.AddField(
            model_name="vmcontext",
            name="current_job",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="current_of",
                to="replication.replicationjob",
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="last_successful_job",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="last_successful_of",
                to="replication.replicationjob",
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="repository",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="contexts",
                to="replication.repository",
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="newest_recovery_point_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When the newest available recovery point was consistent; null if there is none.",
                null=True,
                verbose_name="newest recovery point",
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="disk_count",
            field=models.PositiveIntegerField(
                db_default=0, editable=False, help_text="How many disks the VM has now."
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="capacity_bytes",
            field=models.BigIntegerField(
                blank=True,
                editable=False,
                help_text="Of all disks that the VM has now; null while the size of any is unknown.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="last_job_failed",
            field=models.BooleanField(
                db_default=False,
                editable=False,
                help_text="Whether the newest job failed, even if there are recovery points.",
            ),
        ),
        migrations.AddIndex(
            model_name="vmcontext",
            index=models.Index(
                condition=models.Q(("unmanaged_at__isnull", True)),
                fields=[
                    "current_status",
                    "newest_recovery_point_at",
                    "rpo_target_seconds",
                    "capacity_bytes",
                    "last_job_at",
                    "power_state",
                    "vcenter",
                    "context_id",
                    "successful_jobs",
                ],
                name="context_list",
            ),
        ),
        migrations.AddIndex(
            model_name="vmcontext",
            index=models.Index(
                condition=models.Q(("last_job_failed", True), ("unmanaged_at__isnull", True)),
                fields=["context_id"],
                name="context_last_job_failed",
            ),
        ),
        migrations.AddIndex(
            model_name="vmcontext",
            index=models.Index(
                condition=models.Q(("unmanaged_at__isnull", True)),
                fields=["newest_recovery_point_at", "context_id"],
                name="context_oldest_point",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=contexts.constraints.ColumnTypes(name="context_column_types"),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=models.UniqueConstraint(
                fields=("current_job", "context_id"), name="context_with_its_current_job"
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("capacity_bytes__isnull", True),
                    models.Q(("capacity_bytes__gt", 0), ("disk_count__gt", 0)),
                    _connector="OR",
                ),
                name="context_capacity_possible",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("current_status", "ready_for_failover"), _negated=True),
                    ("last_successful_job__isnull", False),
                    _connector="OR",
                ),
                name="context_ready_has_had_a_success",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("last_successful_job__isnull", True),
                    ("successful_jobs__gte", 1),
                    _connector="OR",
                ),
                name="context_last_success_is_counted",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("current_job__isnull", False), ("current_status", "replicating")),
                    models.Q(
                        models.Q(("current_status", "replicating"), _negated=True),
                        ("current_job__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="context_replicating_has_a_job",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("current_job__isnull", True),
                        (
                            "total_jobs_run",
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    models.F("successful_jobs"), "+", models.F("failed_jobs")
                                ),
                                "+",
                                models.F("cancelled_jobs"),
                            ),
                        ),
                    ),
                    models.Q(
                        ("current_job__isnull", False),
                        (
                            "total_jobs_run",
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("successful_jobs"), "+", models.F("failed_jobs")
                                    ),
                                    "+",
                                    models.F("cancelled_jobs"),
                                ),
                                "+",
                                models.Value(1),
                            ),
                        ),
                    ),
                    _connector="OR",
                ),
                name="context_counters_add_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("current_job", "context_id"),
                name="context_current_job_is_active_and_its_own",
                to_columns=("id", "active_context_id"),
                to_table="replication_jobs",
                violation_error_message="The current job must be an active job of this VM.",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("last_successful_job", "context_id"),
                name="context_last_success_completed_and_its_own",
                to_columns=("id", "completed_context_id"),
                to_table="replication_jobs",
                violation_error_message="It must be a completed job of this VM.",
            ),
        ),
        migrations.AddField(
            model_name="contextevent",
            name="job",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="events",
                to="replication.replicationjob",
            ),
        ),
        migrations.AddConstraint(
            model_name="contextevent",
            constraint=contexts.constraints.ColumnTypes(name="event_column_types"),
        ),
        migrations.AddConstraint(
            model_name="contextevent",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("job", "vm_context"),
                name="event_job_is_of_its_context",
                to_columns=("id", "vm_context_id"),
                to_table="replication_jobs",
            ),
        ),
    ]
