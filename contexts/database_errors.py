"""What a database error means: either a race with other transactions, which passes, or a value
that the database will never accept.

PostgreSQL tells by its SQLSTATE, SQLite by its extended error code.
"""

from __future__ import annotations

import re
import sqlite3
from typing import NamedTuple

import psycopg
from django.apps import apps
from django.db import DatabaseError, InterfaceError
from django.db.models import ProtectedError, RestrictedError

# Rolled back in favour of another transaction: nothing was written.
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
# Another row was added or removed between the check and the commit. A trigger is not among these:
# vmrep's own act only where foreign keys are off, which is never so for its connections.
_CONTRADICTED = frozenset(
    {
        "23503",  # foreign key
        "23505",  # unique
        "SQLITE_CONSTRAINT_FOREIGNKEY",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
        "SQLITE_CONSTRAINT_ROWID",
        "SQLITE_CONSTRAINT_UNIQUE",
    }
)

# The server ends, or does not take anybody (yet); or the file cannot be opened or read.
_AWAY = frozenset(
    {
        "57P01",  # admin shutdown
        "57P02",  # crash shutdown
        "57P03",  # cannot connect now
        "53300",  # too many connections
        "SQLITE_CANTOPEN",
    }
)
_CONNECTION, _UNREADABLE = "08", "SQLITE_IOERR"  # what the codes of whole classes begin with


def was_rolled_back(problem: DatabaseError) -> bool:
    """Whether the transaction can be repeated from its start, and will probably succeed."""
    return _code(problem) in _BROKEN_OFF


def lock_timed_out(problem: DatabaseError) -> bool:
    """Whether another transaction held a lock for longer than this one may wait."""
    return _code(problem) in _WAITED_IN_VAIN


def is_away(problem: DatabaseError | InterfaceError) -> bool:
    """Whether nothing can be asked at the moment, whatever the question."""
    code = _code(problem)
    if not code:  # psycopg itself says so, not the server
        return isinstance(problem.__cause__, psycopg.OperationalError | psycopg.InterfaceError)
    return code in _AWAY or code.startswith((_CONNECTION, _UNREADABLE))


def is_race(problem: DatabaseError) -> bool:
    """Whether the error is a race for the same rows: reading them again and retrying helps."""
    if isinstance(problem, ProtectedError | RestrictedError):  # something else refers to the row
        return True
    return _code(problem) in _BROKEN_OFF | _WAITED_IN_VAIN | _CONTRADICTED


def own_words(problem: BaseException) -> str:
    """What an error says, for people and logs: without the content of rows, which may be secret.

    It does not query the database: Django's errors about deletions contain rows, whose names might
    have to be read.
    """
    if isinstance(problem, ProtectedError | RestrictedError):
        return str(problem.args[0])
    diag = getattr(problem.__cause__, "diag", None)
    if isinstance(problem, DatabaseError) and diag is not None and diag.message_primary:
        return f"{type(problem).__name__}: {diag.message_primary}"
    return repr(problem)


class RefusedValue(NamedTuple):
    """A value that the database never accepts, with its table and column if the database names
    them."""

    table: str
    column: str
    words: str

    def __str__(self) -> str:
        where = " of ".join(part for part in (self.column, self.table) if part) or "A value"
        return f"{where} cannot be stored: {self.words}"


def refused_value(problem: DatabaseError) -> RefusedValue:
    """What is known about an error that is not a race, from the database or the constraint."""
    cause = problem.__cause__
    diag = getattr(cause, "diag", None)
    if diag is not None:
        words = diag.message_primary or own_words(problem)
        rule = diag.constraint_name or ""
        return RefusedValue(
            _shown(diag.table_name or ""), diag.column_name or "", _why(rule, words)
        )
    words = str(problem.args[0]) if problem.args else own_words(problem)
    named = re.fullmatch(r"NOT NULL constraint failed: (\w+)\.(\w+)", words)
    if named:
        return RefusedValue(_shown(named[1]), named[2], "it must not be empty.")
    if broken := re.fullmatch(r"CHECK constraint failed: (\w+)", words):
        return RefusedValue(_table_of(broken[1]), "", _why(broken[1], words))
    return RefusedValue("", "", words)


def _why(rule: str, words: str) -> str:
    return f"it breaks the rule “{rule.replace('_', ' ')}”." if rule else f"{words}."


def _shown(table: str) -> str:
    """The plain name of the rows in a table."""
    names = {model._meta.db_table: str(model._meta.verbose_name) for model in apps.get_models()}
    return names.get(table, table)


def _table_of(rule: str) -> str:
    """The plain name of a constraint's table; SQLite names only the constraint."""
    for model in apps.get_models():
        if any(constraint.name == rule for constraint in model._meta.constraints):
            return str(model._meta.verbose_name)
    return ""


def _code(problem: DatabaseError | InterfaceError) -> str:
    """PostgreSQL's SQLSTATE or SQLite's error name; empty when there is neither."""
    cause = problem.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", "")
    return getattr(cause, "sqlstate", None) or ""
