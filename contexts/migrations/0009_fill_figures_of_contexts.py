"""The figures that the database keeps from here on (replication/database/figures.py), of what is there."""

from django.db import migrations

FILL = """
    UPDATE vm_replication_contexts SET
    newest_recovery_point_at = (
        SELECT max(consistent_at) FROM recovery_points
        WHERE vm_context_id = vm_replication_contexts.context_id AND state = 'available'
    ),
    disk_count = (
        SELECT count(*) FROM vm_disks
        WHERE vm_context_id = vm_replication_contexts.context_id AND removed_at IS NULL
    ),
    capacity_bytes = (
        SELECT CASE WHEN count(*) = count(*) FILTER (WHERE capacity_bytes < 36028797018963968)
        THEN sum(capacity_bytes) FILTER (WHERE capacity_bytes < 36028797018963968) END
        FROM vm_disks
        WHERE vm_context_id = vm_replication_contexts.context_id AND removed_at IS NULL
    ),
    last_job_failed = coalesce((
        SELECT status = 'failed' FROM replication_jobs
        WHERE vm_context_id = vm_replication_contexts.context_id
        ORDER BY created_at DESC, id DESC LIMIT 1
    ), false)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0008_many_contexts"),
        ("replication", "0001_initial"),
    ]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
