"""What pages, API and admin read about vCenters, discovered VMs and contexts.

Each selector runs one query, or a constant number of queries, however many rows there are.
Selectors that also need jobs or recovery points are in `replication.selectors`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from django.db.models import (
    Count,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce, Left

from contexts.compiled import CompiledOnce
from contexts.models import (
    ContextEvent,
    DiscoveredVM,
    Discovery,
    VCenter,
    VMContext,
    VMNetworkAdapter,
)
from contexts.models.contexts import INDEXED_TEXT_LENGTH
from contexts.presence import vms_with_probable_context
from contexts.states import (
    CHOSEN_TRANSPORTS,
    TAKEN,
    TAKEN_AGAIN,
    DiscoveryStatus,
    TransportKind,
)

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class _ManagedOrNot(TypedDict):
        managed_context_id: str | None
        former_context_id: str | None
        cbt_now: bool | None
        probable_context_id: str | None
        probable_context_name: str | None

    DiscoveredVMInList = WithAnnotations[DiscoveredVM, _ManagedOrNot]


def os_types(contexts: QuerySet[VMContext]) -> list[str]:
    """The operating systems of those of the contexts that are under management, sorted, for a
    filter's choices. Names are cut to what the index holds (`INDEXED_TEXT_LENGTH`)."""
    names = contexts.filter(unmanaged_at__isnull=True, os_type__isnull=False).order_by()
    found = names.values_list(Left("os_type", INDEXED_TEXT_LENGTH), flat=True).distinct()
    return sorted(str(name) for name in found)


def taken_in(first: int, last: int) -> QuerySet[ContextEvent, str]:
    """The context IDs of one taking, which recorded the events from `first` to `last`.

    Others may record events in between. But all events of a transaction have its time on
    PostgreSQL, and on SQLite only one transaction writes at a time: so those between the times of
    the first and the last event are this taking's.
    """
    events = ContextEvent.objects.order_by()
    return events.filter(
        pk__range=(first, last),
        why__in=(TAKEN, TAKEN_AGAIN),
        created_at__gte=Subquery(events.filter(pk=first).values("created_at")),
        created_at__lte=Subquery(events.filter(pk=last).values("created_at")),
    ).values_list("vm_context_id", flat=True)


def networks_of(context: VMContext) -> QuerySet[VMNetworkAdapter]:
    """The adapters that the VM has now."""
    return context.network_adapters.filter(removed_at__isnull=True)


def events_of(context: VMContext, limit: int = 50) -> QuerySet[ContextEvent]:
    """The events of the context, newest first."""
    return context.events.order_by("-id")[:limit]


def vcenters_for_list(
    contexts: QuerySet[VMContext], discovered: QuerySet[DiscoveredVM]
) -> QuerySet[VCenter]:
    """All vCenters, with the number of their VMs, how many are managed, and the newest discovery.
    Of VMs only these are counted.

    Adds `vm_count`, `context_count`, `discovery_id`, `discovery_status`,
    `discovery_completed_at`, `discovery_error`, `discovery_seen` and `discovery_total`; what
    `readings` counts, and of the last VM that could not be read by the best transport its name and
    why, `passed_over_vm` and `passed_over_reason`.
    """
    contexts = contexts.filter(unmanaged_at__isnull=True)
    passed_over = contexts.filter(vcenter=OuterRef("pk")).exclude(transport_reason="")
    passed_over = passed_over.order_by("-updated_at", "pk")
    newest = Discovery.objects.filter(vcenter=OuterRef("pk")).order_by("-id")
    return VCenter.objects.annotate(
        vm_count=_count_of(discovered.filter(gone_at__isnull=True)),
        context_count=_count_of(contexts),
        passed_over_vm=Subquery(passed_over.values("vm_name")[:1]),
        passed_over_reason=Subquery(passed_over.values("transport_reason")[:1]),
        **{_read_over(kind): _count_of(contexts.filter(transport=kind)) for kind in _KINDS},
        discovery_id=Subquery(newest.values("pk")[:1]),
        discovery_status=Subquery(newest.values("status")[:1]),
        discovery_completed_at=Subquery(newest.values("completed_at")[:1]),
        discovery_error=Subquery(newest.values("error_message")[:1]),
        discovery_seen=Subquery(newest.values("vms_seen")[:1]),
        discovery_total=Subquery(newest.values("vms_total")[:1]),
    ).order_by("name")


_KINDS = CHOSEN_TRANSPORTS


def _read_over(kind: TransportKind) -> str:
    return f"read_over_{kind.value}"


def readings(vcenter: VCenter) -> list[tuple[str, int]]:
    """How the VMs of one of `vcenters_for_list` were last read: transport and number of VMs."""
    counts = [(kind.value, getattr(vcenter, _read_over(kind))) for kind in _KINDS]
    return [(kind, count) for kind, count in counts if count]


class Dependents(NamedTuple):
    """What prevents a vCenter's removal, and what would be removed with it (`discovered`)."""

    managed: int
    unmanaged: int
    discoveries: int
    discovered: int


def dependents_of(vcenter: VCenter) -> Dependents:
    """VM records under management or not, active discoveries, discovered VMs."""
    records = VMContext.objects.filter(vcenter=vcenter)
    return Dependents(
        managed=records.filter(unmanaged_at__isnull=True).count(),
        unmanaged=records.filter(unmanaged_at__isnull=False).count(),
        discoveries=vcenter.discoveries.filter(status__in=DiscoveryStatus.active()).count(),
        discovered=vcenter.discovered_vms.count(),
    )


