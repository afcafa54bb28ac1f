"""Keys that tell of which table they are."""

from __future__ import annotations

from django.db import connection
from django.db.models import AutoField

from tests.database.scratch import models

APART = 10_000


def spread() -> None:
    """Within a transaction: from now on rows of different tables get keys that differ."""
    tables = sorted(
        model._meta.db_table for model in models() if isinstance(model._meta.pk, AutoField)
    )
    with connection.cursor() as cursor:
        for number, table in enumerate(tables, start=1):
            if connection.vendor == "postgresql":
                name = f"pg_get_serial_sequence('{table}', 'id')"
                cursor.execute(f"SELECT setval({name}, %s)", [number * APART])
            else:
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)",
                    [table, number * APART],
                )
