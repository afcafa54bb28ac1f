"""The audit trail."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from vmrep import access
from vmrep.api.lists import listing
from vmrep.api.serializers.audit import AuditEventSerializer
from vmrep.api.views.base import View
from vmrep.trail.filters import AuditFilter


class AuditEventList(View):
    """GET: who did what to which object, the newest first."""

    def get(self, request: Request) -> Response:
        return listing(
            request,
            access.audit_events(request.user),
            serializer=AuditEventSerializer,
            filterset=AuditFilter,
            filter_choices={"vcenters": access.vcenters(request.user)},
            order_by={"number": "number", "at": "at", "actor": "actor"},
        )
