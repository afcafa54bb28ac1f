"""Queries, and parts of queries, that are the same each time: their SQL is written once.

A list adds to its rows what other tables know of them. To put such a query together takes longer
than to answer it for one VM. So what never changes in it is built once per process, as a QuerySet
that callers filter, and what that adds to a row is CompiledOnce. A query of which nothing changes
is Prepared. What every request reads of one row, it finds ByKey.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar, cast

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, Model, QuerySet, Subquery
from django.db.models.expressions import BaseExpression, Combinable
from django.db.models.functions import Coalesce
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.query import Query

Row = TypeVar("Row", bound=Model)


class CompiledOnce(BaseExpression, Combinable):
    """An expression that keeps its SQL, for as long as the QuerySet lives that it was added to. It
    must not read what that adds under another name."""

    def __init__(self, expression: Case | Coalesce | Subquery) -> None:
        super().__init__()
        self._expression: BaseExpression = expression
        self._resolved = False
        self._kept: dict[str, tuple[str, tuple[str | int, ...]]] = {}

    def get_source_expressions(self) -> list[Combinable]:
        return [cast(Combinable, self._expression)]

    def set_source_expressions(self, exprs: Sequence[Combinable]) -> None:
        self._expression = cast(BaseExpression, exprs[0])

    def copy(self) -> CompiledOnce:
        """For another query, in which the tables may have other names."""
        copied = super().copy()
        copied._kept = {}
        return copied

    def resolve_expression(
        self,
        query: Query | None = None,
        allow_joins: bool = True,
        reuse: set[str] | None = None,
        summarize: bool = False,
        for_save: bool = False,
    ) -> CompiledOnce:
        """Once: each filter by it resolves it again whenever that is compiled."""
        if self._resolved:
            return self
        resolved = super().resolve_expression(query, allow_joins, reuse, summarize, for_save)
        resolved._resolved = True
        return resolved

    def replace_expressions(self, replacements: Mapping[Any, Any]) -> Any:
        """Nothing in it can be replaced: it reads columns only."""
        return replacements.get(self, self)

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[str | int, ...]]:
        kept = self._kept.get(connection.vendor)
        if kept is None:
            sql, parameters = compiler.compile(self._expression)
            kept = self._kept[connection.vendor] = sql, tuple(parameters)
        return kept


class Prepared:
    """The `values_list` of a query, as the database has the values."""

    def __init__(self, rows: Callable[[], QuerySet[Any, Any]]) -> None:
        self._statement = cache(lambda: rows().query.sql_with_params())

    def all(self) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(*self._statement())
            return cursor.fetchall()

    def each(self) -> Iterator[tuple[Any, ...]]:
        """For however many rows there may be."""
        with connection.chunked_cursor() as cursor:
            cursor.execute(*self._statement())
            yield from cursor


class ByKey(Generic[Row]):
    """The rows of a model, each found by its primary key, which is a text or a number."""

    def __init__(self, model: type[Row]) -> None:
        self._model = model
        self._written = cache(self._write)

    def get(self, key: str | int) -> Row | None:
        query, sql, columns, converters = self._written()
        with connection.cursor() as cursor:
            cursor.execute(sql, [key])
            found = cursor.fetchone()
        if found is None:
            return None
        compiler = query.get_compiler(connection=connection)
        (values,) = compiler.apply_converters([found], converters)
        return self._model.from_db(connection.alias, columns, values)

    def _write(self) -> tuple[Query, str, list[str], Any]:
        any_key = self._model._meta.pk.to_python(0)
        query = self._model._default_manager.filter(pk=any_key).order_by().query
        compiler = query.get_compiler(connection=connection)
        sql, _ = compiler.as_sql()
        columns = [column for column, *_ in compiler.select]
        names = [column.target.attname for column in columns]
        return query, sql, names, compiler.get_converters(columns)
