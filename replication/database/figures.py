"""Figures of a context that the database itself maintains, by triggers on their source tables:
four from its recovery points, three from its disks, `last_job_failed` from its jobs.

They are stored because lists of 10,000 VMs sort, filter and count by them. No code writes them, so
none can forget to; the triggers correct any other value within the same statement.

As with the triggers of `replication.database.triggers`, `migrate` removes them first and installs
them afterwards; `manage.py check --database default` says when one is missing, and
`check_integrity` when a figure is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.core import checks
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

CONTEXTS = "vm_replication_contexts"

_AVAILABLE = "FROM recovery_points WHERE vm_context_id = {context} AND state = 'available'"
_NEWEST = f"{_AVAILABLE} ORDER BY consistent_at DESC, id DESC LIMIT 1"
_DISKS = "FROM vm_disks WHERE vm_context_id = {context} AND removed_at IS NULL"
# The size of a disk that claims more than 32 PiB counts as unknown, so no sum is too large.
_KNOWN = f"FILTER (WHERE capacity_bytes < {1 << 55})"

FIGURES = {
    "newest_recovery_point_at": f"(SELECT max(consistent_at) {_AVAILABLE})",
    "usable_recovery_point_at": f"""(
        SELECT max(consistent_at) {_AVAILABLE} AND damaged_at IS NULL)""",
    "newest_point_damaged": f"coalesce((SELECT damaged_at IS NOT NULL {_NEWEST}), false)",
    "newest_point_repository_id": f"(SELECT repository_id {_NEWEST})",
    "undecided_disk_count": f"""(
        SELECT count(*) {_DISKS} AND unprotected_reason <> '' AND NOT accept_unprotected)""",
    "disk_count": f"(SELECT count(*) {_DISKS})",
    # Known when the size of each disk is known; null without disks.
    "capacity_bytes": f"""(
        SELECT CASE WHEN count(*) = count(*) {_KNOWN} THEN sum(capacity_bytes) {_KNOWN} END
        {_DISKS})""",
    "last_job_failed": """coalesce((
        SELECT status = 'failed' FROM replication_jobs
        WHERE vm_context_id = {context} ORDER BY created_at DESC, id DESC LIMIT 1), false)""",
}
"""By column: what it must be, in SQL, for the context whose key replaces {context}."""

# A worker that claims a job holds no lock on its context and must not wait for one: everywhere, the
# job's row is locked after the context's. Whoever makes or fails a job holds that lock, and nobody
# else wants a job that is being deleted.
_ABOUT_FAILURE = "WHEN (NEW.status = 'failed' OR OLD.status = 'failed')"

_TAKEN_FROM = (
    (
        "recovery_points",
        [
            *("newest_recovery_point_at", "usable_recovery_point_at"),
            *("newest_point_damaged", "newest_point_repository_id"),
        ],
        "state, consistent_at, vm_context_id, damaged_at, repository_id",
        "",
    ),
    (
        "vm_disks",
        ["disk_count", "capacity_bytes", "undecided_disk_count"],
        "capacity_bytes, removed_at, vm_context_id, unprotected_reason, accept_unprotected",
        "",
    ),
    ("replication_jobs", ["last_job_failed"], "status, created_at, vm_context_id", _ABOUT_FAILURE),
)


class Trigger(NamedTuple):
    """Its table, when it acts, and which figures of which contexts it then corrects."""

    table: str
    when: str
    figures: Sequence[str]
    contexts: Sequence[str]


def _triggers() -> dict[str, Trigger]:
    triggers = {}
    for table, names, columns, about in _TAKEN_FROM:
        old, new = "OLD.vm_context_id", "NEW.vm_context_id"
        for event, when, contexts in (
            ("insert", f"AFTER INSERT ON {table} FOR EACH ROW", (new,)),
            ("update", f"AFTER UPDATE OF {columns} ON {table} FOR EACH ROW {about}", (old, new)),
            ("delete", f"AFTER DELETE ON {table} FOR EACH ROW", (old,)),
        ):
            triggers[f"figures_{table}_{event}"] = Trigger(table, when, names, contexts)
    for event, on in (("insert", "INSERT"), ("update", f"UPDATE OF {', '.join(FIGURES)}")):
        when = f"AFTER {on} ON {CONTEXTS} FOR EACH ROW"
        triggers[f"figures_kept_{event}"] = Trigger(CONTEXTS, when, [*FIGURES], ("NEW.context_id",))
    return triggers


TRIGGERS = _triggers()


def _acts(trigger: Trigger, vendor: str) -> str:
    """Statements that correct the figures where they are wrong; right ones are not written.

    On PostgreSQL a statement sees what was committed before it began: an UPDATE that has to wait
    for another transaction would count without that transaction's rows. So the wait comes first,
    and the UPDATE is a separate statement, which sees them.
    """
    lock = f"PERFORM 1 FROM {CONTEXTS} WHERE context_id = {{context}} FOR NO KEY UPDATE; "
    differs = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
    sets = ", ".join(f"{name} = {FIGURES[name]}" for name in trigger.figures)
    wrong = " OR ".join(f"{name} {differs} {FIGURES[name]}" for name in trigger.figures)
    update = f"UPDATE {CONTEXTS} SET {sets} WHERE context_id = {{context}} AND ({wrong}); "  # noqa: S608
    first, last = (lock, "RETURN NULL; ") if vendor == "postgresql" else ("", "")
    body = "".join((first + update).format(context=context) for context in trigger.contexts)
    return f"BEGIN {body}{last}END"


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place, unless the tables do not have the columns yet."""
    if not _has_columns(connection):
        return
    remove(connection)
    with connection.cursor() as cursor:
        for name, trigger in TRIGGERS.items():
            acts = _acts(trigger, connection.vendor)
            if connection.vendor == "postgresql":
                cursor.execute(
                    f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
                    f" AS $${acts}$$"
                )
                acts = f"EXECUTE FUNCTION {name}()"
            cursor.execute(f"CREATE TRIGGER {name} {trigger.when} {acts}")


