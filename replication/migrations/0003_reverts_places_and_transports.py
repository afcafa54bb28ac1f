"""Error codes and checksum jobs, places on ESXi hosts, what a VM can be reverted to, how a job was asked
to sync and read its disks; an image's parent is older than the image."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Exists, OuterRef

import contexts.constraints


def name_checksum_jobs(apps, schema_editor):
    """Jobs that compared whole disks, and read none for the first time, were called initial."""
    jobs = apps.get_model("replication", "ReplicationJob").objects.using(
        schema_editor.connection.alias
    )
    history = apps.get_model("replication", "CBTHistory").objects.using(
        schema_editor.connection.alias
    )
    syncs = history.filter(job=OuterRef("pk"))
    jobs.filter(
        Exists(syncs.filter(sync_type="checksum")),
        ~Exists(syncs.filter(sync_type="initial")),
        replication_type="initial",
        status="completed",
    ).update(replication_type="checksum")


def name_them_as_before(apps, schema_editor):
    jobs = apps.get_model("replication", "ReplicationJob").objects.using(
        schema_editor.connection.alias
    )
    jobs.filter(replication_type="checksum").update(replication_type="initial")


class Migration(migrations.Migration):
    replaces = [
        ("replication", "0003_job_error_codes_and_checksum_jobs"),
        ("replication", "0004_name_checksum_jobs"),
        ("replication", "0005_help_texts"),
        ("replication", "0006_what_a_vm_can_be_reverted_to"),
        ("replication", "0007_places_and_transports"),
        ("replication", "0008_parents_are_older"),
        ("replication", "0009_help_texts_2"),
    ]

    dependencies = [("replication", "0002_rules_both_ways")]

    # The types' rules name every column: they go before one is added, or dropped on the way back.
    operations = [
        migrations.RemoveConstraint(model_name="replicationjob", name="job_column_types"),
        migrations.RemoveConstraint(
            model_name="replicationjob",
            name="job_type_known",
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="replication_type",
            field=models.CharField(
                blank=True,
                choices=[
                    ("initial", "Initial"),
                    ("incremental", "Incremental"),
                    ("checksum", "Checksum"),
                ],
                max_length=12,
                null=True,
            ),
        ),
        migrations.RunPython(name_checksum_jobs, name_them_as_before),
        migrations.AddField(
            model_name="replicationjob",
            name="error_code",
            field=models.CharField(
                blank=True,
                help_text="Why the job failed, for programs; null unless it has failed.",
                max_length=60,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="replicationjob",
            name="requested_sync",
            field=models.CharField(
                choices=[
                    ("as_needed", "As needed"),
                    ("checksum", "Compare every disk whole"),
                    ("initial", "Copy every disk in full"),
                    ("reset_cbt", "Reset change tracking, then compare every disk whole"),
                ],
                default="as_needed",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="replicationjob",
            name="transport",
            field=models.CharField(
                blank=True,
                choices=[
                    ("auto", "Automatic: NFC, else datastore files"),
                    ("datastore", "Datastore files over HTTPS"),
                    ("nfc", "NFC, the ESXi hosts' own protocol"),
                    ("nbd", "A command that serves NBD"),
                ],
                default="",
                help_text="How its disks were read; empty until that is chosen.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="replicationjob",
            name="transport_reason",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why no better transport was used; empty if there is none.",
            ),
        ),
        migrations.AddField(
            model_name="replicationjob",
            name="waits_for_host",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The ESXi host (address:port) whose places for disk sessions are all taken.",
                max_length=300,
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("requested_sync__in", ["as_needed", "checksum", "initial", "reset_cbt"])
                ),
                name="job_request_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("replication_type__isnull", True),
                    ("replication_type__in", ["initial", "incremental", "checksum"]),
                    _connector="OR",
                ),
                name="job_type_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("error_code__isnull", True),
                    models.Q(("status", "failed"), models.Q(("error_code", ""), _negated=True)),
                    _connector="OR",
                ),
                name="job_code_is_of_a_failure",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(("transport__in", ["", "datastore", "nfc", "nbd"])),
                name="job_transport_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=models.CheckConstraint(
                condition=models.Q(("waits_for_host", ""), ("status", "pending"), _connector="OR"),
                name="job_waits_only_while_pending",
            ),
        ),
        migrations.AddConstraint(
            model_name="replicationjob",
            constraint=contexts.constraints.ColumnTypes(name="job_column_types"),
        ),
        migrations.RemoveConstraint(model_name="recoverypoint", name="point_column_types"),
        migrations.AddField(
            model_name="recoverypoint",
            name="snapshot_taken_at",
            field=models.DateTimeField(
                blank=True, help_text="Just after its snapshot, by the vCenter's clock.", null=True
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="snapshots_known",
            field=models.BooleanField(
                blank=True,
                help_text="Whether the VM's other snapshots were recorded; null before they ever were.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="source_booted_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the VM was powered on, as vSphere says; null if it was off.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="recoverypoint",
            name="source_moref",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The VM's reference in its vCenter.",
                max_length=64,
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverypoint",
            constraint=contexts.constraints.ColumnTypes(name="point_column_types"),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("parent__isnull", True), ("parent__lt", models.F("id")), _connector="OR"
                ),
                name="image_parent_is_older",
            ),
        ),
        migrations.CreateModel(
            name="HostPlace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "host",
                    models.CharField(
                        help_text="address:port of the host's NFC server", max_length=300
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                ("holder", models.CharField(help_text="host:pid of the worker", max_length=255)),
                ("token", models.UUIDField(db_index=True)),
                ("acquired_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="host_places",
                        to="replication.replicationjob",
                    ),
                ),
            ],
            options={
                "db_table": "host_places",
                "constraints": [
                    contexts.constraints.ColumnTypes(name="place_column_types"),
                    models.UniqueConstraint(fields=("host", "number"), name="place_once_per_host"),
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 1)), name="place_number_possible"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("host", ""), _negated=True),
                            models.Q(("holder", ""), _negated=True),
                        ),
                        name="place_has_host_and_holder",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PointSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("moref", models.CharField(max_length=64)),
                ("parent_moref", models.CharField(blank=True, default="", max_length=64)),
                (
                    "taken_at",
                    models.DateTimeField(blank=True, help_text="By the host's clock.", null=True),
                ),
                (
                    "is_current",
                    models.BooleanField(help_text="Whether the VM was on it, just before vmrep's."),
                ),
                (
                    "recovery_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="source_snapshots",
                        to="replication.recoverypoint",
                    ),
                ),
            ],
            options={
                "db_table": "recovery_point_snapshots",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="point_snapshot_column_types"),
                    models.UniqueConstraint(
                        fields=("recovery_point", "moref"), name="point_snapshot_once_per_point"
                    ),
                ],
            },
        ),
    ]
