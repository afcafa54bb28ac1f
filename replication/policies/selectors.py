"""Policies with what their lists show."""

from __future__ import annotations

from django.db.models import Count, Prefetch, Q, QuerySet

from contexts.models import DiscoveredVM, VCenter
from replication.models import Policy, PolicyScope


def policies_for_list(policies: QuerySet[Policy]) -> QuerySet[Policy]:
    """Of these, with their scopes and windows (two more queries). Adds `vm_count`: the managed VMs
    of which it is the nearest policy."""
    scopes = PolicyScope.objects.select_related("vcenter", "vm_context").order_by("pk")
    return (
        policies.select_related("repository")
        .prefetch_related(Prefetch("scopes", scopes), "windows")
        .annotate(
            vm_count=Count("effective", filter=Q(effective__vm_context__unmanaged_at__isnull=True))
        )
    )


MOST_FOLDERS = 2000


def folders_of(vcenters: QuerySet[VCenter]) -> list[str]:
    """The folders of the VMs that discoveries saw in these vCenters, to choose from: paths."""
    paths = (
        DiscoveredVM.objects.filter(vcenter__in=vcenters, gone_at=None, vm_path__isnull=False)
        .order_by()
        .values_list("vm_path", flat=True)
    )
    found: set[str] = set()
    for path in paths.iterator(chunk_size=2000):
        folder = str(path).rpartition("/")[0]
        while folder and folder not in found and len(found) < MOST_FOLDERS:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return sorted(found)
