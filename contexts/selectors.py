"""What pages, API and admin read of vCenters, discovered VMs and contexts.

Each selector is one query, or a constant number of them, however many rows there are. What also
needs jobs or recovery points is in `replication.selectors`.
"""

from __future__ import annotations

from django.db.models import (
    BigIntegerField,
    Count,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from contexts.models import (
    ContextEvent,
    DiscoveredVM,
    Discovery,
    VCenter,
    VMContext,
    VMDisk,
    VMNetworkAdapter,
)
from contexts.presence import with_probable_context


def managed_contexts() -> QuerySet[VMContext]:
    """The contexts under management, with their vCenter and what `with_disks` adds."""
    return with_disks(VMContext.objects.filter(unmanaged_at__isnull=True)).select_related("vcenter")


def with_disks(contexts: QuerySet[VMContext]) -> QuerySet[VMContext]:
    """Add `disk_count` and `capacity_bytes` (null while the capacity of any disk is unknown)."""
    disks = (
        VMDisk.objects.filter(vm_context=OuterRef("pk"), removed_at__isnull=True)
        .order_by()
        .values("vm_context")
        .annotate(disks=Count("pk"), known=Count("capacity_bytes"), total=Sum("capacity_bytes"))
    )
    count = Subquery(disks.values("disks"), output_field=IntegerField())
    total = Subquery(disks.filter(known=F("disks")).values("total"), output_field=BigIntegerField())
    return contexts.annotate(disk_count=Coalesce(count, Value(0)), capacity_bytes=total)


def networks_of(context: VMContext) -> QuerySet[VMNetworkAdapter]:
    """The adapters that the VM has now."""
    return context.network_adapters.filter(removed_at__isnull=True)


def events_of(context: VMContext, limit: int = 50) -> QuerySet[ContextEvent]:
    """What happened to the context, the newest first."""
    return context.events.order_by("-id")[:limit]


def vcenters_for_list() -> QuerySet[VCenter]:
    """All vCenters, with how many VMs are there and managed, and their newest discovery.

    Adds `vm_count`, `context_count`, `discovery_id`, `discovery_status`,
    `discovery_completed_at` and `discovery_error`.
    """
    newest = Discovery.objects.filter(vcenter=OuterRef("pk")).order_by("-id")
    return VCenter.objects.annotate(
        vm_count=_count_of(DiscoveredVM.objects.filter(gone_at__isnull=True)),
        context_count=_count_of(VMContext.objects.filter(unmanaged_at__isnull=True)),
        discovery_id=Subquery(newest.values("pk")[:1]),
        discovery_status=Subquery(newest.values("status")[:1]),
        discovery_completed_at=Subquery(newest.values("completed_at")[:1]),
        discovery_error=Subquery(newest.values("error_message")[:1]),
    ).order_by("name")


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
    """The discovery that runs, or else ran last."""
    return vcenter.discoveries.order_by("-id").first()


def discovered_vms(vcenter: VCenter) -> QuerySet[DiscoveredVM]:
    """The VMs that the last discovery saw, each with `managed_context_id` (null: not managed) and
    what `with_probable_context` adds."""
    managed = VMContext.objects.filter(
        vcenter=OuterRef("vcenter"),
        vmware_vm_id=OuterRef("vmware_vm_id"),
        unmanaged_at__isnull=True,
    )
    present = vcenter.discovered_vms.filter(gone_at__isnull=True)
    return (
        with_probable_context(present)
        .annotate(managed_context_id=Subquery(managed.values("pk")[:1]))
        .order_by("vm_name", "id")
    )
