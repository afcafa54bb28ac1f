"""What happened, across all VMs: what was done to them, and what people are told of."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from replication.filters import EventFilter, OccurrenceFilter
from replication.selectors.events import events_for_list, occurrences_for_list
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_files, live, saved_views, versions
from vmrep.web.models import ViewPage
from vmrep.web.tables import EventTable, OccurrenceTable


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    if begins := saved_views.beginning(request, ViewPage.EVENTS):
        return begins
    version = versions.of_events()
    if live.is_current(request, version):
        return live.nothing_new()
    rows = access.rows(request.user, Verb.VIEW, events_for_list())
    filters = EventFilter(request.GET, queryset=rows, vcenters=access.vcenters(request.user))
    if csv_files.is_wanted(request):
        return csv_files.of_table("events", EventTable, filters.qs, request)
    content = {"filters": filters, "table": EventTable.for_request(filters.qs, request)}
    return live.respond(request, "events/index.html", version, content)


@require_safe
def occurrences(request: HttpRequest) -> HttpResponseBase:
    if begins := saved_views.beginning(request, ViewPage.OCCURRENCES):
        return begins
    version = versions.of_events()
    if live.is_current(request, version):
        return live.nothing_new()
    rows = access.rows(request.user, Verb.VIEW, occurrences_for_list())
    filters = OccurrenceFilter(request.GET, queryset=rows, vcenters=access.vcenters(request.user))
    if csv_files.is_wanted(request):
        return csv_files.of_table("occurrences", OccurrenceTable, filters.qs, request)
    content = {"filters": filters, "table": OccurrenceTable.for_request(filters.qs, request)}
    return live.respond(request, "events/occurrences.html", version, content)
