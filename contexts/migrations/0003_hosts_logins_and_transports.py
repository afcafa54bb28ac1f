"""Lone hosts, NFC and other transports, logins, rebuilt vCenters, unreadable VMs, notices of VMs, and
doubts of a disk's change tracking."""

from django.db import migrations, models

import contexts.constraints


def choose_by_itself(apps, schema_editor):
    """Neither could be chosen before: no version had them."""
    vcenters = apps.get_model("contexts", "VCenter").objects.using(schema_editor.connection.alias)
    vcenters.filter(transport__in=["vddk", "nbd"]).update(transport="auto")


def choose_what_was_there_before(apps, schema_editor):
    """The way back: no version before knows `auto` or `nfc`."""
    vcenters = apps.get_model("contexts", "VCenter").objects.using(schema_editor.connection.alias)
    vcenters.filter(transport__in=["auto", "nfc"]).update(transport="datastore")


class Migration(migrations.Migration):
    replaces = [
        ("contexts", "0003_lone_hosts"),
        ("contexts", "0004_nfc"),
        ("contexts", "0005_help_texts"),
        ("contexts", "0006_logins_and_rebuilt_vcenters"),
        ("contexts", "0007_unreadable_vms"),
        ("contexts", "0008_notices_of_vms"),
        ("contexts", "0009_places_and_transports"),
        ("contexts", "0010_help_texts_2"),
        ("contexts", "0011_doubts_of_tracking"),
    ]

    dependencies = [("contexts", "0002_jobs_of_contexts")]

    # The types' rules name every column: they go before one is added, or dropped on the way back.
    operations = [
        migrations.RemoveConstraint(model_name="vcenter", name="vcenter_column_types"),
        migrations.RemoveConstraint(
            model_name="vcenter",
            name="vcenter_transport_known",
        ),
        migrations.RunPython(choose_by_itself, choose_what_was_there_before),
        migrations.AddField(
            model_name="vcenter",
            name="former_instance_uuid",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="The instance UUID before an operator confirmed that the vCenter was rebuilt.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="found_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="found_instance_uuid",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Another vCenter that answered at this address; an operator decides about it.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="host_uuid",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The hardware UUID of a lone ESXi host, which has no instance UUID.",
                max_length=36,
                verbose_name="host UUID",
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="login_refused_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Since then vmrep does not log in by itself: that might lock the account.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="login_refused_why",
            field=models.TextField(blank=True, default="", editable=False),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="login_tried_until",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Until then, no other worker logs in.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="nbd_command",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The name of the command that serves disks, in each worker's settings file.",
                max_length=60,
                verbose_name="NBD command",
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="replaced_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="replaced_by",
            field=models.CharField(blank=True, default="", editable=False, max_length=150),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="transport",
            field=models.CharField(
                choices=[
                    ("auto", "Automatic: NFC, else datastore files"),
                    ("datastore", "Datastore files over HTTPS"),
                    ("nfc", "NFC, the ESXi hosts' own protocol"),
                    ("nbd", "A command that serves NBD"),
                ],
                default="auto",
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.UniqueConstraint(
                condition=models.Q(("host_uuid", ""), _negated=True),
                fields=("host_uuid",),
                name="vcenter_host_once",
                violation_error_message="This host has already been added under another address.",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(("transport__in", ["auto", "datastore", "nfc", "nbd"])),
                name="vcenter_transport_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("login_refused_at__isnull", True), ("login_refused_why", "")),
                    models.Q(
                        ("login_refused_at__isnull", False),
                        models.Q(("login_refused_why", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="vcenter_refusal_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("found_at__isnull", True), ("found_instance_uuid", "")),
                    models.Q(
                        ("found_at__isnull", False),
                        models.Q(("found_instance_uuid", ""), _negated=True),
                        models.Q(("found_instance_uuid", models.F("instance_uuid")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="vcenter_found_is_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("former_instance_uuid", ""),
                        ("replaced_at__isnull", True),
                        ("replaced_by", ""),
                    ),
                    models.Q(
                        ("replaced_at__isnull", False),
                        models.Q(("replaced_by", ""), _negated=True),
                        models.Q(("former_instance_uuid", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="vcenter_replacement_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("transport", "nbd"), _negated=True),
                    models.Q(("nbd_command", ""), _negated=True),
                    _connector="OR",
                ),
                name="vcenter_nbd_names_its_command",
                violation_error_message="A command that serves NBD needs its name.",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=contexts.constraints.ColumnTypes(name="vcenter_column_types"),
        ),
        migrations.RemoveConstraint(model_name="vmcontext", name="context_column_types"),
        migrations.AddField(
            model_name="vmcontext",
            name="identity_asked_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When its vCenter was replaced; it is not replicated until an operator confirms the VM.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
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
                help_text="How its disks were last read; empty until they are.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="transport_reason",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why no better transport was used; empty if there is none.",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=models.CheckConstraint(
                condition=models.Q(("transport__in", ["", "datastore", "nfc", "nbd"])),
                name="context_transport_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=contexts.constraints.ColumnTypes(name="context_column_types"),
        ),
        migrations.RemoveConstraint(model_name="discoveredvm", name="discovered_vm_column_types"),
        migrations.AddField(
            model_name="discoveredvm",
            name="devices_version",
            field=models.CharField(
                blank=True,
                default="",
                help_text="While it stays the same, the devices are not read again; empty: always read.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="discoveredvm",
            name="notices",
            field=models.JSONField(
                default=list,
                help_text="What to know before taking it: code, summary, text. Such VMs are taken one by one.",
            ),
        ),
        migrations.AddField(
            model_name="discoveredvm",
            name="unreadable_reason",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="discoveredvm",
            name="unreadable_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when vCenter has left out something about it, or vmrep did not understand it; what was known before is kept.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="discoveredvm",
            index=models.Index(
                condition=models.Q(("unreadable_since__isnull", False)),
                fields=["unreadable_since"],
                name="discovered_vm_unreadable",
            ),
        ),
        migrations.AddConstraint(
            model_name="discoveredvm",
            constraint=contexts.constraints.ColumnTypes(name="discovered_vm_column_types"),
        ),
        migrations.RemoveConstraint(model_name="vmdisk", name="disk_column_types"),
        migrations.AddField(
            model_name="vmdisk",
            name="tracking_doubt",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why change tracking is not believed for it until the disk has been compared, or copied whole.",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmdisk",
            constraint=contexts.constraints.ColumnTypes(name="disk_column_types"),
        ),
    ]
