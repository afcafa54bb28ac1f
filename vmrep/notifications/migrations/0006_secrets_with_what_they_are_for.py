"""Settings of channels are encrypted together with the address that is shown for them."""

from django.db import migrations

from contexts import sealed_rows

COLUMN = "config_encrypted"


def seal(apps, schema_editor):
    table = apps.get_model("notifications", "Channel")
    sealed_rows.seal_older(table, COLUMN, ("kind", "address_shown"))


def unseal(apps, schema_editor):
    sealed_rows.unseal_all(apps.get_model("notifications", "Channel"), COLUMN)


class Migration(migrations.Migration):
    dependencies = [("notifications", "0005_groups_that_are_told_of")]

    operations = [migrations.RunPython(seal, unseal)]
