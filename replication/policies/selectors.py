"""Policies with what their lists show."""

from __future__ import annotations

from difflib import get_close_matches
from typing import NamedTuple

from django.db.models import Count, Prefetch, Q, QuerySet

from contexts.models import DiscoveredVM, VCenter, VMContext
from replication.models import Policy, PolicyScope


def policies_for_list(
    policies: QuerySet[Policy],
    scopes: QuerySet[PolicyScope],
    contexts: QuerySet[VMContext] | None = None,
) -> QuerySet[Policy]:
    """Of these, with their windows and with those of `scopes` that are theirs (two more queries).
    Adds `vm_count`: the managed VMs (among `contexts`; None: all) of which it is the nearest
    policy."""
    scopes = scopes.select_related("vcenter", "vm_context__vcenter").order_by("pk")
    counted = Q(effective__vm_context__unmanaged_at__isnull=True)
    if contexts is not None:
        counted &= Q(effective__vm_context__in=contexts)
    return (
        policies.select_related("repository")
        .prefetch_related(Prefetch("scopes", scopes), "windows")
        .annotate(vm_count=Count("effective", filter=counted))
    )


MOST_FOLDERS = 2000


class UnseenFolder(NamedTuple):
    """`like`: the folder that is spelt most like it; empty if none is."""

    folder: str
    like: str


def unseen_folder(vcenter: VCenter, folder: str) -> UnseenFolder | None:
    """Said of a folder in which, and below which, no discovery saw a VM; None: it saw some."""
    wanted = "/" + folder.strip("/")
    vms = DiscoveredVM.objects.filter(vcenter=vcenter, gone_at=None)
    if vms.filter(vm_path__startswith=f"{wanted}/").exists():
        return None
    known = folders_of(VCenter.objects.filter(pk=vcenter.pk))
    return UnseenFolder(wanted, next(iter(get_close_matches(wanted, known, n=1)), ""))


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
