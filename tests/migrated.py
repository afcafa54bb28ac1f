"""A database that `manage.py migrate` made, once for all processes of a run: to be copied.

To migrate from nothing takes seconds of processor time.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file. Nothing is kept for the next run: no migration could change unnoticed."""
    with _folder_of_the_run(tmp_path_factory) as folder:
        path = folder / "migrated.sqlite3"
        if not path.exists():
            making = path.with_suffix(".making")
            _migrate(f"sqlite:///{making}")
            making.rename(path)
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its name, for `CREATE DATABASE … TEMPLATE`. Whoever needs it last removes it."""
    from tests.database.scratch import PostgreSQL

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)[:12]
    database = PostgreSQL(f"vmrep_migrated_{run}")
    with _folder_of_the_run(tmp_path_factory) as folder:
        users = folder / "users_of_migrated_postgresql"
        if not users.exists():
            database.administer(f"CREATE DATABASE {database.name}")
            _migrate(database.url)
        with users.open("a") as file:
            file.write("+")
    yield database.name
    with _folder_of_the_run(tmp_path_factory):
        users.write_text(users.read_text()[1:])
        if not users.read_text():
            users.unlink()
            database.administer(f"DROP DATABASE {database.name} WITH (FORCE)")


@contextmanager
def _folder_of_the_run(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One process at a time has it."""
    folder = factory.getbasetemp()
    if is_parallel():
        folder = folder.parent  # of all processes of this run
    with (folder / "migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _migrate(url: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "-v0"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        check=True,
    )


def is_parallel() -> bool:
    """Whether this is one of the processes of a parallel run."""
    return "PYTEST_XDIST_WORKER" in os.environ
