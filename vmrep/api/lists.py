"""Lists: filtered, ordered, in pages, with the fields that are asked for. Unknown parameters are
refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import django_filters
from django.db.models import F, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from vmrep.api.cursors import BadCursor, page_after
from vmrep.api.suggestions import REPEATED, unknown_names
from vmrep.paging import KeyedPaginator, of_keys

PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 500
PAGING = ("page", "page_size", "cursor", "fields", "ordering")
TRUE_OR_FALSE = ("true", "false", "True", "False")  # what Django's filter understands


class Pages(PageNumberPagination):
    """`page` and `page_size`; an invalid size is refused, not replaced."""

    django_paginator_class = KeyedPaginator
    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = LARGEST_PAGE_SIZE

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        page = request.query_params.get(self.page_query_param, "1")
        if not (page.isascii() and page.isdigit()):
            raise ValidationError({"page": "It must be a whole number, 1 or more."})
        return super().paginate_queryset(queryset, request, view)

    def get_page_size(self, request: Request) -> int:
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return PAGE_SIZE
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= LARGEST_PAGE_SIZE):
            raise ValidationError(
                {"page_size": f"It must be a whole number from 1 to {LARGEST_PAGE_SIZE}."}
            )
        return int(asked)


class Cursors(Pages):
    """`cursor`: each page begins after the last row of the one before it (vmrep.api.cursors)."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        if "page" in request.query_params:
            raise ValidationError({"page": "Give either page or cursor."})
        self.here = request.build_absolute_uri()
        query = request.query_params.copy()
        for name in ("page_size", "fields"):
            query.pop(name, None)
        cursor = str(query.pop("cursor")[0])
        asked = f"{request.path}?{query.urlencode()}"
        try:
            keys, self.next = page_after(queryset, cursor, self.get_page_size(request), asked)
        except BadCursor:
            raise ValidationError(
                {"cursor": "This list gave no such cursor for this query. Begin with an empty one."}
            ) from None
        return of_keys(queryset, keys)

    def get_next_link(self) -> str | None:
        return replace_query_param(self.here, "cursor", self.next) if self.next else None

    def get_paginated_response(self, data: Any) -> Response:
        """Nobody counts: that costs as much as reading all."""
        return Response(
            {"count": None, "next": self.get_next_link(), "previous": None, "results": data}
        )


def require_known(
    request: Request, known: Collection[str], *, repeatable: Collection[str] = ()
) -> None:
    """Raises ValidationError when the query has an unknown parameter, or repeats one of which only
    one value would be used."""
    query = request.query_params
    errors = unknown_names(query, known, "parameter")
    errors |= {
        name: [REPEATED]
        for name in query
        if name in known and name not in repeatable and len(query.getlist(name)) > 1
    }
    if errors:
        raise ValidationError(errors)


def by_name(*columns: str) -> dict[str, str]:
    """An `order_by` of columns that are called the same."""
    return {name: name for name in columns}