def events_of_job(job_id: str) -> QuerySet[ContextEvent]:
    """What happened to the context in a job, oldest first."""
    return ContextEvent.objects.filter(job=job_id).order_by("id")


def is_vcenter_name_taken(name: str) -> bool:
    """Whether any vCenter has this name, whoever may see it: a name belongs to one."""
    return VCenter.objects.filter(name=name).exists()


class AsSeen(NamedTuple):
    """What is to be known of a context's VM, as it was last read: `DiscoveredVM.notices`, and
    `untold_places`."""

    notices: list[dict[str, str]]
    untold_places: list[dict[str, str]]


def as_seen(context: VMContext) -> AsSeen:
    """Nothing, if the VM was never read."""
    seen = DiscoveredVM.objects.filter(
        vcenter=context.vcenter_id, vmware_vm_id=context.vmware_vm_id
    )
    found = seen.values_list("notices", "untold_places").first()
    return AsSeen(*found) if found else AsSeen([], [])


def unmanaged_contexts(vcenter: VCenter) -> QuerySet[VMContext]:
    """The records of VMs that are no longer under management."""
    return vcenter.contexts.filter(unmanaged_at__isnull=False).order_by("vm_name", "pk")


def _count_of(rows: QuerySet[DiscoveredVM] | QuerySet[VMContext]) -> Coalesce:
    per_vcenter = (
        rows.filter(vcenter=OuterRef("pk"))
        .order_by()
        .values("vcenter")
        .annotate(rows=Count("pk"))
        .values("rows")
    )
    return Coalesce(Subquery(per_vcenter, output_field=IntegerField()), Value(0))


def newest_discovery(vcenter: VCenter) -> Discovery | None:
    """The running discovery, or else the last one."""
    return vcenter.discoveries.order_by("-id").first()


def discovered_vms(vcenter: VCenter, *, also_gone: bool = False) -> QuerySet[DiscoveredVMInList]:
    """The VMs that the last discovery saw; with `also_gone` also those that it no longer saw.

    Adds `managed_context_id` (null: not managed), `former_context_id` (a context that is no longer
    managed), `cbt_now` and what `vms_with_probable_context` adds.
    """
    rows = vcenter.discovered_vms.all()
    if not also_gone:
        rows = rows.filter(gone_at__isnull=True)
    return _discovered_vms() & cast("QuerySet[DiscoveredVMInList]", rows)


@cache
def _discovered_vms() -> QuerySet[DiscoveredVMInList]:
    contexts = VMContext.objects.filter(
        vcenter=OuterRef("vcenter"), vmware_vm_id=OuterRef("vmware_vm_id")
    )
    managed = contexts.filter(unmanaged_at__isnull=True)
    former = contexts.filter(unmanaged_at__isnull=False)
    return (
        vms_with_probable_context()
        .annotate(
            managed_context_id=CompiledOnce(Subquery(managed.values("pk")[:1])),
            former_context_id=CompiledOnce(Subquery(former.values("pk")[:1])),
            # Each job refreshes its context, and may have turned CBT on since the discovery.
            cbt_now=CompiledOnce(
                Coalesce(Subquery(managed.values("cbt_enabled")[:1]), F("cbt_enabled"))
            ),
        )
        .order_by("vm_name", "id")
    )


def takable(vms: QuerySet[DiscoveredVMInList]) -> QuerySet[DiscoveredVMInList]:
    """The `discovered_vms` that can be taken under management, whether replicable or not."""
    return vms.filter(
        gone_at__isnull=True,
        managed_context_id__isnull=True,
        probable_context_id__isnull=True,
        vmware_vm_id__isnull=False,
    )


def takable_as_it_is(vms: QuerySet[DiscoveredVMInList]) -> QuerySet[DiscoveredVMInList]:
    """Those of the `discovered_vms` that can be taken and would be replicated."""
    return takable(vms).filter(refusals=[])


class DiscoveredCounts(NamedTuple):
    """The numbers of a vCenter's VMs by state; the other numbers do not include `gone`. `free`:
    those of `takable_as_it_is`; `refused`: those that would not be replicated as they are."""

    present: int
    managed: int
    free: int
    refused: int
    changed: int
    gone: int


def discovered_counts(vms: QuerySet[DiscoveredVMInList]) -> DiscoveredCounts:
    """Of `discovered_vms` with those that are gone. Takes one query."""
    is_here = Q(gone_at__isnull=True)
    is_managed = Q(managed_context_id__isnull=False)
    is_changed = Q(probable_context_id__isnull=False)
    would_run = Q(vmware_vm_id__isnull=False, refusals=[])
    counts = vms.aggregate(
        present=Count("pk", filter=is_here),
        managed=Count("pk", filter=is_here & is_managed),
        free=Count("pk", filter=is_here & ~is_managed & ~is_changed & would_run),
        refused=Count("pk", filter=is_here & ~is_managed & ~Q(refusals=[])),
        changed=Count("pk", filter=is_here & is_changed),
        gone=Count("pk", filter=~is_here),
    )
    return DiscoveredCounts(**counts)
