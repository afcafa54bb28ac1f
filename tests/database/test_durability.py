"""What a crash leaves of a database. The tests' own need not survive one (tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db.utils import ConnectionHandler

from vmrep.settings import database, env

FULL = 2


@pytest.mark.django_db  # not the tests' database, but no other is let in
def test_a_commit_on_sqlite_is_on_the_disk_before_it_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot is removed because of it."""
    monkeypatch.setitem(env.ENVIRON, "DATABASE_URL", f"sqlite:///{tmp_path}/vmrep.sqlite3")
    connection = ConnectionHandler({"default": database()})["default"]
    try:
        with connection.temporary_connection() as cursor:
            assert cursor.execute("PRAGMA synchronous").fetchone() == (FULL,)
            assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()