@dataclass(frozen=True)
class Listing:
    """One kind of list: what its rows are, and what may be asked of it. Answers requests, and is
    what the schema says of them."""

    serializer: type[serializers.BaseSerializer[Any]]
    """Of one row."""
    filterset: type[django_filters.FilterSet] | None = None
    order_by: Mapping[str, str] = field(default_factory=dict)
    """The values of `ordering`, and the columns that they stand for."""
    more: type[serializers.BaseSerializer[Any]] | None = None
    """What the answer has beside the page."""

    @property
    def parameters(self) -> set[str]:
        filters = self.filterset.base_filters if self.filterset is not None else ()
        return {*PAGING, *filters}

    @cached_property
    def fields(self) -> list[str]:
        """What `fields` may name."""
        return list(self.serializer().fields)  # type: ignore[attr-defined]

    def answer(
        self,
        request: Request,
        rows: QuerySet[Any],
        *,
        filter_choices: Mapping[str, QuerySet[Any]] | None = None,
        more: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        shown: Callable[..., Any] | None = None,
    ) -> Response:
        """A page of the rows that the query asks for.

        `filter_choices` are the rows that the filter set's filters may name. `more` is added to the
        answer before the page; `context` is the serializer's. `shown` is called as the serializer
        is, instead of it, where rows need more than their columns.
        """
        require_known(request, self.parameters, repeatable=_repeatable(self.filterset))
        wanted = self._fields(request)
        rows = self._ordered(request, self._filtered(request, rows, filter_choices or {}))
        pages = Cursors() if "cursor" in request.query_params else Pages()
        page = pages.paginate_queryset(rows, request)
        made: Any = (shown or self.serializer)(page, many=True, context=context or {})
        for name in set(self.fields).difference(wanted):
            made.child.fields.pop(name)
        answer = pages.get_paginated_response(made.data)
        answer.data = {**(more or {}), **answer.data}
        return answer

    def _filtered(
        self, request: Request, rows: QuerySet[Any], choices: Mapping[str, QuerySet[Any]]
    ) -> QuerySet[Any]:
        if self.filterset is None:
            return rows
        _require_values(request, self.filterset)
        _require_booleans(request, self.filterset)
        filtered = self.filterset(request.query_params, queryset=rows, **choices)
        if not filtered.is_valid():
            raise ValidationError(filtered.errors)
        found: QuerySet[Any] = filtered.qs
        return found

    def _ordered(self, request: Request, rows: QuerySet[Any]) -> QuerySet[Any]:
        if "ordering" not in request.query_params:
            return rows
        return _ordered(rows, request.query_params["ordering"], self.order_by)

    def _fields(self, request: Request) -> list[str]:
        """The fields that are asked for: all, unless `fields` names some."""
        if "fields" not in request.query_params:
            return self.fields
        names = [name.strip() for name in request.query_params["fields"].split(",")]
        names = [name for name in names if name]
        if not names:
            raise ValidationError({"fields": f"Name some of {', '.join(self.fields)}."})
        errors = unknown_names(names, self.fields, "field")
        if errors:
            raise ValidationError({"fields": [why for each in errors.values() for why in each]})
        return names


def _repeatable(filterset: type[django_filters.FilterSet] | None) -> list[str]:
    """The filters that take several values."""
    filters = filterset.base_filters if filterset is not None else {}
    return [
        name
        for name, each in filters.items()
        if isinstance(each, django_filters.MultipleChoiceFilter)
    ]


def _require_values(request: Request, filterset: type[django_filters.FilterSet]) -> None:
    """Refuses filters without a value, which the pages' forms send and Django ignores."""
    errors = {
        name: ["It is empty. Give it a value, or leave it out."]
        for name in filterset.base_filters
        if "" in request.query_params.getlist(name)
    }
    if errors:
        raise ValidationError(errors)


def _require_booleans(request: Request, filterset: type[django_filters.FilterSet]) -> None:
    """Refuses values other than true and false, which Django would ignore."""
    errors = {
        name: ["It must be true or false."]
        for name, each in filterset.base_filters.items()
        if isinstance(each, django_filters.BooleanFilter)
        and request.query_params.get(name, "true") not in TRUE_OR_FALSE
    }
    if errors:
        raise ValidationError(errors)


def _ordered(rows: QuerySet[Any], asked: str, order_by: Mapping[str, str]) -> QuerySet[Any]:
    """Sort by the given columns ("-": descending), unknown values last, always unambiguously."""
    names = [name.strip() for name in asked.split(",") if name.strip()]
    unknown = [name for name in names if name.removeprefix("-") not in order_by]
    if unknown or not names:
        what = f", not {', '.join(unknown)}" if unknown else ""
        raise ValidationError({"ordering": f"It takes {', '.join(sorted(order_by))}{what}."})
    columns = []
    for name in names:
        column = F(order_by[name.removeprefix("-")])
        falling = name.startswith("-")
        columns.append(column.desc(nulls_last=True) if falling else column.asc(nulls_last=True))
    return rows.order_by(*columns, "pk")
