"""Jobs, recovery points and images. Rules that hold both ways between tables follow in 0002."""

import uuid

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    replaces = [
        ("replication", "0001_initial"),
        ("replication", "0003_job_samples_log_lines_and_extent_maps"),
        ("replication", "0004_integrity_runs"),
        ("replication", "0005_more_rules"),
        ("replication", "0006_number_the_images"),
        ("replication", "0007_points_are_whole"),
        ("replication", "0008_column_types"),
        ("replication", "0009_attempts_that_came_further"),
        ("replication", "0010_many_contexts"),
    ]

    initial = True

    dependencies = [
        ("contexts", "0001_first_release"),
    ]

    operations = [
        migrations.CreateModel(
            name="Repository",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("directory", "Directory of qcow2 images")],
                        default="directory",
                        max_length=20,
                    ),
                ),
                (
                    "uuid",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, unique=True, verbose_name="UUID"
                    ),
                ),
                (
                    "config",
                    models.JSONField(
                        default=dict, help_text='Of a directory: {"path": "/srv/vmrep"}.'
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name_plural": "repositories",
                "db_table": "repositories",
                "ordering": ["name"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="repository_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="repository_is_named"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["directory"])),
                        name="repository_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReplicationJob",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=40, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "vm_context",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="replication.repository",
                    ),
                ),
                ("source_vm_id", models.CharField(max_length=64, verbose_name="source VM ID")),
                ("source_vm_name", models.TextField(verbose_name="source VM name")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                (
                    "replication_type",
                    models.CharField(
                        blank=True,
                        choices=[("initial", "Initial"), ("incremental", "Incremental")],
                        max_length=12,
                        null=True,
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
                ("current_operation", models.CharField(blank=True, default="", max_length=255)),
                ("bytes_transferred", models.BigIntegerField(default=0)),
                ("total_bytes", models.BigIntegerField(blank=True, null=True)),
                (
                    "transfer_speed_bps",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Bytes per second.",
                        null=True,
                        verbose_name="transfer speed",
                    ),
                ),
                ("error_message", models.TextField(blank=True, default="")),
                ("attempt", models.PositiveIntegerField(default=1)),
                (
                    "fruitful_attempts",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Interrupted attempts that got further than all earlier ones.",
                    ),
                ),
                (
                    "checkpointed_bytes",
                    models.PositiveBigIntegerField(
                        default=0,
                        help_text="The sum of its images' checkpoints, at the most that any attempt left.",
                    ),
                ),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("worker_name", models.CharField(blank=True, default="", max_length=255)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_requested_by", models.CharField(blank=True, default="", max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "active_context_id",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(
                                status__in=("pending", "running"), then=models.F("vm_context")
                            ),
                            default=models.Value(None),
                        ),
                        output_field=models.CharField(max_length=120, null=True),
                    ),
                ),
                (
                    "completed_context_id",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(status="completed", then=models.F("vm_context")),
                            default=models.Value(None),
                        ),
                        output_field=models.CharField(max_length=120, null=True),
                    ),
                ),
            ],
            options={
                "db_table": "replication_jobs",
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["status", "next_attempt_at"], name="job_runnable"),
                    models.Index(fields=["vm_context", "-created_at"], name="job_history"),
                    models.Index(fields=["-created_at", "-id"], name="job_newest"),
                    models.Index(
                        condition=models.Q(("completed_at__isnull", False)),
                        fields=["completed_at", "status", "bytes_transferred"],
                        name="job_ended",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("active_context_id",),
                        name="job_one_active_per_context",
                        violation_error_message="A replication of this VM is already active.",
                    ),
                    models.UniqueConstraint(
                        fields=("id", "active_context_id"), name="job_while_active"
                    ),
                    models.UniqueConstraint(
                        fields=("id", "completed_context_id"), name="job_once_completed"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                ["pending", "running", "completed", "failed", "cancelled"],
                            )
                        ),
                        name="job_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("trigger__in", ["manual", "api", "schedule", "system"])
                        ),
                        name="job_trigger_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("replication_type__isnull", True),
                            ("replication_type__in", ["initial", "incremental"]),
                            _connector="OR",
                        ),
                        name="job_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("bytes_transferred__gte", 0),
                            models.Q(
                                ("total_bytes__isnull", True),
                                ("total_bytes__gte", models.F("bytes_transferred")),
                                _connector="OR",
                            ),
                        ),
                        name="job_progress_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "completed"), _negated=True),
                            models.Q(
                                ("error_message", ""),
                                ("replication_type__isnull", False),
                                ("total_bytes", models.F("bytes_transferred")),
                                ("total_bytes__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="job_completed_is_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "failed"), _negated=True),
                            models.Q(("error_message", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="job_failed_says_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("completed_at__isnull", True),
                                ("status__in", ("pending", "running")),
                            ),
                            models.Q(
                                models.Q(("status__in", ("pending", "running")), _negated=True),
                                ("completed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="job_ended_has_its_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("attempt__gte", 1)), name="job_attempt_possible"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("id", ""), _negated=True),
                            models.Q(("source_vm_id", ""), _negated=True),
                            models.Q(("requested_by", ""), _negated=True),
                        ),
                        name="job_says_what_and_for_whom",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("total_bytes__isnull", False),
                            ("bytes_transferred", 0),
                            _connector="OR",
                        ),
                        name="job_progress_has_a_total",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("transfer_speed_bps__gte", 0)),
                        name="job_speed_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "running"), _negated=True),
                            models.Q(
                                ("started_at__isnull", False),
                                models.Q(("worker_name", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="job_running_has_begun",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("cancel_requested_at__isnull", True), ("cancel_requested_by", "")
                            ),
                            models.Q(
                                ("cancel_requested_at__isnull", False),
                                models.Q(("cancel_requested_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="job_cancel_says_who_asked",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=contexts.constraints.ColumnTypes(name="job_column_types"),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.UniqueConstraint(
                fields=("id", "vm_context"), name="job_with_its_context"
            ),
        ),
        migrations.CreateModel(
            name="JobStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="replication.replicationjob",
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                (
                    "name",
                    models.CharField(
                        choices=[
                            ("prepare", "Prepare"),
                            ("tracking", "Tracking"),
                            ("snapshot", "Snapshot"),
                            ("plan", "Plan"),
                            ("transfer", "Transfer"),
                            ("verify", "Verify"),
                            ("commit", "Commit"),
                            ("clean_up", "Clean up"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("warning", "Completed with a warning"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("interrupted", "Interrupted"),
                        ],
                        default="running",
                        max_length=12,
                    ),
                ),
                ("message", models.TextField(blank=True, default="")),
                ("started_at", models.DateTimeField()),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "job_steps",
                "ordering": ["job_id", "attempt", "id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "running")),
                        fields=["job"],
                        name="step_running",
                    )
                ],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="step_column_types"),
                    models.UniqueConstraint(
                        fields=("job", "attempt", "name"), name="step_once_per_attempt"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("attempt__gte", 1)), name="step_attempt_possible"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "name__in",
                                [
                                    "prepare",
                                    "tracking",
                                    "snapshot",
                                    "plan",
                                    "transfer",
                                    "verify",
                                    "commit",
                                    "clean_up",
                                ],
                            )
                        ),
                        name="step_name_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "running",
                                    "completed",
                                    "warning",
                                    "failed",
                                    "cancelled",
                                    "interrupted",
                                ],
                            )
                        ),
                        name="step_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("completed_at__isnull", True), ("status", "running")),
                            models.Q(
                                models.Q(("status", "running"), _negated=True),
                                ("completed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="step_ended_has_its_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="JobSample",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="samples",
                        to="replication.replicationjob",
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                (
                    "at",
                    models.DateTimeField(
                        help_text="The end of the stretch, by the database's clock."
                    ),
                ),
                ("seconds", models.FloatField(help_text="How long the stretch took.")),
                (
                    "bytes_transferred",
                    models.BigIntegerField(
                        help_text="Bytes of the plan read so far in all attempts, each counted once."
                    ),
                ),
                (
                    "bytes_per_second",
                    models.FloatField(help_text="The mean rate over the stretch."),
                ),
            ],
            options={
                "db_table": "job_samples",
                "ordering": ["job_id", "id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("attempt__gte", 1),
                            ("seconds__gte", 0),
                            ("bytes_transferred__gte", 0),
                            ("bytes_per_second__gte", 0),
                        ),
                        name="sample_figures_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("seconds__lte", 1000000000.0),
                            ("bytes_per_second__lte", 1000000000000000.0),
                        ),
                        name="sample_figures_are_finite",
                    ),
                    contexts.constraints.ColumnTypes(name="sample_column_types"),
                ],
            },
        ),
        migrations.CreateModel(
            name="JobLogLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="log_lines",
                        to="replication.replicationjob",
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "level",
                    models.CharField(
                        choices=[
                            ("info", "Information"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                        ],
                        max_length=10,
                    ),
                ),
                ("message", models.TextField()),
            ],
            options={
                "verbose_name": "log line",
                "db_table": "job_log_lines",
                "ordering": ["job_id", "id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="log_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("level__in", ["info", "warning", "error"])),
                        name="log_level_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("attempt__gte", 1)), name="log_attempt_possible"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ContextLease",
            fields=[
                (
                    "vm_context",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="lease",
                        serialize=False,
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                (
                    "holder_kind",
                    models.CharField(
                        choices=[
                            ("job", "Job"),
                            ("clean_up", "Clean-up"),
                            ("retention", "Retention"),
                            ("deletion", "Deletion"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="leases",
                        to="replication.replicationjob",
                    ),
                ),
                ("holder", models.CharField(help_text="host:pid of the worker", max_length=255)),
                ("token", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("acquired_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "db_table": "context_leases",
                "constraints": [
                    contexts.constraints.ColumnTypes(name="lease_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("holder_kind__in", ["job", "clean_up", "retention", "deletion"])
                        ),
                        name="lease_holder_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("holder_kind", "job"), _negated=True),
                            ("job__isnull", False),
                            _connector="OR",
                        ),
                        name="lease_of_a_job_names_it",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("holder", ""), _negated=True), name="lease_has_a_holder"
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("job", "vm_context"),
                        name="lease_job_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="replication_jobs",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VMSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "vm_context",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="snapshots",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="snapshots",
                        to="replication.replicationjob",
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                ("name", models.CharField(max_length=80, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("intended", "Intended"),
                            ("created", "Created"),
                            ("removed", "Removed"),
                        ],
                        default="intended",
                        max_length=10,
                    ),
                ),
                (
                    "moref",
                    models.CharField(
                        blank=True, default="", max_length=64, verbose_name="reference"
                    ),
                ),
                (
                    "consistent_at",
                    models.DateTimeField(help_text="The moment just before the call."),
                ),
                ("quiesce_requested", models.BooleanField()),
                (
                    "quiesced",
                    models.BooleanField(
                        blank=True,
                        help_text="Whether the guest was in fact quiesced; null until the snapshot is made.",
                        null=True,
                    ),
                ),
                ("problem", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "VM snapshot",
                "db_table": "vm_snapshots",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "removed"), _negated=True),
                        fields=["vm_context"],
                        name="snapshot_left_over",
                    )
                ],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="snapshot_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["intended", "created", "removed"])),
                        name="snapshot_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "created"), _negated=True),
                            models.Q(("moref", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="snapshot_created_has_reference",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("removed_at__isnull", False), ("state", "removed")),
                            models.Q(
                                models.Q(("state", "removed"), _negated=True),
                                ("removed_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="snapshot_removed_has_its_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("name", ""), _negated=True), ("attempt__gte", 1)
                        ),
                        name="snapshot_is_named",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("job", "vm_context"),
                        name="snapshot_job_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="replication_jobs",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecoveryPoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "vm_context",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="recovery_points",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="recovery_points",
                        to="replication.repository",
                    ),
                ),
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="recovery_point",
                        to="replication.replicationjob",
                    ),
                ),
                (
                    "consistent_at",
                    models.DateTimeField(help_text="The moment just before its snapshot."),
                ),
                (
                    "quiesced",
                    models.BooleanField(
                        help_text="Whether the guest's file systems were quiesced."
                    ),
                ),
                ("disk_count", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("writing", "Writing"),
                            ("available", "Available"),
                            ("expiring", "Expiring"),
                            ("expired", "Expired"),
                        ],
                        default="writing",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "needed_images",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(
                                state__in=["available", "expiring"], then=models.F("disk_count")
                            ),
                            default=models.Value(None),
                        ),
                        output_field=models.IntegerField(null=True),
                    ),
                ),
                (
                    "committed_context_id",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(state="writing", then=models.Value(None)),
                            default=models.F("vm_context"),
                        ),
                        output_field=models.CharField(max_length=120, null=True),
                    ),
                ),
            ],
            options={
                "db_table": "recovery_points",
                "ordering": ["-consistent_at", "-id"],
                "indexes": [
                    models.Index(
                        fields=["vm_context", "state", "-consistent_at"], name="point_newest"
                    ),
                    models.Index(
                        condition=models.Q(("state", "available")),
                        fields=["vm_context", "-consistent_at"],
                        name="point_available",
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["writing", "expiring"])),
                        fields=["state"],
                        name="point_on_its_way",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["writing", "available", "expiring", "expired"])
                        ),
                        name="point_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("disk_count__gte", 1)), name="point_has_disks"
                    ),
                    models.UniqueConstraint(
                        fields=("id", "vm_context"), name="point_with_its_context"
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("job", "vm_context"),
                        name="point_job_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="replication_jobs",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("job", "committed_context_id"),
                        name="point_job_completed",
                        to_columns=("id", "completed_context_id"),
                        to_table="replication_jobs",
                    ),
                    models.UniqueConstraint(
                        fields=("id", "job", "repository", "disk_count"),
                        name="point_with_its_terms",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=contexts.constraints.ColumnTypes(name="point_column_types"),
        ),
        migrations.CreateModel(
            name="DiskImage",
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="images",
                        to="replication.repository",
                    ),
                ),
                (
                    "vm_context",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="images",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                (
                    "disk",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="images",
                        to="contexts.vmdisk",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="images",
                        to="replication.replicationjob",
                    ),
                ),
                (
                    "recovery_point",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="images",
                        to="replication.recoverypoint",
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="replication.diskimage",
                    ),
                ),
                (
                    "position",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Its number within its recovery point, starting at 1.",
                        null=True,
                    ),
                ),
                (
                    "of_disks",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="How many disks its recovery point has.",
                        null=True,
                        verbose_name="number of disks",
                    ),
                ),
                (
                    "attempt",
                    models.PositiveIntegerField(help_text="The attempt that began this file."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("writing", "Writing"),
                            ("committed", "Committed"),
                            ("deleting", "Deleting"),
                        ],
                        default="writing",
                        max_length=10,
                    ),
                ),
                ("format", models.CharField(default="qcow2", max_length=10)),
                ("locator", models.TextField()),
                (
                    "sync_type",
                    models.CharField(
                        choices=[
                            ("initial", "Initial"),
                            ("incremental", "Incremental"),
                            ("checksum", "Checksum"),
                        ],
                        max_length=12,
                    ),
                ),
                ("capacity_bytes", models.BigIntegerField()),
                ("planned_bytes", models.BigIntegerField()),
                (
                    "plan_note",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Why this disk is not incremental; empty if it is.",
                    ),
                ),
                (
                    "extent_count",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Extents of the plan, with neighbours merged.",
                        null=True,
                    ),
                ),
                (
                    "extent_map",
                    models.BinaryField(
                        blank=True,
                        help_text="Where on the disk the plan's extents fall: 256 areas of equal size, a byte each, from 0 (nothing) to 255 (all of the area). Null when the plan is empty or unknown. Kept here until the job ends.",
                        null=True,
                    ),
                ),
                ("checkpoint_bytes", models.BigIntegerField(default=0)),
                (
                    "transferred_bytes",
                    models.BigIntegerField(
                        default=0,
                        help_text="Bytes of the plan read so far in all attempts, each counted once.",
                    ),
                ),
                ("transfer_seconds", models.FloatField(default=0)),
                ("allocated_bytes", models.BigIntegerField(blank=True, null=True)),
                (
                    "change_id",
                    models.CharField(
                        blank=True,
                        help_text="Of the disk in the snapshot that it was read from.",
                        max_length=255,
                        null=True,
                        verbose_name="change ID",
                    ),
                ),
                (
                    "previous_change_id",
                    models.CharField(
                        blank=True, max_length=255, null=True, verbose_name="previous change ID"
                    ),
                ),
                (
                    "snapshot_moref",
                    models.CharField(
                        help_text="The snapshot that it is read from.",
                        max_length=64,
                        verbose_name="snapshot reference",
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="One digest over the digests of all bytes read from the source.",
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
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "committed_position",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(state="committed", then=models.F("position")),
                            default=models.Value(None),
                        ),
                        output_field=models.IntegerField(null=True),
                    ),
                ),
                (
                    "needs_position",
                    models.GeneratedField(
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
            ],
            options={
                "db_table": "disk_images",
                "ordering": ["id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "committed")),
                        fields=["repository", "created_at", "allocated_bytes"],
                        name="image_growth",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("repository", "locator"), name="image_locator_once"
                    ),
                    models.UniqueConstraint(
                        fields=("recovery_point", "disk"), name="image_disk_once_per_point"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["writing", "committed", "deleting"])),
                        name="image_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sync_type__in", ["initial", "incremental", "checksum"])
                        ),
                        name="image_sync_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sync_type", "initial"), _negated=True),
                            ("parent__isnull", True),
                            _connector="OR",
                        ),
                        name="image_initial_is_a_root",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "committed"), _negated=True),
                            ("recovery_point__isnull", False),
                            _connector="OR",
                        ),
                        name="image_committed_has_point",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("capacity_bytes__gt", 0),
                            ("planned_bytes__gte", 0),
                            ("checkpoint_bytes__gte", 0),
                            ("transferred_bytes__gte", 0),
                            ("transferred_bytes__lte", models.F("planned_bytes")),
                            ("transfer_seconds__gte", 0),
                        ),
                        name="image_sizes_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("extent_map__isnull", True),
                            django.db.models.lookups.Exact(
                                django.db.models.functions.text.Length("extent_map"),
                                models.Value(256),
                            ),
                            _connector="OR",
                        ),
                        name="image_map_is_whole",
                    ),
                    models.CheckConstraint(
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
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "committed"), _negated=True),
                            ("transferred_bytes", models.F("planned_bytes")),
                            _connector="OR",
                        ),
                        name="image_committed_is_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "writing"), _negated=True),
                            ("recovery_point__isnull", True),
                            _connector="OR",
                        ),
                        name="image_in_a_point_is_not_written",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sync_type", "incremental"), _negated=True),
                            models.Q(
                                ("change_id__isnull", False), ("previous_change_id__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="image_incremental_has_change_ids",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("recovery_point__isnull", True),
                            models.Q(
                                ("of_disks__isnull", False),
                                ("position__gte", 1),
                                ("position__isnull", False),
                                ("position__lte", models.F("of_disks")),
                            ),
                            _connector="OR",
                        ),
                        name="image_of_a_point_has_its_number",
                    ),
                    models.UniqueConstraint(
                        fields=("recovery_point", "committed_position"),
                        name="image_position_once_per_point",
                    ),
                    models.UniqueConstraint(
                        fields=("id", "disk", "repository"),
                        name="image_with_its_disk_and_repository",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("recovery_point", "needs_position"),
                        name="image_has_the_one_before_it",
                        to_columns=("recovery_point_id", "committed_position"),
                        to_table="disk_images",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("recovery_point", "job", "repository", "of_disks"),
                        name="image_agrees_with_its_point",
                        to_columns=("id", "job_id", "repository_id", "disk_count"),
                        to_table="recovery_points",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("parent", "disk", "repository"),
                        name="image_parent_is_of_the_same_disk",
                        to_columns=("id", "disk_id", "repository_id"),
                        to_table="disk_images",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("disk", "vm_context"),
                        name="image_disk_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="vm_disks",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("job", "vm_context"),
                        name="image_job_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="replication_jobs",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("recovery_point", "vm_context"),
                        name="image_point_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="recovery_points",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=contexts.constraints.ColumnTypes(name="image_column_types"),
        ),
        migrations.CreateModel(
            name="RecoveryPointHold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "recovery_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holds",
                        to="replication.recoverypoint",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("verify", "Verification"),
                            ("test_failover", "Test failover"),
                            ("pin", "Pinned"),
                        ],
                        max_length=15,
                    ),
                ),
                ("owner", models.CharField(max_length=255)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "recovery_point_holds",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="hold_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["verify", "test_failover", "pin"])),
                        name="hold_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("owner", ""), _negated=True), name="hold_has_an_owner"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CBTHistory",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "vm_context",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cbt_history",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cbt_history",
                        to="replication.replicationjob",
                    ),
                ),
                (
                    "disk",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cbt_history",
                        to="contexts.vmdisk",
                    ),
                ),
                (
                    "change_id",
                    models.CharField(
                        blank=True, max_length=255, null=True, verbose_name="change ID"
                    ),
                ),
                (
                    "previous_change_id",
                    models.CharField(
                        blank=True, max_length=255, null=True, verbose_name="previous change ID"
                    ),
                ),
                (
                    "sync_type",
                    models.CharField(
                        choices=[
                            ("initial", "Initial"),
                            ("incremental", "Incremental"),
                            ("checksum", "Checksum"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "blocks_changed",
                    models.BigIntegerField(
                        help_text="The plan's bytes in blocks of 64 KiB, rounded up."
                    ),
                ),
                ("bytes_transferred", models.BigIntegerField()),
                ("sync_duration_seconds", models.FloatField(verbose_name="duration (seconds)")),
                ("sync_success", models.BooleanField()),
                (
                    "note",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Why this disk was not incremental; empty if it was.",
                    ),
                ),
                ("capacity_bytes", models.BigIntegerField(blank=True, null=True)),
                (
                    "extent_count",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Extents of the plan, with neighbours merged.",
                        null=True,
                    ),
                ),
                (
                    "extent_map",
                    models.BinaryField(
                        blank=True,
                        help_text="Where on the disk the plan's extents fall: 256 areas of equal size, a byte each, from 0 (nothing) to 255 (all of the area). Null when the plan is empty or unknown.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "CBT history entry",
                "verbose_name_plural": "CBT history",
                "db_table": "cbt_history",
                "ordering": ["-id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="cbt_column_types"),
                    models.UniqueConstraint(
                        fields=("job", "disk"), name="cbt_once_per_disk_and_job"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sync_type__in", ["initial", "incremental", "checksum"])
                        ),
                        name="cbt_sync_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("blocks_changed__gte", 0),
                            ("bytes_transferred__gte", 0),
                            ("sync_duration_seconds__gte", 0),
                        ),
                        name="cbt_figures_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("extent_map__isnull", True),
                            models.Q(
                                ("capacity_bytes__gt", 0),
                                ("capacity_bytes__isnull", False),
                                django.db.models.lookups.Exact(
                                    django.db.models.functions.text.Length("extent_map"),
                                    models.Value(256),
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="cbt_map_is_whole_and_has_its_scale",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sync_duration_seconds__lte", 1000000000.0)),
                        name="cbt_duration_is_finite",
                    ),
                    models.CheckConstraint(
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
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sync_type", "incremental"), _negated=True),
                            models.Q(
                                ("change_id__isnull", False), ("previous_change_id__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="cbt_incremental_has_change_ids",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("disk", "vm_context"),
                        name="cbt_disk_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="vm_disks",
                    ),
                    contexts.constraints.CompositeForeignKey(
                        fields=("job", "vm_context"),
                        name="cbt_job_is_of_its_context",
                        to_columns=("id", "vm_context_id"),
                        to_table="replication_jobs",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IntegrityRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("requested_by", models.CharField(max_length=150)),
                (
                    "deep",
                    models.BooleanField(
                        default=False,
                        help_text="Whether the images' tables and digests were checked, too.",
                    ),
                ),
                ("repair", models.BooleanField(default=False)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("running", "Running"),
                            ("ok", "OK"),
                            ("findings", "Findings"),
                            ("broken_off", "Broken off"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                (
                    "finding_count",
                    models.PositiveIntegerField(default=0, help_text="How many faults remain."),
                ),
                ("repaired_count", models.PositiveIntegerField(default=0)),
                ("error_message", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "integrity_runs",
                "ordering": ["-id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="integrity_run_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("outcome__in", ["pending", "running", "ok", "findings", "broken_off"])
                        ),
                        name="integrity_outcome_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("completed_at__isnull", True),
                                ("outcome__in", ["pending", "running"]),
                            ),
                            models.Q(
                                models.Q(("outcome__in", ["pending", "running"]), _negated=True),
                                ("completed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="integrity_ended_has_its_time",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("outcome__in", ["pending", "running"])),
                        fields=("outcome",),
                        name="integrity_one_at_a_time",
                        violation_error_message="An integrity check is already running.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IntegrityFinding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="findings",
                        to="replication.integrityrun",
                    ),
                ),
                ("code", models.CharField(max_length=40)),
                (
                    "severity",
                    models.CharField(
                        choices=[("error", "Error"), ("warning", "Warning")], max_length=10
                    ),
                ),
                (
                    "context_id",
                    models.CharField(
                        blank=True, default="", max_length=120, verbose_name="context ID"
                    ),
                ),
                ("vm_name", models.TextField(blank=True, default="", verbose_name="VM name")),
                (
                    "job_id",
                    models.CharField(blank=True, default="", max_length=40, verbose_name="job ID"),
                ),
                ("what", models.TextField()),
                ("remedy", models.TextField()),
                ("repairable", models.BooleanField()),
                (
                    "repaired",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="What --repair did about it; empty if nothing.",
                    ),
                ),
            ],
            options={
                "db_table": "integrity_findings",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="integrity_finding_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("severity__in", ["error", "warning"])),
                        name="integrity_severity_known",
                    ),
                ],
            },
        ),
    ]
