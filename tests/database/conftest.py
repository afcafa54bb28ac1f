from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.database.scratch import Scratch, SQLite


@pytest.fixture(scope="session")
def migrate_from_nothing(request: pytest.FixtureRequest) -> Callable[[Scratch], None]:
    """Makes an empty database what `migrate` makes of it."""

    def migrate(database: Scratch) -> None:
        if isinstance(database, SQLite):
            shutil.copyfile(request.getfixturevalue("migrated_sqlite"), database.path)
        else:
            database.migrate()

    return migrate
