"""The filters of protected VMs and of jobs: one definition for pages and API."""

from __future__ import annotations

import django_filters

from contexts.filters import Choices, OfVCenter, Search, VMContextFilter
from replication.models import ReplicationJob
from replication.rpo import RPOState
from replication.states import JobStatus, ReplicationType, Trigger


class ProtectedVMFilter(VMContextFilter):
    """Filters of the VM list; the rows are those of `selectors.contexts_for_list`."""

    rpo = Choices(field_name="rpo_state", choices=RPOState.choices, label="RPO")


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

    class Meta:
        model = ReplicationJob
        fields: list[str] = []
