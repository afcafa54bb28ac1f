"""What it means when the database refuses: others were at the same rows, which passes, or it can
never take this value.

PostgreSQL says it by SQLSTATE, SQLite by its extended error code.
"""

from __future__ import annotations

import sqlite3

from django.db import DatabaseError

# Broken off for another transaction's sake: nothing of it happened.
_BROKEN_OFF = frozenset(
    {
        "40001",  # serialization failure
        "40P01",  # deadlock
    }
)
_WAITED_IN_VAIN = frozenset(
    {
        "55P03",  # lock timeout
        "SQLITE_BUSY",
        "SQLITE_BUSY_SNAPSHOT",
        "SQLITE_BUSY_TIMEOUT",
        "SQLITE_LOCKED",
    }
)
# Another row came, or went, between the look and the commit.
_CONTRADICTED = frozenset(
    {
        "23503",  # foreign key
        "23505",  # unique
        "SQLITE_CONSTRAINT_FOREIGNKEY",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
        "SQLITE_CONSTRAINT_ROWID",
        "SQLITE_CONSTRAINT_TRIGGER",
        "SQLITE_CONSTRAINT_UNIQUE",
    }
)


def was_broken_off(problem: DatabaseError) -> bool:
    """The transaction can be repeated from its start, and will probably succeed."""
    return _code(problem) in _BROKEN_OFF


def waited_in_vain(problem: DatabaseError) -> bool:
    """Another transaction held a lock for longer than this one was allowed to wait."""
    return _code(problem) in _WAITED_IN_VAIN


def is_race(problem: DatabaseError) -> bool:
    """Others were at the same rows in the same moment: looking again, and trying again, helps."""
    return _code(problem) in _BROKEN_OFF | _WAITED_IN_VAIN | _CONTRADICTED


def _code(problem: DatabaseError) -> str:
    """PostgreSQL's SQLSTATE or SQLite's name of the error; empty when it has none."""
    cause = problem.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", "")
    return getattr(cause, "sqlstate", None) or ""
