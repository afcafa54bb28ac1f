"""Databases to damage: copies of one with real replications, with every rule taken out of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState

from replication.database import events

APPS = ("contexts", "replication", "notifications")


def current() -> str:
    return str(connection.settings_dict["NAME"])


def use(name: str) -> None:
    """From now on Django's connection, in every thread, is to that database."""
    connection.close()
    connection.settings_dict["NAME"] = name


def make_copy(source: str, target: str) -> None:
    """SQLite: paths of files. PostgreSQL: names; whoever else is connected to the source is thrown
    out (workers that browser tests left standing by give signs of life)."""
    connection.close()
    if connection.vendor == "sqlite":
        Path(target).unlink(missing_ok=True)
        with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
            one.backup(other)
    else:
        _administer(f'DROP DATABASE IF EXISTS "{target}"')
        _administer(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{source}'"
        )
        _administer(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')


def remove(name: str) -> None:
    connection.close()
    if connection.vendor == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            Path(name + suffix).unlink(missing_ok=True)
    else:
        _administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _administer(statement: str) -> None:
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        dbname="postgres",
        autocommit=True,
    ) as administrator:
        administrator.execute(statement)


def drop_rules() -> None:
    """No trigger, CHECK, unique or foreign key of vmrep's tables holds any longer, except those of
    the audit trail and the triggers of VMs' events, to which damages by services write."""
    if connection.vendor == "sqlite":
        _drop_rules_of_sqlite()
    else:
        _drop_rules_of_postgresql()
    events.GUARD.install(connection)


def _drop_rules_of_sqlite() -> None:
    """By making each table anew without them, as Django changes a table there."""
    execute("PRAGMA foreign_keys = OFF")
    for (name,) in rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        if not name.startswith("audit_"):
            execute(f'DROP TRIGGER "{name}"')
    state = ProjectState.from_apps(apps)
    for (label, _), model in state.models.items():
        if label in APPS:
            model.options["constraints"] = []
    with connection.schema_editor() as editor:
        for model in state.apps.get_models():
            if model._meta.app_label in APPS:
                editor._remake_table(model)


def ignore_rules_of_columns() -> None:
    """SQLite: until the connection ends, what `drop_rules` leaves in the tables does not hold."""
    if connection.vendor == "sqlite":
        execute("PRAGMA foreign_keys = OFF")
        execute("PRAGMA ignore_check_constraints = ON")


def _drop_rules_of_postgresql() -> None:
    for table in tables():
        for name, internal in rows(
            f"SELECT tgname, tgisinternal FROM pg_trigger WHERE tgrelid = '{table}'::regclass"
        ):
            if not internal:
                execute(f'DROP TRIGGER "{name}" ON "{table}"')
        for (name,) in rows(
            f"SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass"
            " AND contype IN ('c', 'f', 'u')"
        ):
            execute(f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{name}" CASCADE')
        for (name,) in rows(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique"
            f" AND NOT indisprimary AND indrelid = '{table}'::regclass"
        ):
            execute(f"DROP INDEX {name}")


def tables() -> list[str]:
    models = [model for label in APPS for model in apps.get_app_config(label).get_models()]
    return [model._meta.db_table for model in models]


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def rows(query: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())
