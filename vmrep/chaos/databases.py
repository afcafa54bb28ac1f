"""A fresh database for each history: a copy of one that was migrated once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import environ
import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql


class Database(Protocol):
    """That of the settings."""

    url: str

    def prepare(self) -> None:
        """Migrate it, and keep it as it is then."""

    def fresh(self) -> None:
        """Make it what it was then. Nobody else may use it."""

    def keep(self, folder: Path) -> None:
        """Keep what it is now for whoever looks what was wrong."""

    def ender(self) -> Callable[[], None] | None:
        """What ends all connections to it but the calling thread's, as a server does that restarts.
        None: there is no server."""


def of_settings(folder: Path) -> Database:
    url = os.environ["DATABASE_URL"]
    return SQLite(folder, url) if connection.vendor == "sqlite" else PostgreSQL(url)


class SQLite:
    """A file in a folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self._file = Path(connection.settings_dict["NAME"])
        self._kept = folder / "migrated.sqlite3"

    def prepare(self) -> None:
        _migrate()
        self._copy_to(self._kept)

    def fresh(self) -> None:
        connection.close()
        for suffix in ("-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self._kept, self._file)

    def keep(self, folder: Path) -> None:
        self._copy_to(folder / self._file.name)

    def ender(self) -> None:
        return None

    def _copy_to(self, file: Path) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        shutil.copyfile(self._file, file)


class PostgreSQL:
    """A database, and another one as it was, beside the one of a server that is not touched."""

    def __init__(self, url: str) -> None:
        config = environ.Env.db_url_config(url)
        self.url = url
        self._name = str(config["NAME"])
        self._server = {"host": config["HOST"], "user": config["USER"], "dbname": "postgres"}

    def prepare(self) -> None:
        _migrate()
        connection.close()
        self._execute("CREATE DATABASE {kept} TEMPLATE {name}")

    def fresh(self) -> None:
        connection.close()
        self._execute("DROP DATABASE {name} WITH (FORCE)")
        self._execute("CREATE DATABASE {name} TEMPLATE {kept}")

    def keep(self, folder: Path) -> None:
        connection.close()
        self._execute("CREATE DATABASE {found} TEMPLATE {name}", found=folder.name)

    def ender(self) -> Callable[[], None]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (mine,) = cursor.fetchone()

        def end() -> None:
            with psycopg.connect(**self._server, autocommit=True) as server:
                server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = %s AND pid <> %s",
                    [self._name, mine],
                )

        return end

    def _execute(self, statement: str, **names: str) -> None:
        named = {"name": self._name, "kept": f"{self._name}_migrated", **names}
        with psycopg.connect(**self._server, autocommit=True) as server:
            identifiers = {key: sql.Identifier(name) for key, name in named.items()}
            server.execute(sql.SQL(statement).format(**identifiers))


def _migrate() -> None:
    call_command("migrate", interactive=False, verbosity=0)