def remove(connection: BaseDatabaseWrapper) -> None:
    """Remove every trigger; missing ones are no error."""
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for name, trigger in TRIGGERS.items():
            if trigger.table in tables:
                of_table = f" ON {trigger.table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{of_table}")


def recompute(connection: BaseDatabaseWrapper) -> None:
    """Recompute all contexts' figures, after rows were written without the triggers."""
    figures = ", ".join(f"{name} = {value}" for name, value in FIGURES.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {CONTEXTS} SET {figures.format(context=f'{CONTEXTS}.context_id')}"  # noqa: S608
        )


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The triggers that are missing, turned off, or do not do what this file says."""
    if not _has_columns(connection):
        return []
    query = (
        "SELECT tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
        " WHERE tgenabled <> 'D'"
        if connection.vendor == "postgresql"
        else "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = dict(cursor.fetchall())
    return [
        name
        for name, trigger in TRIGGERS.items()
        if not present.get(name, "").endswith(_acts(trigger, connection.vendor))
    ]


def _has_columns(connection: BaseDatabaseWrapper) -> bool:
    """Whether the tables have the columns; in an earlier state of the migrations they do not."""
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0"
        if connection.vendor == "postgresql"
        else "SELECT name FROM pragma_table_info(%s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [CONTEXTS])
        return {row[0] for row in cursor.fetchall()} >= set(FIGURES)


def remove_before_migrations(using: str, plan: Sequence[Any] = (), **signal: Any) -> None:
    """`pre_migrate`. If nothing is going to change, they stay."""
    if plan:
        remove(connections[using])


def install_after_migrations(using: str, **signal: Any) -> None:
    """`post_migrate`, also after `flush`. While a trigger is missing (a `migrate` that is killed
    leaves none), nobody maintains the figures: they are recomputed."""
    if missing(connections[using]):
        install(connections[using])
        recompute(connections[using])


@checks.register(checks.Tags.database)
def check_figures(databases: Sequence[str] | None = None, **options: Any) -> list[Any]:
    """A warning, not an error: `migrate` is the remedy, and would refuse to run on an error."""
    return [
        checks.Warning(
            f"The database lacks the triggers {', '.join(absent)}, or they were changed: ages of"
            " recovery points and sizes in lists may be out of date.",
            hint="Run manage.py migrate, which installs them.",
            id="replication.W002",
        )
        for alias in databases or ()
        if (absent := missing(connections[alias]))
    ]
