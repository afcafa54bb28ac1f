"""PostgreSQL without foreign keys and plain indexes while many rows are written, then with them.

So a million rows are checked, and sorted into each index, in one pass instead of one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from replication.database import figures

_FOREIGN_KEYS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s',
                  conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
"""
_PLAIN_INDEXES = """
    SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisunique AND relnamespace = current_schema()::regnamespace
"""


@contextmanager
def in_bulk() -> Iterator[None]:
    """One transaction: at its end every rule is back and has been checked, or nothing happened.

    Nobody else can use the tables meanwhile. SQLite cannot do this: there it is only a transaction.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            yield
            return
        figures.remove(connection)
        statements = []
        for query in (_FOREIGN_KEYS, _PLAIN_INDEXES):
            cursor.execute(query)
            statements += cursor.fetchall()
        for drop, _ in statements:
            cursor.execute(drop)
        yield
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        for _, make in reversed(statements):
            cursor.execute(make)
        # Without statistics about the new rows, the wrong indexes would be used.
        cursor.execute("ANALYZE")
        figures.recompute(connection)
        figures.install(connection)
