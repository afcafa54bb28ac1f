"""Whether this version can use the database, judged by its migrations.

The first release replaced the migrations from before 0.1.0, which are gone. A database that has all
of them is in the state of the first release; one that has only some cannot be migrated. (Migrations
that were replaced later are still there, and such a database goes on with them.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

LAST_COMMIT = "c305662"
"""The last one that has the replaced migrations."""


def is_half_upgraded(connection: BaseDatabaseWrapper) -> bool:
    """Whether the database has some of the migrations that a present one replaces, and lacks some
    that are gone."""
    loader = MigrationLoader(connection)
    applied, present = loader.applied_migrations.keys(), loader.disk_migrations.keys()
    return any(
        applied & set(migration.replaces) and set(migration.replaces) - applied - present
        for migration in loader.replacements.values()
    )


@checks.register(checks.Tags.database)
def check_history(databases: Sequence[str] | None = None, **options: Any) -> list[Any]:
    """An error, so that `migrate` does not begin."""
    return [
        checks.Error(
            "This database is from before 0.1.0 and lacks some migrations of that time. First run"
            f" manage.py migrate of commit {LAST_COMMIT} on it, then the one of this version.",
            id="replication.E001",
        )
        for alias in databases or ()
        if is_half_upgraded(connections[alias])
    ]
