"""The audit trail."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from vmrep import access
from vmrep.api.lists import Listing, by_name
from vmrep.api.schema.operations import described_list
from vmrep.api.serializers.audit import AuditEventSerializer
from vmrep.api.views.base import View
from vmrep.trail.filters import AuditFilter

EVENTS = Listing(AuditEventSerializer, AuditFilter, by_name("number", "at", "actor"))


class AuditEventList(View):
    """GET: who did what to which object, the newest first."""

    @described_list(EVENTS)
    def get(self, request: Request) -> Response:
        return EVENTS.answer(
            request,
            access.audit_events(request.user),
            filter_choices={"vcenters": access.vcenters(request.user)},
        )
