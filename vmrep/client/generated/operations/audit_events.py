"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class AuditEventsFilter(TypedDict, total=False):
    actor: str | None
    before: str | None
    fields: Sequence[str] | None
    kind: Sequence[str] | None
    object: str | None
    ordering: Sequence[str] | None
    outcome: Sequence[str] | None
    period: str | None
    search: str | None
    since: str | None
    vcenter: Sequence[int] | None
    verb: Sequence[str] | None
    via: Sequence[str] | None
    vm: str | None


class AuditEventsQuery(AuditEventsFilter, Page, total=False):
    pass


class AuditEvents(Calls):
    def get_audit_events(self, **query: Unpack[AuditEventsQuery]) -> models.AuditEventPage:
        """Who did what to which object, the newest first."""
        return self._get("/api/v1/audit-events/", query=query)

    def all_audit_events(self, **query: Unpack[AuditEventsFilter]) -> Iterator[models.AuditEvent]:
        """All rows of `get_audit_events`, page by page."""
        return self._rows("/api/v1/audit-events/", query=query)
