"""Loads rows into a table in the fastest way that checks every rule: COPY, or INSERTs on SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models
from django.db.models.fields import NOT_PROVIDED

Convert = Callable[[Any], Any]


class Table:
    """Collects rows of one model and writes them together.

    `columns` are the attributes that each row gives, in this order; all others get their
    defaults. Raises ValueError for a column that has none and must not be null.
    """

    def __init__(self, model: type[models.Model], *columns: str) -> None:
        fields = {field.attname: field for field in model._meta.concrete_fields}
        given = [fields.pop(name) for name in columns]
        rest = [field for field in fields.values() if not field.generated and _is_written(field)]
        self._model = model
        self._fields = [*given, *rest]
        self._convert = [
            (place, convert)
            for place, field in enumerate(given)
            if (convert := _conversion(field)) is not None
        ]
        self._defaults = tuple(_default(field) for field in rest)
        self._rows: list[tuple[Any, ...]] = []

    def add(self, *values: Any) -> None:
        row = list(values)
        for place, convert in self._convert:
            if row[place] is not None:
                row[place] = convert(row[place])
        self._rows.append((*row, *self._defaults))

    def write(self) -> int:
        """Write the rows to the database; returns how many there were."""
        rows, self._rows = self._rows, []
        if rows:
            write = _copy if connection.vendor == "postgresql" else _insert
            write(self._model._meta.db_table, [str(field.column) for field in self._fields], rows)
        return len(rows)


def _is_written(field: models.Field[Any, Any]) -> bool:
    """Columns that the database fills itself are not written."""
    return field.db_default is NOT_PROVIDED and not isinstance(field, models.AutoField)


def _default(field: models.Field[Any, Any]) -> Any:
    value = field.get_default()
    if value is None and not field.null:
        raise ValueError(f"{field} has no default: the rows must give it")
    convert = _conversion(field)
    return convert(value) if convert and value is not None else value


def _conversion(field: models.Field[Any, Any]) -> Convert | None:
    """The conversion that a value of this column needs before the driver accepts it."""
    if isinstance(field, models.JSONField):
        return json.dumps
    if connection.vendor == "sqlite":
        if isinstance(field, models.DateTimeField):
            return _sqlite_time
        if isinstance(field, models.UUIDField):
            return lambda value: value.hex
    return None


def _sqlite_time(value: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(value)


def _copy(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    quoted = ", ".join(connection.ops.quote_name(column) for column in columns)
    statement = f"COPY {connection.ops.quote_name(table)} ({quoted}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _insert(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    quoted = ", ".join(connection.ops.quote_name(column) for column in columns)
    marks = ", ".join(["%s"] * len(columns))
    name = connection.ops.quote_name(table)
    with connection.cursor() as cursor:
        # Names of tables and columns are the models' own; values are parameters.
        cursor.executemany(f"INSERT INTO {name} ({quoted}) VALUES ({marks})", rows)  # noqa: S608


class Keys:
    """New numbers for the primary keys of one model, beginning after the last one."""

    def __init__(self, model: type[models.Model]) -> None:
        newest = model._default_manager.aggregate(newest=models.Max("pk"))["newest"]
        self._next = (newest or 0) + 1

    def take(self) -> int:
        self._next += 1
        return self._next - 1


def reset_sequences(*tables: type[models.Model]) -> None:
    """Make vmrep number later rows after these."""
    from django.core.management.color import no_style

    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables):
            cursor.execute(statement)
