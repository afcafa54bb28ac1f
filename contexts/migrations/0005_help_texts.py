"""Only texts for readers change (labels, help, messages): the database stays as it is."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0004_nfc"),
    ]

    operations = [
        migrations.AlterField(
            model_name="contextevent",
            name="new",
            field=models.CharField(
                blank=True, default="", max_length=255, verbose_name="new value"
            ),
        ),
        migrations.AlterField(
            model_name="contextevent",
            name="old",
            field=models.CharField(
                blank=True, default="", max_length=255, verbose_name="old value"
            ),
        ),
        migrations.AlterField(
            model_name="contextevent",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="events",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterField(
            model_name="contextevent",
            name="why",
            field=models.TextField(verbose_name="reason"),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="identity_rejected_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When an operator said that this is not the known VM that it looks like.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="moref",
            field=models.CharField(
                blank=True,
                default=None,
                help_text="vSphere's own reference, like vm-12.",
                max_length=255,
                null=True,
                verbose_name="Managed object",
            ),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="networks",
            field=models.JSONField(default=list, help_text="The network adapters as read."),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="vcenter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="discovered_vms",
                to="contexts.vcenter",
                verbose_name="vCenter",
            ),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="vm_name",
            field=models.TextField(
                blank=True,
                default=None,
                help_text="As people see it, with %2f decoded.",
                null=True,
                verbose_name="Name",
            ),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="vm_path",
            field=models.TextField(
                blank=True,
                default=None,
                help_text="/datacenter/vm/folder/name; a slash within a name is written as %2f.",
                null=True,
                verbose_name="Inventory path",
            ),
        ),
        migrations.AlterField(
            model_name="discovery",
            name="vcenter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="discoveries",
                to="contexts.vcenter",
                verbose_name="vCenter",
            ),
        ),
        migrations.AlterField(
            model_name="discovery",
            name="vms_seen",
            field=models.PositiveIntegerField(default=0, verbose_name="VMs seen"),
        ),
        migrations.AlterField(
            model_name="discovery",
            name="vms_total",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="VMs in total"),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="api_version",
            field=models.CharField(
                blank=True, default="", max_length=50, verbose_name="API version"
            ),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="fingerprint_sha256",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The pinned certificate's fingerprint: hexadecimal pairs with colons.",
                max_length=95,
                validators=[
                    django.core.validators.RegexValidator("^([0-9A-F]{2}:){31}[0-9A-F]{2}$")
                ],
                verbose_name="SHA-256 fingerprint",
            ),
        ),
        migrations.AlterField(
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
        migrations.AlterField(
            model_name="vcenter",
            name="instance_uuid",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The vCenter's own identity; any other at this address is refused.",
                max_length=64,
                verbose_name="instance UUID",
            ),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="password_encrypted",
            field=models.TextField(editable=False, verbose_name="encrypted password"),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="username",
            field=models.CharField(max_length=255, verbose_name="user name"),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="capacity_bytes",
            field=models.BigIntegerField(
                blank=True,
                editable=False,
                help_text="Of all disks that the VM has now; null while the size of any is unknown.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="context_id",
            field=models.CharField(
                max_length=120, primary_key=True, serialize=False, verbose_name="context ID"
            ),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="disk_count",
            field=models.PositiveIntegerField(
                db_default=0, editable=False, help_text="How many disks the VM has now."
            ),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="last_job_failed",
            field=models.BooleanField(
                db_default=False,
                editable=False,
                help_text="Whether the newest job failed, even if there are recovery points.",
            ),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="moref",
            field=models.CharField(
                blank=True,
                default=None,
                help_text="vSphere's own reference, like vm-12.",
                max_length=255,
                null=True,
                verbose_name="Managed object",
            ),
        ),
        migrations.AlterField(
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
        migrations.AlterField(
            model_name="vmcontext",
            name="vcenter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="contexts",
                to="contexts.vcenter",
                verbose_name="vCenter",
            ),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="vm_name",
            field=models.TextField(
                blank=True,
                default=None,
                help_text="As people see it, with %2f decoded.",
                null=True,
                verbose_name="Name",
            ),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="vm_path",
            field=models.TextField(
                blank=True,
                default=None,
                help_text="/datacenter/vm/folder/name; a slash within a name is written as %2f.",
                null=True,
                verbose_name="Inventory path",
            ),
        ),
        migrations.AlterField(
            model_name="vmdisk",
            name="accept_unprotected",
            field=models.BooleanField(
                default=False,
                help_text="An operator agreed to leave out this disk.",
                verbose_name="left out by agreement",
            ),
        ),
        migrations.AlterField(
            model_name="vmdisk",
            name="disk_id",
            field=models.CharField(
                help_text="disk-<device key>", max_length=30, verbose_name="disk ID"
            ),
        ),
        migrations.AlterField(
            model_name="vmdisk",
            name="disk_uuid",
            field=models.CharField(blank=True, max_length=255, null=True, verbose_name="disk UUID"),
        ),
        migrations.AlterField(
            model_name="vmdisk",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="disks",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterField(
            model_name="vmdisk",
            name="vmdk_path",
            field=models.TextField(blank=True, null=True, verbose_name="VMDK path"),
        ),
        migrations.AlterField(
            model_name="vmnetworkadapter",
            name="adapter_id",
            field=models.CharField(
                help_text="nic-<device key>", max_length=30, verbose_name="adapter ID"
            ),
        ),
        migrations.AlterField(
            model_name="vmnetworkadapter",
            name="ip_addresses",
            field=models.JSONField(blank=True, default=list, verbose_name="IP addresses"),
        ),
        migrations.AlterField(
            model_name="vmnetworkadapter",
            name="mac_address",
            field=models.CharField(
                blank=True, max_length=255, null=True, verbose_name="MAC address"
            ),
        ),
        migrations.AlterField(
            model_name="vmnetworkadapter",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="network_adapters",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.AlterConstraint(
            model_name="discovery",
            name="discovery_one_active_per_vcenter",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["pending", "running"])),
                fields=("vcenter",),
                name="discovery_one_active_per_vcenter",
                violation_error_message="A discovery of this vCenter is already running.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="vcenter",
            name="vcenter_address_once",
            constraint=models.UniqueConstraint(
                fields=("host", "port"),
                name="vcenter_address_once",
                violation_error_message="This vCenter has already been added.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="vcenter",
            name="vcenter_estate_once",
            constraint=models.UniqueConstraint(
                condition=models.Q(("instance_uuid", ""), _negated=True),
                fields=("instance_uuid",),
                name="vcenter_estate_once",
                violation_error_message="This vCenter has already been added under another address.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="vcenter",
            name="vcenter_host_once",
            constraint=models.UniqueConstraint(
                condition=models.Q(("host_uuid", ""), _negated=True),
                fields=("host_uuid",),
                name="vcenter_host_once",
                violation_error_message="This host has already been added under another address.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="vmcontext",
            name="context_identity_once",
            constraint=models.UniqueConstraint(
                fields=("vcenter", "vmware_vm_id"),
                name="context_identity_once",
                violation_error_message="This VM already has a context.",
            ),
        ),
    ]
