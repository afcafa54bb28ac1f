"""Jobs that compared whole disks, and read none for the first time, were called initial. (Apart
from the tables' change: PostgreSQL alters no table in a transaction that has written to it.)"""

from django.db import migrations
from django.db.models import Exists, OuterRef


def name_them(apps, schema_editor):
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
    dependencies = [("replication", "0003_job_error_codes_and_checksum_jobs")]

    operations = [migrations.RunPython(name_them, name_them_as_before)]
