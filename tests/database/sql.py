"""Plain statements, written short."""

from __future__ import annotations

from django.apps import apps


def update(table: str, values: str, where: str) -> str:
    return f"UPDATE {table} SET {values} WHERE {where}"


def delete(table: str, where: str) -> str:
    return f"DELETE FROM {table} WHERE {where}"


def copy(table: str, where: str, **changes: str) -> str:
    """Insert a row like the one at `where`, but with these SQL values."""
    model = next(it for it in apps.get_models() if it._meta.db_table == table)
    automatic = model._meta.auto_field
    columns = [
        field.column
        for field in model._meta.concrete_fields
        if field is not automatic and not field.generated
    ]
    values = ", ".join(changes.get(column, column) for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE {where}"
