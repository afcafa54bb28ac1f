"""The tokens of earlier versions, which were stored in clear, stay valid as digests; their table
goes, with what it held."""

from django.db import migrations
from django.utils.crypto import salted_hmac

OLD = "authtoken_token"
SALT = "vmrep.accounts.token"


def keep_as_digests(apps, schema_editor):
    connection = schema_editor.connection
    if OLD not in connection.introspection.table_names():
        return
    tokens = apps.get_model("accounts", "Token").objects
    with connection.cursor() as cursor:
        cursor.execute('SELECT "key", user_id, created FROM authtoken_token')
        rows = cursor.fetchall()
    for key, user_id, made_at in rows:
        token = tokens.create(
            user_id=user_id,
            name="before roles",
            scope="danger",  # whoever had one could do everything
            digest=salted_hmac(SALT, key, algorithm="sha256").hexdigest(),
            prefix=key[:6],
            origin="earlier",
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE api_tokens SET created_at = %s WHERE id = %s", [made_at, token.pk]
            )


def forget_the_keys(apps, schema_editor):
    connection = schema_editor.connection
    if OLD not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA secure_delete = ON")  # else they stay in the file's free pages
        cursor.execute("DELETE FROM authtoken_token")
        cursor.execute("DROP TABLE authtoken_token")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_tokens")]
    operations = [
        migrations.RunPython(keep_as_digests, migrations.RunPython.noop),
        migrations.RunPython(forget_the_keys, migrations.RunPython.noop),
    ]
