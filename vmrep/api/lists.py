"""Lists: filtered, ordered, in pages. Unknown parameters are refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import django_filters
from django.db.models import F, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from vmrep.api.suggestions import REPEATED, unknown_names
from vmrep.paging import KeyedPaginator

PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 500
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


def listing(
    request: Request,
    rows: QuerySet[Any],
    *,
    serializer: Any,
    filterset: type[django_filters.FilterSet] | None = None,
    filter_choices: Mapping[str, QuerySet[Any]] | None = None,
    order_by: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
) -> Response:
    """A page of the rows that the query asks for.

    `filter_choices` are the rows that the filter set's filters may name. `order_by` maps the valid
    values of `ordering` to columns. `more` is added to the answer before the page; `context` is the
    serializer's.
    """
    known = {"page", "page_size"}
    if filterset is not None:
        known |= set(filterset.base_filters)
    if order_by is not None:
        known.add("ordering")
    require_known(request, known, repeatable=_repeatable(filterset))
    if filterset is not None:
        _require_booleans(request, filterset)
        filtered = filterset(request.query_params, queryset=rows, **(filter_choices or {}))
        if not filtered.is_valid():
            raise ValidationError(filtered.errors)
        rows = filtered.qs
    if "ordering" in request.query_params:
        rows = _ordered(rows, request.query_params["ordering"], order_by or {})
    pages = Pages()
    page = pages.paginate_queryset(rows, request)
    answer = pages.get_paginated_response(serializer(page, many=True, context=context or {}).data)
    answer.data = {**(more or {}), **answer.data}
    return answer


def _repeatable(filterset: type[django_filters.FilterSet] | None) -> list[str]:
    """The filters that take several values."""
    filters = filterset.base_filters if filterset is not None else {}
    return [
        name
        for name, each in filters.items()
        if isinstance(each, django_filters.MultipleChoiceFilter)
    ]


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
    if unknown:
        raise ValidationError(
            {"ordering": f"It takes {', '.join(sorted(order_by))}, not {', '.join(unknown)}."}
        )
    columns = []
    for name in names:
        column = F(order_by[name.removeprefix("-")])
        falling = name.startswith("-")
        columns.append(column.desc(nulls_last=True) if falling else column.asc(nulls_last=True))
    return rows.order_by(*columns, "pk")
