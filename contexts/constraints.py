"""Constraints that Django's own classes cannot express.

`CompositeForeignKey`: a foreign key over several columns, checked at commit. Used where "the job
must be this context's" is a rule of the data and not of the code. Both SQLite and PostgreSQL check
it at COMMIT, so the statements of a transaction may come in any order.

`ColumnTypes`: makes SQLite enforce the type of each column.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.db.backends.ddl_references import Statement
from django.db.migrations.operations import AddField


class CompositeForeignKey(models.BaseConstraint):
    """`fields` of this model must occur together in `to_columns` of the table `to_table`.

    The target columns need a unique constraint of their own. As in SQL (MATCH SIMPLE) a row with a
    null among `fields` is not checked. The target is given as table and columns, because a table
    rebuild on SQLite knows only the model that it rebuilds.
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

    def constraint_sql(self, model: Any, schema_editor: Any) -> str:
        quote = schema_editor.quote_name
        here = ", ".join(quote(model._meta.get_field(name).column) for name in self.fields)
        there = ", ".join(quote(column) for column in self.to_columns)
        return (
            f"CONSTRAINT {quote(self.name)} FOREIGN KEY ({here})"
            f" REFERENCES {quote(self.to_table)} ({there})"
            " DEFERRABLE INITIALLY DEFERRED"
        )

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        return Statement(
            "ALTER TABLE %(table)s ADD %(definition)s",
            table=schema_editor.quote_name(model._meta.db_table),
            definition=self.constraint_sql(model, schema_editor),
        )

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
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
        """Gives forms the answer that the database would give at commit."""
        if exclude and any(name in exclude for name in self.fields):
            return
        if any(model._meta.get_field(name).generated for name in self.fields):
            return  # only the database knows the computed value
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
        path, _, kwargs = super().deconstruct()
        kwargs |= {
            "fields": self.fields,
            "to_table": self.to_table,
            "to_columns": self.to_columns,
        }
        return path, (), kwargs


class ColumnTypes(models.BaseConstraint):
    """Makes SQLite, which accepts any value in any column, enforce the column's type.

    Without it, SQLite stores the text "many" in a number column and sorts it above every number,
    so that it passes CHECKs such as `>= 0`. PostgreSQL enforces types itself and gets no
    constraint.

    The columns are those that the model has when its table is built or rebuilt. A column that is
    added without a rebuild is not among them: `AddTypedField` adds it with one. A test finds a
    column that is not checked.
    """

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)

    def constraint_sql(self, model: Any, schema_editor: Any) -> Any:
        if schema_editor.connection.vendor != "sqlite":
            return None
        quote = schema_editor.quote_name
        checks = " AND ".join(
            _type_check(field, quote(field.column))
            for field in model._meta.concrete_fields
            if not field.generated
        )
        return f"CONSTRAINT {quote(self.name)} CHECK ({checks})"

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        """SQLite has no ALTER TABLE for it: Django rebuilds the table, with `constraint_sql`."""

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        """See `create_sql`."""

    def validate(
        self, model: Any, instance: Any, exclude: Any = None, using: str = DEFAULT_DB_ALIAS
    ) -> None:
        """Nothing to do: the fields validate themselves."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ColumnTypes):
            return self.name == other.name
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as BaseConstraint's own equality demands


def _type_check(field: models.Field[Any, Any], column: str) -> str:
    """The condition that the column holds a value of the field's type, or null if it may."""
    value: Any = field
    while value.remote_field:
        value = value.target_field
    if isinstance(value, models.BooleanField):
        check = f"{column} IN (0, 1)"
    elif isinstance(value, models.IntegerField):
        check = f"typeof({column}) = 'integer'"
    elif isinstance(value, models.FloatField):
        check = f"typeof({column}) IN ('real', 'integer')"
    elif isinstance(value, models.DateTimeField):
        check = f"typeof({column}) = 'text' AND datetime({column}) IS NOT NULL"
    elif isinstance(value, models.BinaryField):
        check = f"typeof({column}) = 'blob'"
    elif isinstance(value, models.UUIDField):
        check = f"typeof({column}) = 'text' AND length({column}) = 32"
    else:
        check = f"typeof({column}) = 'text'"
        if value.max_length:
            check += f" AND length({column}) <= {value.max_length}"
    return f"({column} IS NULL OR ({check}))" if field.null else f"({check})"


class AddTypedField(AddField):
    """Adds a field to a table that has `ColumnTypes`, which checks it from then on.

    On SQLite, Django adds and drops a nullable column without rebuilding the table: the constraint
    would not name the new one, and SQLite drops none that it names. So the table is rebuilt.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        before = from_state.apps.get_model(app_label, self.model_name)
        after = to_state.apps.get_model(app_label, self.model_name)
        field = after._meta.get_field(self.name)
        if not self.preserve_default:  # then only the rows that are there get it
            field.default = self.field.default
        schema_editor._remake_table(before, create_field=field)
        if not self.preserve_default:
            field.default = models.NOT_PROVIDED

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        model = from_state.apps.get_model(app_label, self.model_name)
        schema_editor._remake_table(model, delete_field=model._meta.get_field(self.name))
