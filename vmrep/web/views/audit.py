"""The audit trail: who did what to which object."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from vmrep import access
from vmrep.trail.filters import AuditFilter
from vmrep.web import csv_files, live, versions
from vmrep.web.tables import AuditTable


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    version = versions.of_audit()
    if live.is_current(request, version):
        return live.nothing_new()
    rows = access.audit_events(request.user)
    filters = AuditFilter(request.GET, queryset=rows, vcenters=access.vcenters(request.user))
    if csv_files.is_wanted(request):
        return csv_files.of_table("audit", AuditTable, filters.qs, request)
    content = {"filters": filters, "table": AuditTable.for_request(filters.qs, request)}
    return live.respond(request, "audit/index.html", version, content)
