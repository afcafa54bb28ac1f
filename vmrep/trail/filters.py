"""How events are found: for page, file and API alike."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet

from contexts.filters import Choices, OfVCenter, Search, WithVCenters
from contexts.models import VCenter
from contexts.trail import Kind, Outcome, Verb, Via
from replication.filters import Lately
from vmrep.trail.models import Event


class AuditFilter(WithVCenters):
    """Filters the audit trail. `vm` is a context ID, `object` the ID of an object of one `kind`;
    `since` and `before` are times with their zone."""

    search = Search(
        texts=("object_name", "actor"),
        identifiers=("object_id", "vm_context_id", "job_id", "request_id", "address"),
    )
    actor = django_filters.CharFilter(label="By", max_length=255)
    verb = Choices(choices=Verb.choices, label="Act")
    kind = Choices(choices=Kind.choices, label="Kind of object")
    object = django_filters.CharFilter(field_name="object_id", label="Object", max_length=255)
    via = Choices(choices=Via.choices, label="Via")
    outcome = Choices(choices=Outcome.choices, label="Outcome")
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    vcenter = OfVCenter(method="by_vcenter")
    period = Lately("at", label="When")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte", label="Since")
    before = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt", label="Before")

    class Meta:
        model = Event
        fields: list[str] = []

    def by_vcenter(self, rows: QuerySet[Any], _name: str, vcenters: list[VCenter]) -> QuerySet[Any]:
        """The trail names a vCenter by its number: it may have been removed."""
        chosen = [vcenter.pk for vcenter in vcenters]
        return rows.filter(vcenter_id__in=chosen) if chosen else rows
