"""What happened, across all VMs."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from replication.filters import EventFilter, OccurrenceFilter
from replication.selectors.events import events_for_list, occurrences_for_list
from vmrep import access
from vmrep.access import Verb
from vmrep.api.lists import listing
from vmrep.api.serializers.events import EventSerializer, OccurrenceSerializer
from vmrep.api.views.base import View


class EventList(View):
    """GET: what happened to VMs, the newest first."""

    def get(self, request: Request) -> Response:
        return listing(
            request,
            access.rows(request.user, Verb.VIEW, events_for_list()),
            serializer=EventSerializer,
            filterset=EventFilter,
            filter_choices={"vcenters": access.vcenters(request.user)},
        )


class OccurrenceList(View):
    """GET: what people may have been told of, the newest first."""

    def get(self, request: Request) -> Response:
        return listing(
            request,
            access.rows(request.user, Verb.VIEW, occurrences_for_list()),
            serializer=OccurrenceSerializer,
            filterset=OccurrenceFilter,
            filter_choices={"vcenters": access.vcenters(request.user)},
        )
