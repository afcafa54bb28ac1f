"""The one rule that needs triggers: on SQLite no job exists without its context, even for a
program that has not turned foreign keys on.

SQLite enforces foreign keys per connection, and leaves them off unless the connection asks
(`PRAGMA foreign_keys=ON`, as Django does). These triggers act only where they are off: otherwise
the foreign key itself holds, at commit and whatever the order of statements, as on PostgreSQL
(which has no such switch and needs no triggers).

A table that a migration rebuilds loses its triggers silently, and a trigger elsewhere that
names it makes the rebuild fail. So `migrate` removes them first and installs them afterwards
(`replication.apps`); `manage.py check --database default` says when one is missing or is not what
this file says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

JOBS, CONTEXTS = "replication_jobs", "vm_replication_contexts"
MESSAGE = "job_belongs_to_a_context"

_UNGUARDED = "(SELECT foreign_keys FROM pragma_foreign_keys) = 0"
_NO_SUCH_CONTEXT = (
    "NOT EXISTS (SELECT 1 FROM vm_replication_contexts WHERE context_id = NEW.vm_context_id)"
)
_HAS_JOBS = "EXISTS (SELECT 1 FROM replication_jobs WHERE vm_context_id = OLD.context_id)"
# INSERT OR REPLACE and UPDATE OR REPLACE delete the row that is in the way, and tell no trigger:
# so a row with jobs must never be in the way, whichever unique columns conflict.
_REPLACES_ONE_WITH_JOBS = (
    "EXISTS (SELECT 1 FROM vm_replication_contexts AS other"
    " WHERE other.context_id <> NEW.context_id"
    " AND (other.vcenter_id = NEW.vcenter_id AND other.vmware_vm_id = NEW.vmware_vm_id"
    " OR other.current_job_id = NEW.current_job_id"
    " OR other.last_successful_job_id = NEW.last_successful_job_id"
    " OR other.rowid = NEW.rowid)"
    " AND EXISTS (SELECT 1 FROM replication_jobs WHERE vm_context_id = other.context_id))"
)


def _trigger(name: str, event: str, table: str, condition: str) -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE {event} ON {table}"
        f" WHEN {_UNGUARDED} AND {condition}"
        f" BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    )


TRIGGERS: dict[str, str] = {
    name: _trigger(name, event, table, condition)
    for name, event, table, condition in (
        ("job_inserted_has_context", "INSERT", JOBS, _NO_SUCH_CONTEXT),
        ("job_moved_has_context", "UPDATE OF vm_context_id", JOBS, _NO_SUCH_CONTEXT),
        ("context_deleted_has_no_jobs", "DELETE", CONTEXTS, _HAS_JOBS),
        (
            "context_renamed_has_no_jobs",
            "UPDATE OF context_id",
            CONTEXTS,
            f"NEW.context_id IS NOT OLD.context_id AND {_HAS_JOBS}",
        ),
        ("context_inserted_replaces_no_jobs", "INSERT", CONTEXTS, _REPLACES_ONE_WITH_JOBS),
        ("context_updated_replaces_no_jobs", "UPDATE", CONTEXTS, _REPLACES_ONE_WITH_JOBS),
    )
}


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place. Without the two tables there is nothing to guard."""
    if not _guards(connection):
        return
    remove(connection)
    with connection.cursor() as cursor:
        for statement in TRIGGERS.values():
            cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Remove every trigger; missing ones are no error."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        for name in TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The triggers that are missing or wrong."""
    if not _guards(connection):
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        present = dict(cursor.fetchall())
    return [name for name, statement in TRIGGERS.items() if present.get(name) != statement]


def _guards(connection: BaseDatabaseWrapper) -> bool:
    if connection.vendor != "sqlite":
        return False
    return {JOBS, CONTEXTS} <= set(connection.introspection.table_names())


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
            f"The database lacks {', '.join(absent)}: a program that writes to it without foreign"
            " keys can leave jobs without a context.",
            hint="Run manage.py migrate, which installs them.",
            id="replication.W001",
        )
        for alias in databases or ()
        if (absent := missing(connections[alias]))
    ]
