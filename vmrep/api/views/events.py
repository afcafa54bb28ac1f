"""What happened, across all VMs."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from replication.filters import EventFilter, OccurrenceFilter
from replication.selectors.events import events_for_list, occurrences_for_list
from vmrep import access
from vmrep.access import Verb
from vmrep.api.lists import Listing, by_name
from vmrep.api.schema.operations import described_list
from vmrep.api.serializers.events import EventSerializer, OccurrenceSerializer
from vmrep.api.views.base import View

EVENTS = Listing(
    EventSerializer,
    EventFilter,
    {**by_name("id", "created_at", "actor"), "vm_name": "vm_context__vm_name"},
)
OCCURRENCES = Listing(
    OccurrenceSerializer,
    OccurrenceFilter,
    {**by_name("id", "at", "kind"), "vm_name": "vm_context__vm_name"},
)


class EventList(View):
    """GET: what happened to VMs, the newest first."""

    @described_list(EVENTS)
    def get(self, request: Request) -> Response:
        return EVENTS.answer(
            request,
            access.rows(request.user, Verb.VIEW, events_for_list()),
            filter_choices={"vcenters": access.vcenters(request.user)},
        )


class OccurrenceList(View):
    """GET: what people may have been told of, the newest first."""

    @described_list(OCCURRENCES)
    def get(self, request: Request) -> Response:
        return OCCURRENCES.answer(
            request,
            access.rows(request.user, Verb.VIEW, occurrences_for_list()),
            filter_choices={"vcenters": access.vcenters(request.user)},
        )
