"""Writing only what differs: the changed columns of the changed rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django.db import DataError
from django.db.models import Model

Change = tuple[Any, Mapping[str, Any]]
"""A row, and the new values of the columns that change."""

ROWS_PER_STATEMENT = 200


def differences(row: Model, values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns whose values in the row differ from these."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def write(changes: Iterable[Change], **always: Any) -> None:
    """Write the changes: one statement for each set of columns, however many rows it concerns.

    `always`: values that every changed row also gets (the time of the change). Raises DataError for
    a text that is too long.
    """
    alike: dict[frozenset[str], list[Any]] = defaultdict(list)
    for row, values in changes:
        if not values:
            continue
        for name, value in {**values, **always}.items():
            _require_short(row, name, value)
            setattr(row, name, value)
        alike[frozenset(values)].append(row)
    for names, rows in alike.items():
        type(rows[0])._default_manager.bulk_update(
            rows, sorted({*names, *always}), batch_size=ROWS_PER_STATEMENT
        )


@cache
def max_lengths(model: type[Model]) -> dict[str, int]:
    """The length limits of the text columns that have one."""
    return {
        field.name: field.max_length for field in model._meta.concrete_fields if field.max_length
    }


def _require_short(row: Model, name: str, value: Any) -> None:
    """On PostgreSQL `bulk_update` casts to the column's type, which cuts a text silently."""
    longest = max_lengths(type(row)).get(name)
    if longest is not None and isinstance(value, str) and len(value) > longest:
        raise DataError(f"{name} is too long: {len(value)} characters; the limit is {longest}.")
