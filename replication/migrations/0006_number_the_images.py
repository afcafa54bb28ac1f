"""Numbers the images within their recovery points.

Apart from the schema's changes: PostgreSQL alters no table in a transaction that has written rows
whose foreign keys are still to be checked.
"""

from django.db import migrations


def number(apps, schema_editor):
    images = apps.get_model("replication", "DiskImage").objects.using(
        schema_editor.connection.alias
    )
    last = (None, 0)
    for pk, point, of_disks in (
        images.filter(recovery_point__isnull=False)
        .order_by("recovery_point_id", "id")
        .values_list("pk", "recovery_point_id", "recovery_point__disk_count")
    ):
        last = (point, last[1] + 1 if point == last[0] else 1)
        images.filter(pk=pk).update(position=last[1], of_disks=of_disks)


class Migration(migrations.Migration):
    dependencies = [("replication", "0005_more_rules")]

    operations = [migrations.RunPython(number, migrations.RunPython.noop)]
