"""Only texts for readers change (labels, help, messages): the database stays as it is."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0005_help_texts"),
        ("replication", "0004_name_checksum_jobs"),
    ]

    operations = [
        migrations.AlterField(
            model_name="cbthistory",
            name="blocks_changed",
            field=models.BigIntegerField(
                help_text="The plan's bytes in blocks of 64 KiB, rounded up."
            ),
        ),
        migrations.AlterField(
            model_name="cbthistory",
            name="change_id",
            field=models.CharField(blank=True, max_length=255, null=True, verbose_name="change ID"),
        ),
        migrations.AlterField(
            model_name="cbthistory",
            name="extent_count",
            field=models.PositiveIntegerField(
                blank=True, help_text="Extents of the plan, with neighbours merged.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="cbthistory",
            name="extent_map",
            field=models.BinaryField(
                blank=True,
                help_text="Where on the disk the plan's extents fall: 256 areas of equal size, a byte each, from 0 (nothing) to 255 (all of the area). Null when the plan is empty or unknown.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="cbthistory",
            name="note",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why this disk was not incremental; empty if it was.",
            ),
        ),
        migrations.AlterField(
            model_name="cbthistory",
            name="previous_change_id",
            field=models.CharField(
                blank=True, max_length=255, null=True, verbose_name="previous change ID"
            ),
        ),
        migrations.AlterField(
            model_name="cbthistory",
            name="sync_duration_seconds",
            field=models.FloatField(verbose_name="duration (seconds)"),
        ),
        migrations.AlterField(
            model_name="cbthistory",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cbt_history",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterField(
            model_name="contextlease",
            name="vm_context",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                primary_key=True,
                related_name="lease",
                serialize=False,
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="change_id",
            field=models.CharField(
                blank=True,
                help_text="Of the disk in the snapshot that it was read from.",
                max_length=255,
                null=True,
                verbose_name="change ID",
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="digest",
            field=models.CharField(
                blank=True,
                default="",
                help_text="One digest over the digests of all bytes read from the source.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="extent_count",
            field=models.PositiveIntegerField(
                blank=True, help_text="Extents of the plan, with neighbours merged.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="extent_map",
            field=models.BinaryField(
                blank=True,
                help_text="Where on the disk the plan's extents fall: 256 areas of equal size, a byte each, from 0 (nothing) to 255 (all of the area). Null when the plan is empty or unknown. Kept here until the job ends.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="of_disks",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How many disks its recovery point has.",
                null=True,
                verbose_name="number of disks",
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="plan_note",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why this disk is not incremental; empty if it is.",
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="position",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Its number within its recovery point, starting at 1.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="previous_change_id",
            field=models.CharField(
                blank=True, max_length=255, null=True, verbose_name="previous change ID"
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="snapshot_moref",
            field=models.CharField(
                help_text="The snapshot that it is read from.",
                max_length=64,
                verbose_name="snapshot reference",
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="transferred_bytes",
            field=models.BigIntegerField(
                default=0,
                help_text="Bytes of the plan read so far in all attempts, each counted once.",
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="images",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="writer_boot_id",
            field=models.CharField(
                blank=True, default="", max_length=64, verbose_name="writer boot ID"
            ),
        ),
        migrations.AlterField(
            model_name="diskimage",
            name="writer_pid",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="writer PID"),
        ),
        migrations.AlterField(
            model_name="integrityfinding",
            name="context_id",
            field=models.CharField(
                blank=True, default="", max_length=120, verbose_name="context ID"
            ),
        ),
        migrations.AlterField(
            model_name="integrityfinding",
            name="job_id",
            field=models.CharField(blank=True, default="", max_length=40, verbose_name="job ID"),
        ),
        migrations.AlterField(
            model_name="integrityfinding",
            name="repaired",
            field=models.TextField(
                blank=True, default="", help_text="What --repair did about it; empty if nothing."
            ),
        ),
        migrations.AlterField(
            model_name="integrityfinding",
            name="vm_name",
            field=models.TextField(blank=True, default="", verbose_name="VM name"),
        ),
        migrations.AlterField(
            model_name="integrityrun",
            name="finding_count",
            field=models.PositiveIntegerField(default=0, help_text="How many faults remain."),
        ),
        migrations.AlterField(
            model_name="jobsample",
            name="bytes_per_second",
            field=models.FloatField(help_text="The mean rate over the stretch."),
        ),
        migrations.AlterField(
            model_name="jobsample",
            name="bytes_transferred",
            field=models.BigIntegerField(
                help_text="Bytes of the plan read so far in all attempts, each counted once."
            ),
        ),
        migrations.AlterField(
            model_name="jobsample",
            name="seconds",
            field=models.FloatField(help_text="How long the stretch took."),
        ),
        migrations.AlterField(
            model_name="recoverypoint",
            name="quiesced",
            field=models.BooleanField(help_text="Whether the guest's file systems were quiesced."),
        ),
        migrations.AlterField(
            model_name="recoverypoint",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="recovery_points",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="checkpointed_bytes",
            field=models.PositiveBigIntegerField(
                default=0,
                help_text="The sum of its images' checkpoints, at the most that any attempt left.",
            ),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="error_code",
            field=models.CharField(
                blank=True,
                help_text="Why the job failed, for programs; null unless it has failed.",
                max_length=60,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="fruitful_attempts",
            field=models.PositiveIntegerField(
                default=0, help_text="Interrupted attempts that got further than all earlier ones."
            ),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="id",
            field=models.CharField(
                max_length=40, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="source_vm_id",
            field=models.CharField(max_length=64, verbose_name="source VM ID"),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="source_vm_name",
            field=models.TextField(verbose_name="source VM name"),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="transfer_speed_bps",
            field=models.BigIntegerField(
                blank=True, help_text="Bytes per second.", null=True, verbose_name="transfer speed"
            ),
        ),
        migrations.AlterField(
            model_name="replicationjob",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="jobs",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterField(
            model_name="repository",
            name="config",
            field=models.JSONField(
                default=dict, help_text='Of a directory: {"path": "/srv/vmrep"}.'
            ),
        ),
        migrations.AlterField(
            model_name="repository",
            name="uuid",
            field=models.UUIDField(
                default=uuid.uuid4, editable=False, unique=True, verbose_name="UUID"
            ),
        ),
        migrations.AlterField(
            model_name="vmsnapshot",
            name="moref",
            field=models.CharField(blank=True, default="", max_length=64, verbose_name="reference"),
        ),
        migrations.AlterField(
            model_name="vmsnapshot",
            name="quiesced",
            field=models.BooleanField(
                blank=True,
                help_text="Whether the guest was in fact quiesced; null until the snapshot is made.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="vmsnapshot",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="snapshots",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterConstraint(
            model_name="integrityrun",
            name="integrity_one_at_a_time",
            constraint=models.UniqueConstraint(
                condition=models.Q(("outcome__in", ["pending", "running"])),
                fields=("outcome",),
                name="integrity_one_at_a_time",
                violation_error_message="An integrity check is already running.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="replicationjob",
            name="job_one_active_per_context",
            constraint=models.UniqueConstraint(
                fields=("active_context_id",),
                name="job_one_active_per_context",
                violation_error_message="A replication of this VM is already active.",
            ),
        ),
    ]
