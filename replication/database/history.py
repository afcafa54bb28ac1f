"""Whether this version can take up the database, by the migrations that it has been through.

Those of the time before 0.1.0 were replaced by the first release's. A database that has been
through all of them stands where the first release's end; nobody can go on from a place between.
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


def stands_between(connection: BaseDatabaseWrapper) -> bool:
    """Whether it has been through some of the migrations that one of today's replaces."""
    loader = MigrationLoader(connection)
    return any(
        0
        < len(loader.applied_migrations.keys() & set(migration.replaces))
        < len(migration.replaces)
        for migration in loader.replacements.values()
    )


@checks.register(checks.Tags.database)
def check_history(databases: Sequence[str] | None = None, **options: Any) -> list[Any]:
    """An error, so that `migrate` does not begin."""
    return [
        checks.Error(
            "This database is from before 0.1.0 and lacks some of that time's migrations."
            f" First run manage.py migrate of commit {LAST_COMMIT} on it, then this version's.",
            id="replication.E001",
        )
        for alias in databases or ()
        if stands_between(connections[alias])
    ]
