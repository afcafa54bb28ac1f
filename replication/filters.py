"""The filters of protected VMs and of jobs: one definition for pages and API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters
from django.db.models import QuerySet, TextChoices
from django.db.models.functions import Now

from contexts.filters import (
    Choices,
    Filters,
    KeyField,
    OfVCenter,
    Search,
    VMContextFilter,
    WithVCenters,
)
from contexts.models import ContextEvent
from replication.models import BulkItem, Occurrence, ReplicationJob, VMGroup
from replication.selectors.protection import Protection
from replication.states import BulkItemState, JobStatus, OccurrenceKind, ReplicationType, Trigger


class OfGroup(django_filters.ModelMultipleChoiceFilter):
    """One or several groups, by ID."""

    field_class = KeyField

    def __init__(self, **kwargs: object) -> None:
        super().__init__(distinct=False, queryset=VMGroup.objects.none(), label="Group", **kwargs)


class ProtectedVMFilter(VMContextFilter):
    """Filters the VM list, the rows of `selectors.contexts_for_list`. `groups` are the choices of
    its filter `group`: those that the user sees."""

    protection = Choices(choices=Protection.choices, label="Protection")
    last_job = Choices(field_name="newest_job_status", choices=JobStatus.choices, label="Last job")
    group = OfGroup(field_name="group_member__group")

    def __init__(self, *args: Any, groups: QuerySet[VMGroup] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.filters["group"].queryset = VMGroup.objects.all() if groups is None else groups


class Period(TextChoices):
    """How long ago, counted from the time of the request."""

    HOUR = "hour", "Last hour"
    DAY = "day", "Last 24 hours"
    WEEK = "week", "Last 7 days"
    MONTH = "month", "Last 30 days"


_LENGTH = {
    Period.HOUR: timedelta(hours=1),
    Period.DAY: timedelta(days=1),
    Period.WEEK: timedelta(days=7),
    Period.MONTH: timedelta(days=30),
}


class JobFilter(WithVCenters):
    """Filters jobs, the rows of `selectors.jobs_for_list`. `vm` is a context ID."""

    search = Search(
        texts=("source_vm_name", "error_message", "requested_by"),
        identifiers=("id", "source_vm_id"),
    )
    status = Choices(choices=JobStatus.choices, label="Status")
    type = Choices(field_name="replication_type", choices=ReplicationType.choices, label="Type")
    trigger = Choices(choices=Trigger.choices, label="Trigger")
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    vcenter = OfVCenter(field_name="vm_context__vcenter")
    period = django_filters.ChoiceFilter(
        choices=Period.choices, method="by_request", label="Requested"
    )
    ended = django_filters.ChoiceFilter(choices=Period.choices, method="by_end", label="Ended")
    warnings = django_filters.BooleanFilter(field_name="has_warnings", label="With warnings")

    class Meta:
        model = ReplicationJob
        fields: list[str] = []

    def by_request(self, rows: QuerySet[Any], _name: str, period: str) -> QuerySet[Any]:
        return rows.filter(created_at__gte=Now() - _LENGTH[Period(period)])

    def by_end(self, rows: QuerySet[Any], _name: str, period: str) -> QuerySet[Any]:
        return rows.filter(completed_at__gte=Now() - _LENGTH[Period(period)])


class BulkItemFilter(Filters):
    """Filters the VMs of a bulk action."""

    search = Search(texts=("vm_context__vm_name", "why"), identifiers=("vm_context__context_id",))
    state = django_filters.ChoiceFilter(choices=BulkItemState.choices, label="State")

    class Meta:
        model = BulkItem
        fields: list[str] = []


class EventFilter(WithVCenters):
    """Filters what happened to VMs. `vm` is a context ID."""

    search = Search(
        texts=("why", "actor", "vm_context__vm_name"),
        identifiers=("job__id", "vm_context__context_id"),
    )
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    vcenter = OfVCenter(field_name="vm_context__vcenter")
    period = django_filters.ChoiceFilter(choices=Period.choices, method="by_time", label="When")

    class Meta:
        model = ContextEvent
        fields: list[str] = []

    def by_time(self, rows: QuerySet[Any], _name: str, period: str) -> QuerySet[Any]:
        return rows.filter(created_at__gte=Now() - _LENGTH[Period(period)])


class OccurrenceFilter(WithVCenters):
    """Filters what people may have been told of. `vm` is a context ID."""

    search = Search(
        texts=("what", "vm_context__vm_name"), identifiers=("job__id", "vm_context__context_id")
    )
    kind = Choices(choices=OccurrenceKind.choices, label="Kind")
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    vcenter = OfVCenter(field_name="vm_context__vcenter")
    period = django_filters.ChoiceFilter(choices=Period.choices, method="by_time", label="When")

    class Meta:
        model = Occurrence
        fields: list[str] = []

    def by_time(self, rows: QuerySet[Any], _name: str, period: str) -> QuerySet[Any]:
        return rows.filter(at__gte=Now() - _LENGTH[Period(period)])
