"""Figures of a context that the database itself keeps right, by triggers on the tables that they
are taken from: `newest_recovery_point_at` of its recovery points, `disk_count` and
`capacity_bytes` of its disks, `last_job_failed` of its jobs.

They are stored because lists of 10,000 VMs sort, filter and count by them. No code writes them, so
that none can forget to.

As with the triggers of `replication.triggers`, `migrate` removes them first and installs them
afterwards; `manage.py check --database default` says when one is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

CONTEXTS = "vm_replication_contexts"

_OF_POINTS = """
    newest_recovery_point_at = (
        SELECT max(consistent_at) FROM recovery_points
        WHERE vm_context_id = {context} AND state = 'available'
    )"""
# The capacity is known when that of each disk is; without a disk there is none.
_OF_DISKS = """
    disk_count = (
        SELECT count(*) FROM vm_disks WHERE vm_context_id = {context} AND removed_at IS NULL
    ),
    capacity_bytes = (
        SELECT CASE WHEN count(*) = count(capacity_bytes) THEN sum(capacity_bytes) END
        FROM vm_disks WHERE vm_context_id = {context} AND removed_at IS NULL
    )"""

_OF_JOBS = """
    last_job_failed = coalesce((
        SELECT status = 'failed' FROM replication_jobs
        WHERE vm_context_id = {context} ORDER BY created_at DESC, id DESC LIMIT 1
    ), false)"""
# A worker that claims a job holds no lock on its context, and must not wait for one: the job's
# row is locked after the context's everywhere. Whoever makes or fails a job holds it, and nobody
# else wants a job that is deleted.
_ABOUT_FAILURE = "WHEN (NEW.status = 'failed' OR OLD.status = 'failed')"


def _update(figures: str, context: str) -> str:
    changed = figures.format(context=context)
    return f"UPDATE {CONTEXTS} SET {changed} WHERE context_id = {context}"  # noqa: S608


def _triggers() -> dict[str, tuple[str, str, str]]:
    """By name: when it acts, on which table, and what it does then."""
    triggers = {}
    for table, figures, columns, about in (
        ("recovery_points", _OF_POINTS, "state, consistent_at, vm_context_id", ""),
        ("vm_disks", _OF_DISKS, "capacity_bytes, removed_at, vm_context_id", ""),
        ("replication_jobs", _OF_JOBS, "status, created_at, vm_context_id", _ABOUT_FAILURE),
    ):
        for event, when, condition, rows in (
            ("insert", "AFTER INSERT", "", ("NEW",)),
            ("update", f"AFTER UPDATE OF {columns}", about, ("OLD", "NEW")),
            ("delete", "AFTER DELETE", "", ("OLD",)),
        ):
            acts = f"{when} ON {table} FOR EACH ROW {condition}"
            body = "; ".join(_update(figures, f"{row}.vm_context_id") for row in rows)
            triggers[f"figures_{table}_{event}"] = (acts, table, f"{body};")
    return triggers


TRIGGERS = _triggers()
_COLUMNS = {"newest_recovery_point_at", "disk_count", "capacity_bytes", "last_job_failed"}


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place, unless the tables do not have the columns yet."""
    if not _has_columns(connection):
        return
    remove(connection)
    with connection.cursor() as cursor:
        for name, (when, _, body) in TRIGGERS.items():
            if connection.vendor == "postgresql":
                cursor.execute(
                    f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
                    f" AS $$ BEGIN {body} RETURN NULL; END $$"
                )
                body = f"EXECUTE FUNCTION {name}()"
            else:
                body = f"BEGIN {body} END"
            cursor.execute(f"CREATE TRIGGER {name} {when} {body}")


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take every trigger away. That one is missing is fine."""
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for name, (_, table, _) in TRIGGERS.items():
            if table in tables:
                of_table = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{of_table}")


def recompute(connection: BaseDatabaseWrapper) -> None:
    """Of all contexts, after rows were written without the triggers."""
    figures = f"{_OF_POINTS}, {_OF_DISKS}, {_OF_JOBS}".format(context=f"{CONTEXTS}.context_id")
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {CONTEXTS} SET {figures}")  # noqa: S608


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The triggers that are not there, or are switched off."""
    if not _has_columns(connection):
        return []
    query = (
        "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = {row[0] for row in cursor.fetchall()}
    return [name for name in TRIGGERS if name not in present]


def _has_columns(connection: BaseDatabaseWrapper) -> bool:
    """An earlier state of the migrations has not."""
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0"
        if connection.vendor == "postgresql"
        else "SELECT name FROM pragma_table_info(%s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [CONTEXTS])
        return {row[0] for row in cursor.fetchall()} >= _COLUMNS


def remove_before_migrations(using: str, plan: Sequence[Any] = (), **signal: Any) -> None:
    """`pre_migrate`. Where nothing is going to change they stay."""
    if plan:
        remove(connections[using])


def install_after_migrations(using: str, **signal: Any) -> None:
    """`post_migrate`, also after `flush`."""
    if missing(connections[using]):
        install(connections[using])


@checks.register(checks.Tags.database)
def check_figures(databases: Sequence[str] | None = None, **options: Any) -> list[Any]:
    """A warning, not an error: `migrate` is the remedy, and would refuse to run on an error."""
    return [
        checks.Warning(
            f"The database lacks the triggers {', '.join(absent)}: ages of recovery points, and"
            " sizes, may be out of date in lists.",
            hint="Run manage.py migrate: it installs them.",
            id="replication.W002",
        )
        for alias in databases or ()
        if (absent := missing(connections[alias]))
    ]
