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
from contexts.models import ContextEvent, VMContext
from replication.models import (
    BulkAction,
    BulkItem,
    GroupRun,
    JobLogLine,
    JobSample,
    JobStep,
    Occurrence,
    Pause,
    Policy,
    RecoveryPoint,
    ReplicationJob,
    Repository,
    RepositorySpace,
    VMGroup,
    VMGroupMember,
)
from replication.selectors.protection import Protection
from replication.states import (
    BulkItemState,
    BulkKind,
    BulkState,
    GroupRunState,
    JobStatus,
    LogLevel,
    OccurrenceKind,
    PauseKind,
    PolicyPriority,
    RecoveryPointState,
    ReplicationType,
    RepositoryKind,
    RPOKind,
    StepName,
    StepStatus,
    Trigger,
)

LARGEST_ATTEMPT = 1_000_000


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

    def __init__(self, *args: Any, groups: QuerySet[VMGroup], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.filters["group"].queryset = groups


class Number(django_filters.NumberFilter):
    """A whole number that a column can hold."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(min_value=0, max_value=LARGEST_ATTEMPT, decimal_places=0, **kwargs)


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


class Lately(django_filters.ChoiceFilter):
    """Rows whose time is within a period until now."""

    def __init__(self, field_name: str, *, label: str) -> None:
        super().__init__(field_name=field_name, choices=Period.choices, label=label)

    def filter(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return rows
        return rows.filter(**{f"{self.field_name}__gte": Now() - _LENGTH[Period(value)]})


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
    period = Lately("created_at", label="Requested")
    ended = Lately("completed_at", label="Ended")
    warnings = django_filters.BooleanFilter(field_name="has_warnings", label="With warnings")

    class Meta:
        model = ReplicationJob
        fields: list[str] = []


class StepFilter(Filters):
    """Filters the steps of a job."""

    name = Choices(choices=StepName.choices, label="Step")
    status = Choices(choices=StepStatus.choices, label="Status")
    attempt = Number(label="Attempt")

    class Meta:
        model = JobStep
        fields: list[str] = []


class LogLineFilter(Filters):
    """Filters the lines of a job's log."""

    search = Search(texts=("message",), identifiers=())
    level = Choices(choices=LogLevel.choices, label="Level")
    attempt = Number(label="Attempt")

    class Meta:
        model = JobLogLine
        fields: list[str] = []


class SampleFilter(Filters):
    """Filters the samples of a job's throughput."""

    attempt = Number(label="Attempt")

    class Meta:
        model = JobSample
        fields: list[str] = []


class RepositoryFilter(Filters):
    """Filters repositories."""

    search = Search(texts=("name",), identifiers=("uuid",))
    kind = Choices(choices=RepositoryKind.choices, label="Kind")

    class Meta:
        model = Repository
        fields: list[str] = []


class VMInRepositoryFilter(Filters):
    """Filters the VMs that have something in a repository."""

    search = Search(texts=("vm_name",), identifiers=("context_id", "vmware_vm_id"))
    managed = django_filters.BooleanFilter(
        field_name="unmanaged_at", lookup_expr="isnull", label="Managed"
    )

    class Meta:
        model = VMContext
        fields: list[str] = []


class RecoveryPointFilter(Filters):
    """Filters recovery points. `vm` is a context ID."""

    state = Choices(choices=RecoveryPointState.choices, label="State")
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    damaged = django_filters.BooleanFilter(
        field_name="damaged_at", lookup_expr="isnull", exclude=True, label="Damaged"
    )
    quiesced = django_filters.BooleanFilter(label="Quiesced")
    period = Lately("consistent_at", label="Taken")

    class Meta:
        model = RecoveryPoint
        fields: list[str] = []


class RepositorySpaceFilter(Filters):
    """Filters the hours of a repository's space."""

    period = Lately("hour", label="When")

    class Meta:
        model = RepositorySpace
        fields: list[str] = []


class PauseFilter(WithVCenters):
    """Filters pauses. `vm` is a context ID."""

    search = Search(texts=("reason", "paused_by"), identifiers=())
    kind = Choices(choices=PauseKind.choices, label="Kind")
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    vcenter = OfVCenter()

    class Meta:
        model = Pause
        fields: list[str] = []


class BulkActionFilter(Filters):
    """Filters bulk actions."""

    search = Search(texts=("subject", "reason", "asked_by"), identifiers=())
    kind = Choices(choices=BulkKind.choices, label="Kind")
    state = Choices(choices=BulkState.choices, label="State")

    class Meta:
        model = BulkAction
        fields: list[str] = []


class GroupFilter(Filters):
    """Filters groups. `vm` is a context ID."""

    search = Search(texts=("name",), identifiers=())
    vm = django_filters.CharFilter(method="by_vm", label="VM", max_length=120)

    class Meta:
        model = VMGroup
        fields: list[str] = []

    def by_vm(self, rows: QuerySet[Any], _name: str, context_id: str) -> QuerySet[Any]:
        return rows.filter(
            pk__in=VMGroupMember.objects.filter(vm_context=context_id).values("group")
        )


class GroupRunFilter(Filters):
    """Filters the runs of a group."""

    state = Choices(choices=GroupRunState.choices, label="State")
    trigger = Choices(choices=Trigger.choices, label="Trigger")
    period = Lately("created_at", label="When")

    class Meta:
        model = GroupRun
        fields: list[str] = []


class PolicyFilter(Filters):
    """Filters policies."""

    search = Search(texts=("name",), identifiers=())
    rpo_kind = Choices(choices=RPOKind.choices, label="Target")
    priority = Choices(choices=PolicyPriority.choices, label="Priority")

    class Meta:
        model = Policy
        fields: list[str] = []


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
        identifiers=("told_job_id", "vm_context__context_id"),
    )
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    vcenter = OfVCenter(field_name="vm_context__vcenter")
    period = Lately("created_at", label="When")

    class Meta:
        model = ContextEvent
        fields: list[str] = []


class OccurrenceFilter(WithVCenters):
    """Filters what people may have been told of. `vm` is a context ID."""

    search = Search(
        texts=("what", "vm_context__vm_name"), identifiers=("job__id", "vm_context__context_id")
    )
    kind = Choices(choices=OccurrenceKind.choices, label="Kind")
    vm = django_filters.CharFilter(field_name="vm_context_id", label="VM", max_length=120)
    vcenter = OfVCenter(field_name="vm_context__vcenter")
    period = Lately("at", label="When")

    class Meta:
        model = Occurrence
        fields: list[str] = []
