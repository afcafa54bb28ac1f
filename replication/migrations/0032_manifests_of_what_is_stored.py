"""Repositories of earlier versions get the manifests of their VMs by and by, from workers."""

from typing import Any

from django.db import migrations


def expect_all(apps: Any, schema_editor: Any) -> None:
    points = apps.get_model("replication", "RecoveryPoint").objects.filter(
        state__in=["available", "expiring"], repository__removed_at__isnull=True
    )
    manifests = apps.get_model("replication", "ReplicaManifest").objects
    manifests.bulk_create(
        (
            manifests.model(repository_id=repository, vm_context_id=context)
            for repository, context in points.order_by()
            .values_list("repository", "vm_context")
            .distinct()
        ),
        batch_size=1000,
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("replication", "0031_what_repositories_say_of_themselves")]

    operations = [migrations.RunPython(expect_all, migrations.RunPython.noop)]
