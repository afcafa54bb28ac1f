"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class OccurrencesFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    kind: Sequence[str] | None
    ordering: Sequence[str] | None
    period: str | None
    search: str | None
    vcenter: Sequence[int] | None
    vm: str | None


class OccurrencesQuery(OccurrencesFilter, Page, total=False):
    pass


class Occurrences(Calls):
    def get_occurrences(self, **query: Unpack[OccurrencesQuery]) -> models.OccurrencePage:
        """What people may have been told of, the newest first."""
        return self._get("/api/v1/occurrences/", query=query)

    def all_occurrences(self, **query: Unpack[OccurrencesFilter]) -> Iterator[models.Occurrence]:
        """All rows of `get_occurrences`, page by page."""
        return self._rows("/api/v1/occurrences/", query=query)
