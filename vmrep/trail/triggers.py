"""What keeps the trail as it was written, whoever writes to the database: no row of it is changed
or removed, an event follows the head or is refused, and the head moves with it.

Only the oldest events can go: those up to `pruned_through`, which only grows
(`vmrep.trail.pruning`). As with the other triggers, `migrate` removes them first and installs them
afterwards (a table that is rebuilt loses them silently on SQLite), and `manage.py check --database
default` says when one is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.core import checks
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

EVENTS, HEAD = "audit_events", "audit_head"

# In the words of both databases: whether what a trigger is told of must be refused.
_IS_PRUNED = "OLD.number <= (SELECT pruned_through FROM audit_head)"
_HAS_HEAD = "EXISTS (SELECT 1 FROM audit_head)"
_FOLLOWS = (
    "EXISTS (SELECT 1 FROM audit_head"
    " WHERE number = NEW.number - 1 AND digest = NEW.previous_digest)"
)
_MOVES = (
    "NEW.number = OLD.number + 1 AND NEW.pruned_through = OLD.pruned_through"
    " AND NEW.pruned_digest = OLD.pruned_digest"
    " AND EXISTS (SELECT 1 FROM audit_events WHERE number = NEW.number AND digest = NEW.digest"
    " AND previous_digest = OLD.digest)"
)
_PRUNES = (
    "NEW.number = OLD.number AND NEW.digest = OLD.digest"
    " AND NEW.pruned_through > OLD.pruned_through"
    " AND EXISTS (SELECT 1 FROM audit_events WHERE number = NEW.pruned_through"
    " AND digest = NEW.pruned_digest)"
)
_ADVANCE = (
    "UPDATE audit_head SET number = NEW.number, digest = NEW.digest"
    " WHERE number = NEW.number - 1 AND digest = NEW.previous_digest"
)


class Trigger(NamedTuple):
    """`refused`: the condition under which the database refuses, with the trigger's name;
    `then`: what it does otherwise."""

    when: str
    table: str
    refused: str
    then: str = ""


TRIGGERS = {
    "audit_event_is_kept": Trigger("BEFORE DELETE", EVENTS, f"NOT ({_IS_PRUNED})"),
    "audit_event_is_never_changed": Trigger("BEFORE UPDATE", EVENTS, "1 = 1"),
    "audit_event_follows_the_head": Trigger("AFTER INSERT", EVENTS, f"NOT ({_FOLLOWS})", _ADVANCE),
    "audit_head_is_kept": Trigger("BEFORE DELETE", HEAD, "1 = 1"),
    "audit_head_is_the_only_one": Trigger("BEFORE INSERT", HEAD, _HAS_HEAD),
    "audit_head_moves_with_events": Trigger(
        "BEFORE UPDATE", HEAD, f"NOT (({_MOVES}) OR ({_PRUNES}))"
    ),
}
# On SQLite, a DELETE of everything tells the triggers of each row.
_TRUNCATING = {"audit_events_are_kept": EVENTS, "audit_head_stays": HEAD}


def statements(vendor: str) -> dict[str, list[str]]:
    """By the trigger's name: what makes it."""
    if vendor == "sqlite":
        return {name: [_sqlite(name, trigger)] for name, trigger in TRIGGERS.items()}
    made = {name: _postgresql(name, trigger) for name, trigger in TRIGGERS.items()}
    for name, table in _TRUNCATING.items():
        made[name] = [
            _function(name, f"{_raise(name)} RETURN NULL;"),
            f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {name}()",
        ]
    return made


def _sqlite(name: str, trigger: Trigger) -> str:
    then = f" {trigger.then};" if trigger.then else ""
    return (
        f"CREATE TRIGGER {name} {trigger.when} ON {trigger.table} FOR EACH ROW"
        f" BEGIN SELECT RAISE(ABORT, '{name}') WHERE {trigger.refused};{then} END"
    )


def _postgresql(name: str, trigger: Trigger) -> list[str]:
    then = f" {trigger.then};" if trigger.then else ""
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


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place. Without the two tables there is nothing to keep."""
    if not _has_tables(connection):
        return
    remove(connection)
    with connection.cursor() as cursor:
        for made in statements(connection.vendor).values():
            for statement in made:
                cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Remove every trigger; missing ones are no error."""
    if not _has_tables(connection):
        return
    tables = {name: trigger.table for name, trigger in TRIGGERS.items()} | _TRUNCATING
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        for name, table in tables.items():
            on_table = f" ON {table}" if is_postgresql else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The triggers that are missing, turned off, or do not do what this file says."""
    if not _has_tables(connection):
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
        for name, (first, *_) in statements(connection.vendor).items()
    }
    return [name for name, does in wanted.items() if present.get(name) != does]


def _has_tables(connection: BaseDatabaseWrapper) -> bool:
    return {EVENTS, HEAD} <= set(connection.introspection.table_names())


def remove_before_migrations(using: str, plan: Sequence[Any] = (), **signal: Any) -> None:
    """`pre_migrate`. If nothing is going to change, they stay, so that no moment is unguarded."""
    if plan:
        remove(connections[using])


def install_after_migrations(using: str, **signal: Any) -> None:
    """`post_migrate`, also after `flush`."""
    if missing(connections[using]):
        install(connections[using])


@checks.register(checks.Tags.database)
def check_triggers(databases: Sequence[str] | None = None, **options: Any) -> list[Any]:
    """A warning, not an error: `migrate` is the remedy, and would refuse to run on an error."""
    return [
        checks.Warning(
            f"The database lacks {', '.join(absent)}: whoever writes to it can change the audit"
            " trail.",
            hint="Run manage.py migrate, which installs them, then manage.py verify_audit.",
            id="trail.W001",
        )
        for alias in databases or ()
        if (absent := missing(connections[alias]))
    ]
