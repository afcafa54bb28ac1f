"""The filters of protected VMs and of jobs: one definition for pages and API."""

from __future__ import annotations

from datetime import timedelta

import django_filters
from django.db.models import QuerySet
from django.utils import timezone

from contexts.filters import Choices, OfVCenter, Search, VMContextFilter
from replication.models import ReplicationJob
from replication.rpo import RPOState
from replication.states import JobStatus, ReplicationType, Trigger


class ProtectedVMFilter(VMContextFilter):
    """Filters of the VM list; the rows are those of `selectors.contexts_for_list`."""

    rpo = Choices(field_name="rpo_state", choices=RPOState.choices, label="RPO")
    last_job = Choices(field_name="newest_job_status", choices=JobStatus.choices, label="Last job")


LATELY = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}


class JobFilter(django_filters.FilterSet):
    """Filters of jobs; `vm` is a context ID."""

    search = Search(
        texts=("source_vm_name", "error_message", "requested_by"),
        identifiers=("id", "source_vm_id"),
    )
    status = Choices(choices=JobStatus.choices, label="Status")
    type = Choices(field_name="replication_type", choices=ReplicationType.choices, label="Type")
    trigger = Choices(choices=Trigger.choices, label="Trigger")
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    vcenter = OfVCenter(field_name="vm_context__vcenter")
    ended = django_filters.ChoiceFilter(
        choices=[("24h", "In the last 24 hours"), ("7d", "In the last 7 days")],
        method="by_end",
        label="Ended",
    )

    class Meta:
        model = ReplicationJob
        fields: list[str] = []

    def by_end(self, rows: QuerySet, _name: str, lately: str) -> QuerySet:
        """Ended since so long ago, by the clock at which somebody looks."""
        return rows.filter(completed_at__gte=timezone.now() - LATELY[lately])
