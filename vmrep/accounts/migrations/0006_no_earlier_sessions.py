"""The sessions of earlier versions end with the update, and their table goes: it had the keys of
sessions as they are."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_sessions")]
    operations = [
        migrations.RunSQL("DROP TABLE IF EXISTS django_session", migrations.RunSQL.noop),
    ]
