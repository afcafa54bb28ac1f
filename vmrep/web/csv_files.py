"""Lists as files for spreadsheets: the rows that the page's filters find, in its order, all pages.

A file may have more rows than fit into memory: it is written while it is sent, and rows are read a
few at a time by their keys.
"""

from __future__ import annotations

import csv
import io
import re
import threading
import weakref
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from contexts.clock import about_now
from contexts.text import printable
from vmrep.incoming import Refusal
from vmrep.paging import of_keys
from vmrep.web.csv_cells import Cells, of_columns
from vmrep.web.tables import Table

BATCH = 500
AT_ONCE = 3
"""Files that one process writes: fewer than it has threads (deploy/), so that pages are shown."""
AGAIN_SECONDS = 10
_places = threading.BoundedSemaphore(AT_ONCE)
_BUSY = Refusal(503, "busy", "Others are getting files of lists just now. Try again in a moment.")
_CALCULATED = ("=", "+", "-", "@")
# Where commas are decimal ones, a spreadsheet divides at semicolons or tabs, and so in a name.
_LATER_CELL = re.compile(r"([;\t][\s\"]*)(?=[=+\-@])")


def is_wanted(request: HttpRequest) -> bool:
    """Whether the address asks for the list as a file."""
    return request.GET.get("format") == "csv"


def wanted(request: HttpRequest) -> str | None:
    """Which of a page's lists the address asks for as a file: "" its main one; None: none."""
    return request.GET.get("list", "") if is_wanted(request) else None


def of_table(
    name: str, table: type[Table], rows: QuerySet[Any], request: HttpRequest
) -> HttpResponseBase:
    """The table's rows as the address sorts them, with the columns that it chooses."""
    ordered = table.unpaged(rows, request)
    columns = [(column.name, column.column) for column in ordered.columns]
    return of_rows(name, of_columns(columns, table), ordered.rows.data.data)


def of_rows(name: str, cells: Cells, rows: QuerySet[Any]) -> HttpResponseBase:
    return answer(name, lines(cells, _in_batches(rows)))


class _Writing:
    """The file's lines, while one of the places is held: until the web server is done with it, or
    nobody reads it any more."""

    def __init__(self, written: Iterable[str]) -> None:
        self._written = iter(written)
        self.close = weakref.finalize(self, _places.release)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._written)


def answer(name: str, written: Iterable[str], *, day: date | None = None) -> HttpResponseBase:
    """`written`: the file's lines. Its name says of which day it is: today unless given. A file may
    take long, and so each process of the web server writes a few at once: 503 beyond that."""
    if not _places.acquire(blocking=False):
        busy = HttpResponse(render_to_string("refused.html", {"refusal": _BUSY}), status=503)
        busy["Retry-After"] = str(AGAIN_SECONDS)
        return busy
    response = StreamingHttpResponse(_Writing(written), content_type="text/csv; charset=utf-8")
    file_name = f"vmrep-{name}-{day or about_now():%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["Cache-Control"] = "no-store"
    return response


def lines(cells: Cells, rows: Iterable[Any]) -> Iterator[str]:
    """A heading, then a line for each row."""
    yield line(list(cells))
    for row in rows:
        yield line([value(row) for value in cells.values()])


def line(values: Iterable[object]) -> str:
    """A name that a spreadsheet would calculate becomes text; what turns the direction of writing
    is shown as an escape. Times are in UTC; what is unknown is empty. All is quoted."""
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerow([_harmless(value) for value in values])
    return written.getvalue()


def _harmless(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    text = printable(str(value))
    # A spreadsheet skips spaces before it calculates.
    text = f"'{text}" if text.lstrip().startswith(_CALCULATED) else text
    return _LATER_CELL.sub(r"\1'", text)


def _in_batches(rows: QuerySet[Any]) -> Iterator[Model]:
    keys = iter(rows.values_list("pk", flat=True).iterator(chunk_size=BATCH))
    while batch := list(islice(keys, BATCH)):
        yield from of_keys(rows, batch)
