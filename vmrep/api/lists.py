"""Lists: filtered, ordered, cut into pages. A parameter that is not known is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters
from django.db.models import F, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from vmrep.api.suggestions import unknown_names

PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 500


class Pages(PageNumberPagination):
    """`page` and `page_size`; a size that is not possible is refused, not replaced."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = LARGEST_PAGE_SIZE

    def get_page_size(self, request: Request) -> int:
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return PAGE_SIZE
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= LARGEST_PAGE_SIZE):
            raise ValidationError(
                {"page_size": f"A whole number from 1 to {LARGEST_PAGE_SIZE} is needed."}
            )
        return int(asked)


def require_known(request: Request, known: set[str]) -> None:
    """Raises ValidationError when the query has a parameter that nothing here reads."""
    if errors := unknown_names(request.query_params, known, "parameter"):
        raise ValidationError(errors)


def listing(
    request: Request,
    rows: QuerySet,
    *,
    serializer: Any,
    filterset: type[django_filters.FilterSet] | None = None,
    order_by: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
) -> Response:
    """A page of the rows that the query asks for.

    `order_by` maps what may stand in `ordering` to columns. `more` is put into the answer before
    the page; `context` is the serializer's.
    """
    known = {"page", "page_size"}
    if filterset is not None:
        known |= set(filterset.base_filters)
    if order_by is not None:
        known.add("ordering")
    require_known(request, known)
    if filterset is not None:
        filtered = filterset(request.query_params, queryset=rows, request=request)
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


def _ordered(rows: QuerySet, asked: str, order_by: Mapping[str, str]) -> QuerySet:
    """By the columns asked for, "-" in front: falling; unknown values last; always unambiguous."""
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
