"""What is expected of VMs, why they were passed over, and what was measured of them; policies have
places for their jobs."""

from django.db import migrations, models

from contexts.constraints import ColumnTypes


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0021_committed_parents"),
    ]

    operations = [
        migrations.RemoveConstraint("protectionspell", "protection_spell_column_types"),
        migrations.RemoveConstraint("vmschedule", "schedule_column_types"),
        migrations.RemoveConstraint(
            model_name="occurrence",
            name="occurrence_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="place",
            name="place_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="replicationjob",
            name="job_says_what_it_waits_for",
        ),
        migrations.RemoveField(
            model_name="vmschedule",
            name="of_a_point",
        ),
        migrations.AddField(
            model_name="protectionspell",
            name="foretold_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it was last told that the target would be exceeded; null: never.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="base_bytes",
            field=models.PositiveBigIntegerField(
                blank=True,
                help_text="What full copies of its disks take in its repository.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="breach_expected_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it is expected to get over its target; null: it is not.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="breach_why",
            field=models.CharField(blank=True, default="", max_length=200),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="breaks_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When its newest recovery point gets older than its target.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="bytes_per_second",
            field=models.FloatField(
                blank=True,
                help_text="How fast its disks are read; null: nothing was read.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="changed_per_second",
            field=models.FloatField(
                blank=True,
                help_text="Bytes that change, as measured; with it the three that follow. Null: too little is known.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="failing_since",
            field=models.DateTimeField(
                blank=True,
                help_text="When the first of several failures in a row ended; null: there are not several.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="held_up",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Why it was passed over when it was due; empty: it was not.",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="latest_start_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When its next replication has to begin, so that it ends before that.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="of_point_at",
            field=models.DateTimeField(
                blank=True, help_text="Its newest recovery point.", null=True
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="overhead_seconds",
            field=models.FloatField(
                blank=True, help_text="How long a replication takes besides reading.", null=True
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="steady_bytes",
            field=models.PositiveBigIntegerField(
                blank=True,
                help_text="What it takes at most once its retention has what it keeps; null: unknown, or all is kept.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="stored_per_second",
            field=models.FloatField(
                blank=True,
                help_text="Bytes that its recovery points add to its repository; null: unknown.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmschedule",
            name="wait_seconds",
            field=models.FloatField(
                blank=True, help_text="How long its jobs wait for a worker.", null=True
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
                ],
                max_length=30,
            ),
        ),
        migrations.AlterField(
            model_name="place",
            name="kind",
            field=models.CharField(
                choices=[
                    ("vcenter_jobs", "Jobs per vCenter"),
                    ("repository_jobs", "Jobs per repository"),
                    ("host_sessions", "Disk sessions per ESXi host"),
                    ("datastore_snapshots", "Snapshots per datastore"),
                    ("policy_jobs", "Jobs per policy"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="place",
            name="resource",
            field=models.CharField(
                help_text="The ID of a vCenter, repository or policy, a host's address:port, or a vCenter's ID and the name of its datastore.",
                max_length=300,
            ),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="waits_for_kind",
            field=models.CharField(
                blank=True,
                choices=[
                    ("vcenter_jobs", "Jobs per vCenter"),
                    ("repository_jobs", "Jobs per repository"),
                    ("host_sessions", "Disk sessions per ESXi host"),
                    ("datastore_snapshots", "Snapshots per datastore"),
                    ("policy_jobs", "Jobs per policy"),
                ],
                default="",
                help_text="Which of its limits a waiting job met.",
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="vmschedule",
            index=models.Index(
                condition=models.Q(("breach_expected_at__isnull", False)),
                fields=["breach_expected_at"],
                name="schedule_breach_expected",
            ),
        ),
        migrations.AddIndex(
            model_name="vmschedule",
            index=models.Index(
                condition=models.Q(("held_up", ""), _negated=True),
                fields=["vm_context"],
                name="schedule_held_up",
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
                        ],
                    )
                ),
                name="occurrence_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="place",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "vcenter_jobs",
                            "repository_jobs",
                            "host_sessions",
                            "datastore_snapshots",
                            "policy_jobs",
                        ],
                    )
                ),
                name="place_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("waits_for", ""), ("waits_for_kind", "")),
                    models.Q(
                        (
                            "waits_for_kind__in",
                            [
                                "vcenter_jobs",
                                "repository_jobs",
                                "host_sessions",
                                "datastore_snapshots",
                                "policy_jobs",
                            ],
                        ),
                        models.Q(("waits_for", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="job_says_what_it_waits_for",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("breaks_at__isnull", True), ("latest_start_at__isnull", True)),
                    models.Q(("breaks_at__isnull", False), ("latest_start_at__isnull", False)),
                    _connector="OR",
                ),
                name="schedule_knows_both_or_none",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("breach_expected_at__isnull", True), ("breach_why", "")),
                    models.Q(
                        ("breach_expected_at__isnull", False),
                        models.Q(("breach_why", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="schedule_says_why_a_breach",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("bytes_per_second__isnull", True),
                        ("changed_per_second__isnull", True),
                        ("overhead_seconds__isnull", True),
                        ("wait_seconds__isnull", True),
                    ),
                    models.Q(
                        ("changed_per_second__isnull", False),
                        ("overhead_seconds__isnull", False),
                        ("wait_seconds__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="schedule_has_a_whole_estimate",
            ),
        ),
        migrations.AddConstraint(
            "protectionspell", ColumnTypes(name="protection_spell_column_types")
        ),
        migrations.AddConstraint("vmschedule", ColumnTypes(name="schedule_column_types")),
    ]
