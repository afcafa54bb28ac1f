"""What a VM is. Links to jobs and what is counted follow in 0002: jobs refer to these tables."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    replaces = [
        ("contexts", "0001_initial"),
        ("contexts", "0003_rules_across_tables"),
        ("contexts", "0004_identity_changes"),
        ("contexts", "0005_more_rules"),
        ("contexts", "0006_column_types"),
        ("contexts", "0007_one_entry_per_vcenter_and_possible_targets"),
        ("contexts", "0008_many_contexts"),
        ("contexts", "0009_fill_figures_of_contexts"),
        ("contexts", "0010_one_name_for_not_replicated_yet"),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="VCenter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                ("host", models.CharField(help_text="Host name or IP address.", max_length=255)),
                (
                    "port",
                    models.PositiveIntegerField(
                        default=443,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(65535),
                        ],
                    ),
                ),
                ("username", models.CharField(max_length=255, verbose_name="user name")),
                (
                    "password_encrypted",
                    models.TextField(editable=False, verbose_name="encrypted password"),
                ),
                (
                    "trust_mode",
                    models.CharField(
                        choices=[
                            ("verify", "Verified against this machine's certificate authorities"),
                            ("pin", "Pinned to one certificate by its fingerprint"),
                            ("insecure", "Not checked (insecure)"),
                        ],
                        default="verify",
                        max_length=10,
                    ),
                ),
                (
                    "fingerprint_sha256",
                    models.CharField(
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
                (
                    "transport",
                    models.CharField(
                        choices=[
                            ("datastore", "Datastore files over HTTPS"),
                            ("vddk", "nbdkit with VMware's VDDK"),
                            ("nbd", "A command that serves NBD"),
                        ],
                        default="datastore",
                        max_length=20,
                    ),
                ),
                (
                    "instance_uuid",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The vCenter's own identity; any other at this address is refused.",
                        max_length=64,
                        verbose_name="instance UUID",
                    ),
                ),
                ("product", models.CharField(blank=True, default="", max_length=255)),
                (
                    "api_version",
                    models.CharField(
                        blank=True, default="", max_length=50, verbose_name="API version"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "vCenter",
                "verbose_name_plural": "vCenters",
                "db_table": "vcenters",
                "ordering": ["name"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="vcenter_column_types"),
                    models.UniqueConstraint(
                        fields=("host", "port"),
                        name="vcenter_address_once",
                        violation_error_message="This vCenter has already been added.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("name", ""), _negated=True),
                            models.Q(("host", ""), _negated=True),
                            models.Q(("username", ""), _negated=True),
                        ),
                        name="vcenter_is_named",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("instance_uuid", ""), _negated=True),
                        fields=("instance_uuid",),
                        name="vcenter_estate_once",
                        violation_error_message="This vCenter has already been added under another address.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("port__gte", 1), ("port__lte", 65535)),
                        name="vcenter_port_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("trust_mode__in", ["verify", "pin", "insecure"])),
                        name="vcenter_trust_mode_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("transport__in", ["datastore", "vddk", "nbd"])),
                        name="vcenter_transport_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("trust_mode", "pin"), _negated=True),
                            models.Q(("fingerprint_sha256", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="vcenter_pin_has_fingerprint",
                        violation_error_message="A pinned certificate needs its fingerprint.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Discovery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "vcenter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="discoveries",
                        to="contexts.vcenter",
                        verbose_name="vCenter",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("requested_by", models.CharField(blank=True, default="", max_length=150)),
                ("vms_seen", models.PositiveIntegerField(default=0, verbose_name="VMs seen")),
                (
                    "vms_total",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="VMs in total"),
                ),
                ("error_message", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name_plural": "discoveries",
                "db_table": "discoveries",
                "ordering": ["-id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="discovery_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["pending", "running", "completed", "failed"])
                        ),
                        name="discovery_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("completed_at__isnull", True),
                                ("status__in", ["pending", "running"]),
                            ),
                            models.Q(
                                models.Q(("status__in", ["pending", "running"]), _negated=True),
                                ("completed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="discovery_ended_has_its_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "failed"), _negated=True),
                            models.Q(("error_message", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="discovery_failed_says_why",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["pending", "running"])),
                        fields=("vcenter",),
                        name="discovery_one_active_per_vcenter",
                        violation_error_message="A discovery of this vCenter is already running.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DiscoveredVM",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "vm_name",
                    models.TextField(
                        blank=True,
                        default=None,
                        help_text="As people see it, with %2f decoded.",
                        null=True,
                        verbose_name="Name",
                    ),
                ),
                (
                    "moref",
                    models.CharField(
                        blank=True,
                        default=None,
                        help_text="vSphere's own reference, like vm-12.",
                        max_length=255,
                        null=True,
                        verbose_name="Managed object",
                    ),
                ),
                (
                    "bios_uuid",
                    models.CharField(
                        blank=True, default=None, max_length=64, null=True, verbose_name="BIOS UUID"
                    ),
                ),
                (
                    "vmx_path",
                    models.TextField(
                        blank=True, default=None, null=True, verbose_name="Configuration file"
                    ),
                ),
                (
                    "change_version",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=255,
                        null=True,
                        verbose_name="Configuration version",
                    ),
                ),
                (
                    "annotation",
                    models.TextField(blank=True, default=None, null=True, verbose_name="Notes"),
                ),
                (
                    "vm_path",
                    models.TextField(
                        blank=True,
                        default=None,
                        help_text="/datacenter/vm/folder/name; a slash within a name is written as %2f.",
                        null=True,
                        verbose_name="Inventory path",
                    ),
                ),
                (
                    "datacenter",
                    models.TextField(
                        blank=True, default=None, null=True, verbose_name="Datacenter"
                    ),
                ),
                (
                    "host_name",
                    models.TextField(blank=True, default=None, null=True, verbose_name="Host"),
                ),
                (
                    "cpu_count",
                    models.BigIntegerField(
                        blank=True, default=None, null=True, verbose_name="CPUs"
                    ),
                ),
                (
                    "cores_per_socket",
                    models.BigIntegerField(
                        blank=True, default=None, null=True, verbose_name="Cores per socket"
                    ),
                ),
                (
                    "memory_mb",
                    models.BigIntegerField(
                        blank=True, default=None, null=True, verbose_name="Memory"
                    ),
                ),
                (
                    "hardware_version",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=32,
                        null=True,
                        verbose_name="Hardware version",
                    ),
                ),
                (
                    "firmware",
                    models.CharField(
                        blank=True, default=None, max_length=32, null=True, verbose_name="Firmware"
                    ),
                ),
                (
                    "os_type",
                    models.TextField(
                        blank=True, default=None, null=True, verbose_name="Operating system"
                    ),
                ),
                (
                    "guest_id",
                    models.CharField(
                        blank=True, default=None, max_length=255, null=True, verbose_name="Guest ID"
                    ),
                ),
                (
                    "vm_tools_version",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=255,
                        null=True,
                        verbose_name="VMware Tools version",
                    ),
                ),
                (
                    "vm_tools_status",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=64,
                        null=True,
                        verbose_name="VMware Tools status",
                    ),
                ),
                (
                    "guest_hostname",
                    models.TextField(
                        blank=True, default=None, null=True, verbose_name="Guest host name"
                    ),
                ),
                (
                    "ip_addresses",
                    models.JSONField(
                        blank=True, default=None, null=True, verbose_name="IP addresses"
                    ),
                ),
                (
                    "power_state",
                    models.CharField(
                        blank=True, default=None, max_length=32, null=True, verbose_name="Power"
                    ),
                ),
                (
                    "connection_state",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=32,
                        null=True,
                        verbose_name="Connection",
                    ),
                ),
                (
                    "is_template",
                    models.BooleanField(
                        blank=True, default=None, null=True, verbose_name="Template"
                    ),
                ),
                (
                    "cbt_enabled",
                    models.BooleanField(
                        blank=True, default=None, null=True, verbose_name="Changed block tracking"
                    ),
                ),
                (
                    "snapshot_count",
                    models.BigIntegerField(
                        blank=True, default=None, null=True, verbose_name="Snapshots"
                    ),
                ),
                (
                    "consolidation_needed",
                    models.BooleanField(
                        blank=True, default=None, null=True, verbose_name="Consolidation needed"
                    ),
                ),
                (
                    "fault_tolerance_state",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=32,
                        null=True,
                        verbose_name="Fault tolerance",
                    ),
                ),
                (
                    "vcenter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="discovered_vms",
                        to="contexts.vcenter",
                        verbose_name="vCenter",
                    ),
                ),
                (
                    "vmware_vm_id",
                    models.CharField(
                        blank=True, max_length=64, null=True, verbose_name="instance UUID"
                    ),
                ),
                ("identity_problem", models.TextField(blank=True, default="")),
                (
                    "disks",
                    models.JSONField(
                        default=list, help_text="The disks as read, one object per disk."
                    ),
                ),
                (
                    "networks",
                    models.JSONField(default=list, help_text="The network adapters as read."),
                ),
                (
                    "identity_rejected_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When an operator said that this is another VM than the known one it looks like.",
                        null=True,
                    ),
                ),
                (
                    "refusals",
                    models.JSONField(
                        default=list,
                        help_text="Why a replication would be refused: code, reason, remedy.",
                    ),
                ),
                ("seen_at", models.DateTimeField()),
                ("gone_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "discovered VM",
                "db_table": "discovered_vms",
                "ordering": ["vcenter_id", "vm_name", "id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("gone_at__isnull", False)),
                        fields=["gone_at"],
                        name="discovered_vm_gone",
                    ),
                    models.Index(
                        condition=models.Q(("identity_rejected_at__isnull", False)),
                        fields=["identity_rejected_at"],
                        name="discovered_vm_rejected",
                    ),
                ],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="discovered_vm_column_types"),
                    models.UniqueConstraint(
                        fields=("vcenter", "vmware_vm_id"), name="discovered_vm_identity_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("gone_at__isnull", True)),
                        fields=("vcenter", "moref"),
                        name="discovered_vm_moref_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("cpu_count__gte", 0),
                            ("cpu_count__lte", 2147483647),
                            ("cores_per_socket__gte", 0),
                            ("cores_per_socket__lte", 2147483647),
                            ("memory_mb__gte", 0),
                            ("memory_mb__lte", 2147483647),
                            ("snapshot_count__gte", 0),
                            ("snapshot_count__lte", 2147483647),
                        ),
                        name="discovered_vm_specs_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("vmware_vm_id__isnull", True),
                                models.Q(("identity_problem", ""), _negated=True),
                            ),
                            models.Q(
                                ("vmware_vm_id__isnull", False),
                                models.Q(("vmware_vm_id", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="discovered_vm_identity_or_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VMContext",
            fields=[
                (
                    "vm_name",
                    models.TextField(
                        blank=True,
                        default=None,
                        help_text="As people see it, with %2f decoded.",
                        null=True,
                        verbose_name="Name",
                    ),
                ),
                (
                    "moref",
                    models.CharField(
                        blank=True,
                        default=None,
                        help_text="vSphere's own reference, like vm-12.",
                        max_length=255,
                        null=True,
                        verbose_name="Managed object",
                    ),
                ),
                (
                    "bios_uuid",
                    models.CharField(
                        blank=True, default=None, max_length=64, null=True, verbose_name="BIOS UUID"
                    ),
                ),
                (
                    "vmx_path",
                    models.TextField(
                        blank=True, default=None, null=True, verbose_name="Configuration file"
                    ),
                ),
                (
                    "change_version",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=255,
                        null=True,
                        verbose_name="Configuration version",
                    ),
                ),
                (
                    "annotation",
                    models.TextField(blank=True, default=None, null=True, verbose_name="Notes"),
                ),
                (
                    "vm_path",
                    models.TextField(
                        blank=True,
                        default=None,
                        help_text="/datacenter/vm/folder/name; a slash within a name is written as %2f.",
                        null=True,
                        verbose_name="Inventory path",
                    ),
                ),
                (
                    "datacenter",
                    models.TextField(
                        blank=True, default=None, null=True, verbose_name="Datacenter"
                    ),
                ),
                (
                    "host_name",
                    models.TextField(blank=True, default=None, null=True, verbose_name="Host"),
                ),
                (
                    "cpu_count",
                    models.BigIntegerField(
                        blank=True, default=None, null=True, verbose_name="CPUs"
                    ),
                ),
                (
                    "cores_per_socket",
                    models.BigIntegerField(
                        blank=True, default=None, null=True, verbose_name="Cores per socket"
                    ),
                ),
                (
                    "memory_mb",
                    models.BigIntegerField(
                        blank=True, default=None, null=True, verbose_name="Memory"
                    ),
                ),
                (
                    "hardware_version",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=32,
                        null=True,
                        verbose_name="Hardware version",
                    ),
                ),
                (
                    "firmware",
                    models.CharField(
                        blank=True, default=None, max_length=32, null=True, verbose_name="Firmware"
                    ),
                ),
                (
                    "os_type",
                    models.TextField(
                        blank=True, default=None, null=True, verbose_name="Operating system"
                    ),
                ),
                (
                    "guest_id",
                    models.CharField(
                        blank=True, default=None, max_length=255, null=True, verbose_name="Guest ID"
                    ),
                ),
                (
                    "vm_tools_version",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=255,
                        null=True,
                        verbose_name="VMware Tools version",
                    ),
                ),
                (
                    "vm_tools_status",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=64,
                        null=True,
                        verbose_name="VMware Tools status",
                    ),
                ),
                (
                    "guest_hostname",
                    models.TextField(
                        blank=True, default=None, null=True, verbose_name="Guest host name"
                    ),
                ),
                (
                    "ip_addresses",
                    models.JSONField(
                        blank=True, default=None, null=True, verbose_name="IP addresses"
                    ),
                ),
                (
                    "power_state",
                    models.CharField(
                        blank=True, default=None, max_length=32, null=True, verbose_name="Power"
                    ),
                ),
                (
                    "connection_state",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=32,
                        null=True,
                        verbose_name="Connection",
                    ),
                ),
                (
                    "is_template",
                    models.BooleanField(
                        blank=True, default=None, null=True, verbose_name="Template"
                    ),
                ),
                (
                    "cbt_enabled",
                    models.BooleanField(
                        blank=True, default=None, null=True, verbose_name="Changed block tracking"
                    ),
                ),
                (
                    "snapshot_count",
                    models.BigIntegerField(
                        blank=True, default=None, null=True, verbose_name="Snapshots"
                    ),
                ),
                (
                    "consolidation_needed",
                    models.BooleanField(
                        blank=True, default=None, null=True, verbose_name="Consolidation needed"
                    ),
                ),
                (
                    "fault_tolerance_state",
                    models.CharField(
                        blank=True,
                        default=None,
                        max_length=32,
                        null=True,
                        verbose_name="Fault tolerance",
                    ),
                ),
                (
                    "context_id",
                    models.CharField(
                        max_length=120, primary_key=True, serialize=False, verbose_name="context ID"
                    ),
                ),
                (
                    "vcenter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contexts",
                        to="contexts.vcenter",
                        verbose_name="vCenter",
                    ),
                ),
                ("vmware_vm_id", models.CharField(max_length=64, verbose_name="instance UUID")),
                (
                    "current_status",
                    models.CharField(
                        choices=[
                            ("discovered", "Not replicated yet"),
                            ("replicating", "Replicating"),
                            ("ready_for_failover", "Ready for failover"),
                            ("failed", "Failed"),
                        ],
                        default="discovered",
                        max_length=20,
                    ),
                ),
                ("total_jobs_run", models.PositiveIntegerField(default=0)),
                ("successful_jobs", models.PositiveIntegerField(default=0)),
                ("failed_jobs", models.PositiveIntegerField(default=0)),
                ("cancelled_jobs", models.PositiveIntegerField(default=0)),
                (
                    "rpo_target_seconds",
                    models.PositiveIntegerField(
                        blank=True,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(31622400),
                        ],
                        verbose_name="RPO target (seconds)",
                    ),
                ),
                ("unmanaged_at", models.DateTimeField(blank=True, null=True)),
                ("first_job_at", models.DateTimeField(blank=True, null=True)),
                ("last_job_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_status_change",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "VM context",
                "db_table": "vm_replication_contexts",
                "ordering": ["vm_name", "context_id"],
                "indexes": [
                    models.Index(fields=["vcenter", "moref"], name="context_of_moref"),
                    models.Index(fields=["updated_at"], name="context_newest_change"),
                    models.Index(
                        django.db.models.functions.text.Left("vm_name", 200),
                        models.F("context_id"),
                        condition=models.Q(("unmanaged_at__isnull", True)),
                        name="context_by_name",
                    ),
                    models.Index(
                        django.db.models.functions.text.Left("os_type", 200),
                        condition=models.Q(("unmanaged_at__isnull", True)),
                        name="context_by_os",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("vcenter", "vmware_vm_id"),
                        name="context_identity_once",
                        violation_error_message="This VM already has a context.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("context_id", ""), _negated=True),
                            models.Q(("vmware_vm_id", ""), _negated=True),
                        ),
                        name="context_has_identity",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("cpu_count__gte", 0),
                            ("cpu_count__lte", 2147483647),
                            ("cores_per_socket__gte", 0),
                            ("cores_per_socket__lte", 2147483647),
                            ("memory_mb__gte", 0),
                            ("memory_mb__lte", 2147483647),
                            ("snapshot_count__gte", 0),
                            ("snapshot_count__lte", 2147483647),
                        ),
                        name="context_specs_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("rpo_target_seconds__isnull", True),
                            models.Q(
                                ("rpo_target_seconds__gte", 1),
                                ("rpo_target_seconds__lte", 31622400),
                            ),
                            _connector="OR",
                        ),
                        name="context_rpo_target_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "current_status__in",
                                ["discovered", "replicating", "ready_for_failover", "failed"],
                            )
                        ),
                        name="context_status_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VMDisk",
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="disks",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                (
                    "disk_id",
                    models.CharField(
                        help_text="disk-<device key>", max_length=30, verbose_name="disk ID"
                    ),
                ),
                ("device_key", models.IntegerField()),
                (
                    "disk_uuid",
                    models.CharField(
                        blank=True, max_length=255, null=True, verbose_name="disk UUID"
                    ),
                ),
                ("label", models.TextField(blank=True, null=True)),
                ("capacity_bytes", models.BigIntegerField(blank=True, null=True)),
                ("vmdk_path", models.TextField(blank=True, null=True, verbose_name="VMDK path")),
                ("datastore", models.TextField(blank=True, null=True)),
                ("backing_type", models.CharField(blank=True, max_length=60, null=True)),
                ("provisioning_type", models.CharField(blank=True, max_length=20, null=True)),
                ("disk_mode", models.CharField(blank=True, max_length=40, null=True)),
                ("sharing", models.CharField(blank=True, max_length=40, null=True)),
                ("controller_type", models.CharField(blank=True, max_length=60, null=True)),
                (
                    "unprotected_reason",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Why this disk cannot be replicated; empty if it can.",
                    ),
                ),
                (
                    "accept_unprotected",
                    models.BooleanField(
                        default=False,
                        help_text="An operator agreed to leave out this disk.",
                        verbose_name="left out by agreement",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "disk",
                "db_table": "vm_disks",
                "ordering": ["vm_context_id", "device_key", "id"],
                "indexes": [models.Index(fields=["updated_at"], name="disk_newest_change")],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="disk_column_types"),
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at__isnull", True)),
                        fields=("vm_context", "disk_id"),
                        name="disk_key_once_per_context",
                    ),
                    models.UniqueConstraint(
                        fields=("id", "vm_context"), name="disk_with_its_context"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "disk_id",
                                django.db.models.functions.text.Concat(
                                    models.Value("disk-"),
                                    django.db.models.functions.comparison.Cast(
                                        models.F("device_key"), models.CharField()
                                    ),
                                ),
                            )
                        ),
                        name="disk_id_is_its_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("capacity_bytes__gt", 0)), name="disk_capacity_possible"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VMNetworkAdapter",
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="network_adapters",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                (
                    "adapter_id",
                    models.CharField(
                        help_text="nic-<device key>", max_length=30, verbose_name="adapter ID"
                    ),
                ),
                ("device_key", models.IntegerField()),
                ("label", models.TextField(blank=True, null=True)),
                (
                    "mac_address",
                    models.CharField(
                        blank=True, max_length=255, null=True, verbose_name="MAC address"
                    ),
                ),
                ("network_name", models.TextField(blank=True, null=True)),
                ("adapter_type", models.CharField(blank=True, max_length=60, null=True)),
                ("connected", models.BooleanField(blank=True, null=True)),
                (
                    "ip_addresses",
                    models.JSONField(blank=True, default=list, verbose_name="IP addresses"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "network adapter",
                "db_table": "vm_network_adapters",
                "ordering": ["vm_context_id", "device_key", "id"],
                "indexes": [models.Index(fields=["updated_at"], name="adapter_newest_change")],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="adapter_column_types"),
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at__isnull", True)),
                        fields=("vm_context", "adapter_id"),
                        name="adapter_key_once_per_context",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "adapter_id",
                                django.db.models.functions.text.Concat(
                                    models.Value("nic-"),
                                    django.db.models.functions.comparison.Cast(
                                        models.F("device_key"), models.CharField()
                                    ),
                                ),
                            )
                        ),
                        name="adapter_id_is_its_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ContextEvent",
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                ("actor", models.CharField(max_length=150)),
                (
                    "old",
                    models.CharField(
                        blank=True, default="", max_length=255, verbose_name="old value"
                    ),
                ),
                (
                    "new",
                    models.CharField(
                        blank=True, default="", max_length=255, verbose_name="new value"
                    ),
                ),
                ("why", models.TextField(verbose_name="reason")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "db_table": "context_events",
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("actor", ""), _negated=True),
                            models.Q(("why", ""), _negated=True),
                        ),
                        name="event_says_who_and_why",
                    )
                ],
            },
        ),
    ]
