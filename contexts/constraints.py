"""A foreign key over several columns, checked at commit: what Django's own fields cannot say.

Used where "the job must be this context's" is a rule of the data and not of the code. Both
SQLite and PostgreSQL check it at COMMIT, so the statements of a transaction may come in any order.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement


class CompositeForeignKey(models.BaseConstraint):
    """`fields` of this model must stand together in `to_columns` of the table `to_table`.

    The target columns need a unique constraint of their own. As in SQL (MATCH SIMPLE) a row with a
    null among `fields` is not checked. The target is named by table and column, since SQLite's
    table rebuilds see only the one model that they rebuild.
    """

    def __init__(
        self,
        *,
        name: str,
        fields: tuple[str, ...],
        to_table: str,
        to_columns: tuple[str, ...],
        violation_error_message: str | None = None,
    ) -> None:
        self.fields = tuple(fields)
        self.to_table = to_table
        self.to_columns = tuple(to_columns)
        super().__init__(name=name, violation_error_message=violation_error_message)

    def constraint_sql(self, model: Any, schema_editor: BaseDatabaseSchemaEditor) -> str:
        quote = schema_editor.quote_name
        here = ", ".join(quote(model._meta.get_field(name).column) for name in self.fields)
        there = ", ".join(quote(column) for column in self.to_columns)
        return (
            f"CONSTRAINT {quote(self.name)} FOREIGN KEY ({here})"
            f" REFERENCES {quote(self.to_table)} ({there})"
            " DEFERRABLE INITIALLY DEFERRED"
        )

    def create_sql(self, model: Any, schema_editor: BaseDatabaseSchemaEditor) -> Statement:
        return Statement(
            "ALTER TABLE %(table)s ADD %(definition)s",
            table=schema_editor.quote_name(model._meta.db_table),
            definition=self.constraint_sql(model, schema_editor),
        )

    def remove_sql(self, model: Any, schema_editor: BaseDatabaseSchemaEditor) -> Statement:
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=schema_editor.quote_name(model._meta.db_table),
            name=schema_editor.quote_name(self.name),
        )

    def validate(
        self,
        model: Any,
        instance: Any,
        exclude: Any = None,
        using: str = DEFAULT_DB_ALIAS,
    ) -> None:
        """Forms get the same answer as the database, before it is asked to commit."""
        if exclude and any(name in exclude for name in self.fields):
            return
        if any(model._meta.get_field(name).generated for name in self.fields):
            return  # only the database knows what it will compute
        values = [getattr(instance, model._meta.get_field(name).attname) for name in self.fields]
        if any(value is None for value in values):
            return
        target = next(it for it in apps.get_models() if it._meta.db_table == self.to_table)
        attributes = {field.column: field.attname for field in target._meta.concrete_fields}
        wanted = {
            attributes[column]: value for column, value in zip(self.to_columns, values, strict=True)
        }
        if not target._default_manager.using(using).filter(**wanted).exists():
            raise ValidationError(self.get_violation_error_message())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CompositeForeignKey):
            return self.deconstruct() == other.deconstruct()
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as BaseConstraint's own equality demands

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        kwargs |= {
            "fields": self.fields,
            "to_table": self.to_table,
            "to_columns": self.to_columns,
        }
        return path, args, kwargs
