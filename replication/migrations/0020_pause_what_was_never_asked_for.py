"""Who updates an installation that has VMs did not ask for them to be replicated by themselves: all
are paused until somebody ends that."""

from typing import Any

from django.db import migrations

REASON = "vmrep can now replicate by itself. Look at the policies, then end this pause."


def pause_all(apps: Any, schema_editor: Any) -> None:
    contexts = apps.get_model("contexts", "VMContext").objects.filter(unmanaged_at__isnull=True)
    if contexts.exists():
        apps.get_model("replication", "Pause").objects.create(
            kind="all", reason=REASON, paused_by="vmrep"
        )


class Migration(migrations.Migration):
    dependencies = [("replication", "0019_schedules_and_pauses")]

    operations = [migrations.RunPython(pause_all, migrations.RunPython.noop)]
