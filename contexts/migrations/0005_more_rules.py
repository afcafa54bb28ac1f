import django.db.models.functions.comparison
import django.db.models.functions.text
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0004_identity_changes"),
        ("replication", "0004_integrity_runs"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="contextevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("actor", ""), _negated=True), models.Q(("why", ""), _negated=True)
                ),
                name="event_says_who_and_why",
            ),
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
        migrations.AddConstraint(
            model_name="discoveredvm",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="discoveredvm",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="discovery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("completed_at__isnull", True), ("status__in", ["pending", "running"])
                    ),
                    models.Q(
                        models.Q(("status__in", ["pending", "running"]), _negated=True),
                        ("completed_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="discovery_ended_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="discovery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "failed"), _negated=True),
                    models.Q(("error_message", ""), _negated=True),
                    _connector="OR",
                ),
                name="discovery_failed_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("name", ""), _negated=True),
                    models.Q(("host", ""), _negated=True),
                    models.Q(("username", ""), _negated=True),
                ),
                name="vcenter_is_named",
            ),
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
                    models.Q(("context_id", ""), _negated=True),
                    models.Q(("vmware_vm_id", ""), _negated=True),
                ),
                name="context_has_identity",
            ),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=models.CheckConstraint(
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
            model_name="vmdisk",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="vmnetworkadapter",
            constraint=models.CheckConstraint(
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
        ),
    ]
