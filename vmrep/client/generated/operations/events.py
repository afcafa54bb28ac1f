"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class EventsFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    period: str | None
    search: str | None
    vcenter: Sequence[int] | None
    vm: str | None


class EventsQuery(EventsFilter, Page, total=False):
    pass


class Events(Calls):
    def get_events(self, **query: Unpack[EventsQuery]) -> models.EventPage:
        """What happened to VMs, the newest first."""
        return self._get("/api/v1/events/", query=query)

    def all_events(self, **query: Unpack[EventsFilter]) -> Iterator[models.Event]:
        """All rows of `get_events`, page by page."""
        return self._rows("/api/v1/events/", query=query)
