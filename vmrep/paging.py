"""Pages of long lists: first the keys of a page, then everything about those few rows.

Otherwise the database would also compute what a list adds to each row (such as its newest job) for
every row before the page.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

if TYPE_CHECKING:  # generic for the type checker only
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator


class KeyedPaginator(_Paginator):
    """Pages of a QuerySet[Any], or of the rows of a django-tables2 table over one.

    With `count_up_to`, rows are counted and paged only up to that number; `is_cut` tells that there
    are more, which a filter can reveal.
    """

    def __init__(self, *args: Any, count_up_to: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._count_up_to = count_up_to

    @cached_property
    def count(self) -> int:
        most = self._count_up_to
        return self._counted if most is None else min(self._counted, most)

    @cached_property
    def is_cut(self) -> bool:
        return self._count_up_to is not None and self._counted > self._count_up_to

    @cached_property
    def _counted(self) -> int:
        rows = _queryset(self.object_list)
        if self._count_up_to is not None:
            rows = rows.order_by()[: self._count_up_to + 1]
        return int(rows.count())

    def page(self, number: Any) -> Page[Any]:
        page: Any = super().page(number)
        rows = _queryset(self.object_list)
        found = of_keys(rows, list(_queryset(page.object_list).values_list("pk", flat=True)))
        if isinstance(page.object_list, QuerySet):
            page.object_list = found
        else:
            page.object_list.data = found
        return page


def of_keys(rows: QuerySet[Any], keys: list[Any]) -> list[Any]:
    """The rows with these keys, in the keys' order."""
    found = {row.pk: row for row in rows.order_by().filter(pk__in=keys)}
    return [found[key] for key in keys if key in found]


def _queryset(rows: Any) -> QuerySet[Any]:
    """The QuerySet[Any], or a slice of it, behind a table's rows."""
    while not isinstance(rows, QuerySet):
        rows = rows.data
    return rows
