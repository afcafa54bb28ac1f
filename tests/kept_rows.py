"""All rows of the database, kept to be brought back: what a test begins with, made once.

The rows are copied within the database: on SQLite into a file of their own, on PostgreSQL into a
schema of their own. Numbers go on counting: a row that is made afterwards has a number that no row
of an earlier test had. Content types and permissions are nobody's to change, and stay. The audit
trail and the VMs' events, from which nothing can be removed, lose their triggers for that moment,
if a test wrote to them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model

from contexts.chain import BEGINNING
from contexts.models import ContextEventHead
from replication.database import events
from vmrep.trail import triggers
from vmrep.trail.models import Head

_STAY = {"contenttypes.ContentType", "auth.Permission"}
_numbers = itertools.count(1)


class KeptRows:
    """The rows that there are now. `file`: where to keep them on SQLite; if it is there already,
    the rows that another process of a parallel run has kept in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._schema = f"kept_{next(_numbers)}"
        self._kept: list[type[Model]] = []
        if connection.vendor == "postgresql":
            _execute(f"DROP SCHEMA IF EXISTS {self._schema} CASCADE")
            _execute(f"CREATE SCHEMA {self._schema}")
            self._keep()
        elif file.exists():
            with self._at_hand():
                names = _execute(f"SELECT name FROM {self._schema}.sqlite_master")
            tables = {name for (name,) in names}
            self._kept = [model for model in _models() if model._meta.db_table in tables]
        else:
            with self._at_hand("rwc"):
                self._keep()

    def _keep(self) -> None:
        for model in _models():
            if model._base_manager.exists():
                table = model._meta.db_table
                _execute(f'CREATE TABLE {self._schema}."{table}" AS SELECT * FROM "{table}"')
                self._kept.append(model)

    def bring_back(self) -> None:
        """These rows, and no others. Their foreign keys are checked at the end, as always."""
        events_let_go = _events_let_go(if_kept=ContextEventHead in self._kept)
        with self._at_hand(), transaction.atomic(), events_let_go, _trail_let_go() as is_written:
            for model in _models():
                if is_written or model._meta.app_label != "trail":
                    _execute(f'DELETE FROM "{model._meta.db_table}"')
            for model in self._kept:
                if not is_written and model._meta.app_label == "trail":
                    continue
                table, columns = model._meta.db_table, _columns(model)
                _execute(
                    f'INSERT INTO "{table}" ({columns}) SELECT {columns}'
                    f' FROM {self._schema}."{table}"'
                )

    @contextmanager
    def _at_hand(self, mode: str = "ro") -> Iterator[None]:
        """`mode`: of SQLite's file. Readers do not wait for one another, though each begins a
        transaction that is to write."""
        if connection.vendor == "postgresql":
            yield
            return
        _execute(f"ATTACH DATABASE 'file:{self._file}?mode={mode}' AS {self._schema}")
        try:
            yield
        finally:
            _execute(f"DETACH DATABASE {self._schema}")


@contextmanager
def _events_let_go(*, if_kept: bool) -> Iterator[None]:
    """VMs' events go with their VMs alone; within, they come and go in any order."""
    if if_kept or ContextEventHead.objects.exists() or events.GUARD.missing(connection):
        events.GUARD.remove(connection)
        yield
        events.GUARD.install(connection)
    else:
        yield


@contextmanager
def _trail_let_go() -> Iterator[bool]:
    """Whether anything was written to the audit trail; if so, its rows can be removed within."""
    is_written = not Head.objects.filter(number=0, digest=BEGINNING).exists()
    if is_written or triggers.missing(connection):
        triggers.remove(connection)
        yield True
        triggers.install(connection)
    else:
        yield False


def _models() -> list[type[Model]]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and model._meta.label not in _STAY
    ]


def _columns(model: type[Model]) -> str:
    """All but those that the database computes."""
    fields = model._meta.local_concrete_fields
    return ", ".join(f'"{field.column}"' for field in fields if not field.generated)


def _execute(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
