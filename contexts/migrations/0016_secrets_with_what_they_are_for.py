"""Passwords of vCenters are encrypted together with the address, the user and the trust."""

from django.db import migrations

from contexts import sealed_rows

COLUMN = "password_encrypted"


def seal(apps, schema_editor):
    names = ("host", "port", "username", "trust_mode", "fingerprint_sha256")
    sealed_rows.seal_older(apps.get_model("contexts", "VCenter"), COLUMN, names)


def unseal(apps, schema_editor):
    sealed_rows.unseal_all(apps.get_model("contexts", "VCenter"), COLUMN)


class Migration(migrations.Migration):
    dependencies = [("contexts", "0015_places_that_are_not_told")]

    operations = [migrations.RunPython(seal, unseal)]
