"""Checks of the database itself: damage, and rules that are gone."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import WARNING, Tags, run_checks
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import (
    Model,
)

from contexts.constraints import ColumnTypes
from replication.integrity.findings import Code, Finding, Scope, SecondLook, check
from replication.integrity.rules import models

DATABASE_DAMAGED = Code(
    "database_damaged",
    "Stop vmrep and restore the database from a backup, or correct the named rows.",
)
CONSTRAINT_MISSING = Code(
    "constraint_missing",
    "The database no longer enforces this rule. Recreate the constraint as the migrations did; "
    "`manage.py migrate` on an empty database shows how.",
)

SYSTEM_CHECK_FAILED = Code(
    "system_check_failed", "`manage.py check --database default` reports the same, with a hint."
)


@check(DATABASE_DAMAGED, second_look=SecondLook.NONE)
def database_damaged(scope: Scope) -> Iterator[Finding]:
    """The database's own checks; on PostgreSQL every rule of the catalogue is checked again."""
    found = _sqlite() if connection.vendor == "sqlite" else _postgresql()
    for line in found:
        yield DATABASE_DAMAGED.finding(line, key=line)


def _sqlite() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        yield from [f"integrity_check: {row[0]}" for row in cursor.fetchall() if row[0] != "ok"]


def _postgresql() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRESQL_RULES)
        for name, table, count in cursor.fetchall():
            cursor.execute(count)
            (violations,) = cursor.fetchone()
            if violations:
                yield f"{table}: {violations} rows violate {name}."


# A row for each CHECK and foreign key that the models do not name (Django makes them from the
# fields): its name, its table, and the query that counts the rows that violate it.
_POSTGRESQL_RULES = """
SELECT conname, conrelid::regclass::text,
       CASE contype
       WHEN 'c' THEN
           format('SELECT count(*) FROM %s WHERE NOT (%s)',
                  conrelid::regclass, pg_get_expr(conbin, conrelid))
       ELSE
           format('SELECT count(*) FROM %s here WHERE %s AND NOT EXISTS'
                  ' (SELECT FROM %s there WHERE %s)',
                  conrelid::regclass,
                  (SELECT string_agg(format('here.%I IS NOT NULL', a.attname), ' AND ')
                     FROM unnest(conkey) AS k
                     JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k),
                  confrelid::regclass,
                  (SELECT string_agg(format('here.%I = there.%I', a.attname, b.attname), ' AND ')
                     FROM unnest(conkey, confkey) AS k(here, there)
                     JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.here
                     JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = k.there))
       END
  FROM pg_constraint
 WHERE contype IN ('c', 'f') AND connamespace = current_schema()::regnamespace
"""


@check(CONSTRAINT_MISSING, second_look=SecondLook.NONE)
def constraint_missing(scope: Scope) -> Iterator[Finding]:
    """Checks that the database's catalogue has every rule of the models, under its name."""
    for model in models():
        present = _rules_in_database(model)
        for rule in model._meta.constraints:
            if isinstance(rule, ColumnTypes) and connection.vendor != "sqlite":
                continue  # the columns have their types there
            if rule.name not in present:
                yield CONSTRAINT_MISSING.finding(
                    f"{model._meta.db_table} has no {rule.name} in the database.", key=rule.name
                )


@check(SYSTEM_CHECK_FAILED, second_look=SecondLook.NONE)
def system_check_failed(scope: Scope) -> Iterator[Finding]:
    """What Django's system checks say about the database, for example about triggers."""
    for message in run_checks(tags=[Tags.database], databases=[DEFAULT_DB_ALIAS]):
        if message.is_serious(WARNING):
            yield SYSTEM_CHECK_FAILED.finding(
                f"{message.msg} ({message.id})", key=message.msg, remedy=message.hint
            )


def _rules_in_database(model: type[Model]) -> set[str]:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND convalidated"
                " UNION SELECT indexrelid::regclass::text FROM pg_index"
                " WHERE indrelid = %s::regclass AND indisunique AND indisvalid",
                [table, table],
            )
            return {name.strip('"') for (name,) in cursor.fetchall()}
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL"
            " AND type IN ('table', 'index')",
            [table],
        )
        written = "\n".join(sql for (sql,) in cursor.fetchall())
    # SQLite has no catalogue of constraints: each stands by its name in the table's statement.
    return {rule.name for rule in model._meta.constraints if f'"{rule.name}"' in written}
