"""Triggers that refuse, or go on: written once in the words of both databases.

A table that a migration rebuilds loses its triggers silently on SQLite, and a trigger elsewhere
that names it makes the rebuild fail. So `migrate` removes them first and installs them afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


class Trigger(NamedTuple):
    """`refused`: the condition under which the database refuses, with the trigger's name;
    `then`: statements that it does otherwise."""

    when: str
    table: str
    refused: str = "1 = 0"
    then: tuple[str, ...] = ()


class Guard:
    """Some triggers, and the tables that they need. `truncating`: by name the tables that must not
    be emptied at once either. (On SQLite, a DELETE of everything tells the triggers of each row.)
    """

    def __init__(
        self,
        tables: Sequence[str],
        triggers: Mapping[str, Trigger],
        truncating: Mapping[str, str],
    ) -> None:
        self.tables, self.triggers, self._truncating = frozenset(tables), triggers, truncating

    def statements(self, vendor: str) -> dict[str, list[str]]:
        """By the trigger's name: what makes it."""
        if vendor == "sqlite":
            return {name: [_sqlite(name, trigger)] for name, trigger in self.triggers.items()}
        made = {name: _postgresql(name, trigger) for name, trigger in self.triggers.items()}
        for name, table in self._truncating.items():
            made[name] = [
                _function(name, f"{_raise(name)} RETURN NULL;"),
                f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {name}()",
            ]
        return made

    def install(self, connection: BaseDatabaseWrapper) -> None:
        """Put every trigger in place. Without all tables there is nothing to keep."""
        if not self.has_tables(connection):
            return
        self.remove(connection)
        with connection.cursor() as cursor:
            for made in self.statements(connection.vendor).values():
                for statement in made:
                    cursor.execute(statement)

    def remove(self, connection: BaseDatabaseWrapper) -> None:
        """Remove every trigger; missing ones are no error."""
        if not self.has_tables(connection):
            return
        tables = {name: trigger.table for name, trigger in self.triggers.items()}
        is_postgresql = connection.vendor == "postgresql"
        with connection.cursor() as cursor:
            for name, table in {**tables, **self._truncating}.items():
                on_table = f" ON {table}" if is_postgresql else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")

    def missing(self, connection: BaseDatabaseWrapper) -> list[str]:
        """The triggers that are missing, turned off, or do not do what they should."""
        if not self.has_tables(connection):
            return []
        is_postgresql = connection.vendor == "postgresql"
        query = (
            "SELECT tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE tgenabled IN ('O', 'A')"
            if is_postgresql
            else "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        )
        with connection.cursor() as cursor:
            cursor.execute(query)
            present = dict(cursor.fetchall())
        wanted = {
            name: first.split("$$")[1] if is_postgresql else first
            for name, (first, *_) in self.statements(connection.vendor).items()
        }
        return [name for name, does in wanted.items() if present.get(name) != does]

    def has_tables(self, connection: BaseDatabaseWrapper) -> bool:
        return self.tables <= set(connection.introspection.table_names())

    def remove_before_migrations(self, using: str, plan: Sequence[Any] = (), **signal: Any) -> None:
        """`pre_migrate`. If nothing is going to change, they stay: no moment is unguarded."""
        if plan:
            self.remove(connections[using])

    def install_after_migrations(self, using: str, **signal: Any) -> None:
        """`post_migrate`, also after `flush`."""
        if self.missing(connections[using]):
            self.install(connections[using])


def _sqlite(name: str, trigger: Trigger) -> str:
    then = "".join(f" {statement};" for statement in trigger.then)
    return (
        f"CREATE TRIGGER {name} {trigger.when} ON {trigger.table} FOR EACH ROW"
        f" BEGIN SELECT RAISE(ABORT, '{name}') WHERE {trigger.refused};{then} END"
    )


def _postgresql(name: str, trigger: Trigger) -> list[str]:
    then = "".join(f" {statement};" for statement in trigger.then)
    row = "OLD" if "DELETE" in trigger.when else "NEW"
    body = f"IF {trigger.refused} THEN {_raise(name)} END IF;{then} RETURN {row};"
    return [
        _function(name, body),
        f"CREATE TRIGGER {name} {trigger.when} ON {trigger.table} FOR EACH ROW"
        f" EXECUTE FUNCTION {name}()",
    ]


def _function(name: str, body: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$BEGIN {body} END$$"
    )


def _raise(name: str) -> str:
    return f"RAISE EXCEPTION '{name}' USING ERRCODE = '23514', CONSTRAINT = '{name}';"
