"""A database of its own for attacks, and a stranger's connection to it.

The stranger uses the database's own driver and plain SQL: neither Django nor vmrep stands between.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import UniqueConstraint

from contexts.constraints import CompositeForeignKey

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = Path(__file__).parent / "fixtures"
CALL_COMMAND = "from django.core.management import call_command"
Names = set[str]
A_TYPE = "the column's type"  # what PostgreSQL refuses before it looks at any constraint


def models() -> list[Any]:
    """The models of vmrep's own tables."""
    apps_of_ours = ("contexts", "replication", "accounts", "notifications", "trail", "web", "api")
    return [it for it in apps.get_models() if it._meta.app_label in apps_of_ours]


def our_names() -> Names:
    """The rules that have a name of ours."""
    return {rule.name for model in models() for rule in model._meta.constraints}


class Scratch:
    """An empty database: `migrate` and `fill` it, then `attack` it."""

    url: str
    vendor: str

    def manage(self, *arguments: str) -> str:
        return self._run("manage.py", *arguments)

    def manage_all(self, *commands: tuple[str, ...]) -> None:
        """Several commands in one process: half of the time of one goes by until it begins."""
        calls = "".join(f"call_command(*{command!r})\n" for command in commands)
        self.run_python(f"import django\ndjango.setup()\n{CALL_COMMAND}\n{calls}")

    def run_python(self, script: str, *arguments: str) -> None:
        self._run("-c", script, *arguments)

    def migrate(self, *target: str) -> None:
        self.manage("migrate", *target, "--no-input", "-v0")

    def fill(self) -> dict[str, Any]:
        return dict(json.loads(self._run("-m", "tests.database.estate")))

    def load(self, fixture: str) -> None:
        """What a dump of a database of this kind holds."""
        self.execute(gzip.decompress((FIXTURES / f"{fixture}.{self.vendor}.sql.gz").read_bytes()))

    def execute(self, script: bytes) -> None:
        """Several statements at once."""
        raise NotImplementedError

    def dump(self) -> bytes:
        """All that is in it, as a script that `execute` understands."""
        raise NotImplementedError

    def _run(self, *arguments: str) -> str:
        done = self.attempt(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments on this database, whatever comes of it."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": self.url,
                "VMREP_DATA_DIR": str(settings.DATA_DIR),
                "DJANGO_SETTINGS_MODULE": "vmrep.settings",
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
        )

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that is in vmrep's tables; an earlier version has not all of them."""
        tables = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if self.vendor == "sqlite"
            else "SELECT table_name FROM information_schema.tables"
        )
        with closing(self.connect()) as stranger:
            present = {name for (name,) in stranger.execute(tables).fetchall()}
            return {
                table: sorted(stranger.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
                for table in (model._meta.db_table for model in models())
                if table in present
            }

    def connect(self) -> Any:
        raise NotImplementedError

    def for_once(self) -> AbstractContextManager[Scratch]:
        """The same database or a copy: what is done to it does not last."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends what attacks left open."""
        raise NotImplementedError

    def attack(self, statements: Sequence[str], *, lasting: bool = True) -> Names | None:
        """Run the statements in one transaction and commit it; or, if what they do is not to last,
        have everything checked that a commit checks, and roll it back.

        None if that is accepted; else the rules that refuse it: a constraint's name, or
        `table.column` of a rule that is a column's own.
        """
        raise NotImplementedError


class SQLite(Scratch):
    vendor = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:///{path}"
        # A connection reads the whole schema first, which takes longer than most attacks.
        self._attackers: dict[bool, sqlite3.Connection] = {}

    def connect(self, *, foreign_keys: bool = True) -> sqlite3.Connection:
        stranger = sqlite3.connect(self.path, isolation_level=None)
        stranger.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
        stranger.execute("PRAGMA synchronous = OFF")  # this database need not survive a crash
        return stranger

    def execute(self, script: bytes) -> None:
        with closing(self.connect(foreign_keys=False)) as stranger:
            stranger.executescript(script.decode())

    def dump(self) -> bytes:
        with closing(self.connect()) as stranger:
            return "\n".join(stranger.iterdump()).encode()

    @contextmanager
    def for_once(self) -> Iterator[Scratch]:
        copy = SQLite(self.path.with_suffix(".copy"))
        with closing(self.connect()) as here, closing(copy.connect()) as there:
            here.backup(there)
        yield copy
        copy.close()
        copy.path.unlink()

    def attack(
        self, statements: Sequence[str], *, lasting: bool = True, foreign_keys: bool = True
    ) -> Names | None:
        stranger = self._attackers.get(foreign_keys)
        if stranger is None:
            stranger = self._attackers[foreign_keys] = self.connect(foreign_keys=foreign_keys)
        stranger.execute("BEGIN")
        refused: Names = set()
        try:
            for statement in statements:
                stranger.execute(statement)
            refused = _broken_foreign_keys(stranger)
            stranger.execute("COMMIT" if lasting else "ROLLBACK")
        except sqlite3.IntegrityError as problem:
            return refused or _named_by_sqlite(str(problem), statement)
        finally:
            stranger.rollback()  # what is over by now stays as it is
        return None if lasting else refused or None

    def close(self) -> None:
        while self._attackers:
            self._attackers.popitem()[1].close()


def _broken_foreign_keys(stranger: sqlite3.Connection) -> Names:
    """SQLite says at commit that some foreign key is broken, but not which."""
    broken = stranger.execute("PRAGMA foreign_key_check").fetchall()
    return {_foreign_key(stranger, table, number) for table, _, _, number in broken}


def _named_by_sqlite(message: str, statement: str) -> Names:
    kind, _, rest = message.partition(" constraint failed: ")
    if kind == "UNIQUE":
        table = rest.partition(".")[0]
        return {_unique(table, re.findall(r"\.(\w+)", rest))}
    if kind == "CHECK" and rest not in our_names():
        return {f"{statement.split()[1]}.{rest}"}  # a column's own; UPDATE <table> …
    return {rest or message}


def _model(table: str) -> Any:
    return next(model for model in models() if model._meta.db_table == table)


def _columns(model: Any, names: Sequence[str]) -> list[str]:
    return [model._meta.get_field(name).column for name in names]


def _foreign_key(stranger: sqlite3.Connection, table: str, number: int) -> str:
    rows = stranger.execute(f"PRAGMA foreign_key_list({table})").fetchall()
    columns, there = zip(*((row[3], row[4]) for row in rows if row[0] == number), strict=True)
    model = _model(table)
    for rule in model._meta.constraints:
        if (
            isinstance(rule, CompositeForeignKey)
            and _columns(model, rule.fields) == list(columns)
            and rule.to_columns == there
        ):
            return rule.name
    return f"{table}.{','.join(columns)}"


def _unique(table: str, columns: Sequence[str]) -> str:
    model = _model(table)
    for rule in model._meta.constraints:
        if isinstance(rule, UniqueConstraint) and _columns(model, rule.fields) == list(columns):
            return rule.name
    return f"{table}.{','.join(columns)}"


class PostgreSQL(Scratch):
    vendor = "postgresql"

    def __init__(self, name: str) -> None:
        self.name, self._kept = name, False
        self._attacker: psycopg.Connection[Any] | None = None
        of = connection.settings_dict
        self.parameters = {
            key: of[setting]
            for key, setting in (
                ("host", "HOST"),
                ("port", "PORT"),
                ("user", "USER"),
                ("password", "PASSWORD"),
            )
            if of[setting]
        }
        start, _, query = os.environ["DATABASE_URL"].partition("?")
        self.url = f"{start.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(dbname=self.name, **self.parameters)

    def copy_from(self, template: str) -> None:
        self.administer(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.administer(f"CREATE DATABASE {self.name} TEMPLATE {template}")

    def execute(self, script: bytes) -> None:
        with closing(self.connect()) as stranger:
            stranger.execute(script)
            stranger.commit()

    def dump(self) -> bytes:
        known_as = {f"PG{name.upper()}": str(value) for name, value in self.parameters.items()}
        options = ("--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=200")
        script = subprocess.run(
            ["pg_dump", *options, self.name],
            env={**os.environ, **known_as},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        return re.sub(rb"(?m)^\\.*\n", b"", script)  # what only psql understands

    def administer(self, statement: str) -> None:
        with psycopg.connect(dbname="postgres", autocommit=True, **self.parameters) as it:
            it.execute(statement)

    @contextmanager
    def for_once(self) -> Iterator[Scratch]:
        tables = {
            model._meta.db_table: ", ".join(
                field.column for field in model._meta.concrete_fields if not field.generated
            )
            for model in models()
        }
        with closing(self.connect()) as keeper:
            if not self._kept:
                keeper.execute("CREATE SCHEMA kept")
                for table in tables:
                    keeper.execute(f"CREATE TABLE kept.{table} AS TABLE {table}")
                keeper.commit()
                self._kept = True
            yield self
            changed = [table for table in tables if self._is_changed(keeper, table)]
            # Some rows may not be removed, and figures are restored as they were.
            keeper.execute("SET LOCAL session_replication_role = replica")
            for table in changed:
                keeper.execute(f"DELETE FROM {table}")
            for table in changed:
                columns = tables[table]
                keeper.execute(
                    f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
                    f" SELECT {columns} FROM kept.{table}"
                )
            keeper.commit()

    @staticmethod
    def _is_changed(keeper: psycopg.Connection[Any], table: str) -> bool:
        now, kept = f"TABLE {table}", f"TABLE kept.{table}"
        found = keeper.execute(
            f"SELECT EXISTS (({now} EXCEPT ALL {kept}) UNION ALL ({kept} EXCEPT ALL {now}))"
        ).fetchone()
        return bool(found and found[0])

    def attack(self, statements: Sequence[str], *, lasting: bool = True) -> Names | None:
        if self._attacker is None:
            self._attacker = self.connect()
        stranger = self._attacker
        try:
            for statement in statements:
                stranger.execute(statement)
            if lasting:
                stranger.commit()
            else:
                stranger.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except psycopg.DataError:
            return {A_TYPE}
        except psycopg.IntegrityError as problem:
            stranger.rollback()
            return {self._named(stranger, problem.diag)}
        finally:
            stranger.rollback()  # what was committed stays
        return None

    def close(self) -> None:
        if self._attacker is not None:
            self._attacker.close()
            self._attacker = None

    def _named(self, stranger: psycopg.Connection[Any], said: Any) -> str:
        """A constraint by its name if that is ours, else by its table and columns."""
        if said.constraint_name is None:
            return f"{said.table_name}.{said.column_name}"
        if said.constraint_name in our_names():
            return str(said.constraint_name)
        columns = stranger.execute(
            "SELECT string_agg(attname, ',') FROM pg_constraint, pg_attribute"
            " WHERE conname = %s AND attrelid = conrelid AND attnum = ANY (conkey)",
            [said.constraint_name],
        ).fetchone()
        return f"{said.table_name}.{columns[0] if columns else said.constraint_name}"


@contextmanager
def _created(name: str) -> Iterator[PostgreSQL]:
    database = PostgreSQL(name)
    database.administer(f"CREATE DATABASE {name}")
    try:
        yield database
    finally:
        database.close()
        database.administer(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def scratch(folder: Path, name: str = "attacked") -> Iterator[Scratch]:
    """An empty database of the kind that the tests run on."""
    if connection.vendor == "sqlite":
        file = SQLite(folder / f"{name}.sqlite3")
        yield file
        file.close()
        return
    with _created(f"vmrep_{name}_{uuid.uuid4().hex[:8]}") as database:
        yield database
