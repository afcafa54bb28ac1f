"""How events are found: for page, file and API alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.db.models.functions import Now

from contexts.filters import Choices, OfVCenter, Search, WithVCenters
from contexts.models import VCenter
from contexts.trail import Kind, Outcome, Verb, Via
from replication.filters import Period
from vmrep.trail.models import Event

_AGO = {
    Period.HOUR: timedelta(hours=1),
    Period.DAY: timedelta(days=1),
    Period.WEEK: timedelta(days=7),
    Period.MONTH: timedelta(days=30),
}


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
    period = django_filters.ChoiceFilter(choices=Period.choices, method="by_time", label="When")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte", label="Since")
    before = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt", label="Before")

    class Meta:
        model = Event
        fields: list[str] = []

    def by_vcenter(self, rows: QuerySet[Any], _name: str, vcenters: list[VCenter]) -> QuerySet[Any]:
        """The trail names a vCenter by its number: it may have been removed."""
        chosen = [vcenter.pk for vcenter in vcenters]
        return rows.filter(vcenter_id__in=chosen) if chosen else rows

    def by_time(self, rows: QuerySet[Any], _name: str, period: str) -> QuerySet[Any]:
        return rows.filter(at__gte=Now() - _AGO[Period(period)])
