from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.database.scratch import PostgreSQL, Scratch, SQLite


@pytest.fixture(scope="session")
def migrate_from_nothing(request: pytest.FixtureRequest) -> Callable[[Scratch], None]:
    """Makes an empty database what `migrate` makes of it."""

    def migrate(database: Scratch) -> None:
        if isinstance(database, SQLite):
            shutil.copyfile(request.getfixturevalue("migrated_sqlite"), database.path)
        elif isinstance(database, PostgreSQL):
            database.copy_from(request.getfixturevalue("migrated_postgresql"))

    return migrate
