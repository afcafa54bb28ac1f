"""Finding a VM by what a caller knows about it, among the rows that the caller may find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from django.db.models import Q, QuerySet

from contexts.errors import AmbiguousVCenter, AmbiguousVM, UnknownVCenter, UnknownVM
from contexts.models import DiscoveredVM, VCenter, VMContext
from contexts.presence import with_probable_context
from contexts.vsphere import addresses
from contexts.vsphere.names import decode_name


@dataclass(frozen=True)
class Among:
    """The rows that may be found; all others do not exist for the caller."""

    vcenters: QuerySet[VCenter]
    contexts: QuerySet[VMContext]
    discovered: QuerySet[DiscoveredVM]


def find_vcenter(among: QuerySet[VCenter], host: str) -> VCenter:
    """The one vCenter with this host name (or "host:port"). Raises UnknownVCenter, or
    AmbiguousVCenter when several listen at ports of this host."""
    candidates = list(among.filter(host__iexact=host).order_by("port", "pk"))
    if not candidates:
        candidates = list(_at(among, host).order_by("port", "pk"))
    if not candidates:
        raise UnknownVCenter(f"No vCenter with the host {host!r} has been added.")
    if len(candidates) > 1:
        raise AmbiguousVCenter(
            f"{len(candidates)} vCenters have the host {host!r}: add the port, as in"
            f" {host}:{candidates[0].port}.",
            [_vcenter_candidate(each) for each in candidates],
        )
    return candidates[0]


def _at(among: QuerySet[VCenter], text: str) -> QuerySet[VCenter]:
    """The vCenters at an address as people copy it, with or without a port."""
    try:
        address = addresses.parse(text)
    except ValueError:
        return among.none()
    found = among.filter(host__iexact=address.host)
    return found if address.port is None else found.filter(port=address.port)


def find_context(
    among: Among,
    *,
    vm_name: str | None = None,
    vcenter_host: str | None = None,
    vmware_vm_id: str | None = None,
) -> VMContext:
    """The context of a managed VM. Raises UnknownVM, AmbiguousVM, UnknownVCenter or
    AmbiguousVCenter."""
    contexts = among.contexts.filter(unmanaged_at__isnull=True)
    return _only(
        list(_narrow(contexts, among.vcenters, vm_name, vcenter_host, vmware_vm_id)[:20]),
        vm_name or vmware_vm_id or "",
        "is under management",
    )


def find_vm(
    among: Among,
    *,
    vm_name: str | None = None,
    vcenter_host: str | None = None,
    vmware_vm_id: str | None = None,
) -> VMContext | DiscoveredVM:
    """One VM, under management or only discovered: its context if it has one.

    A name that a managed and an unmanaged VM share is also ambiguous. Raises what `find_context`
    raises.
    """
    identity = (among.vcenters, vm_name, vcenter_host, vmware_vm_id)
    contexts = among.contexts.filter(unmanaged_at__isnull=True)
    managed = list(_narrow(contexts, *identity)[:20])
    discovered = among.discovered.filter(gone_at__isnull=True)
    present = [
        vm
        for vm in _narrow(with_probable_context(discovered), *identity)[:20]
        # The same VM under a new instance UUID: found once, and refused for that reason.
        if vm.probable_context_id not in {context.pk for context in managed}
    ]
    found: dict[object, VMContext | DiscoveredVM] = {}
    for row in (*managed, *present):
        # A VM without a UUID cannot be the same as another.
        found.setdefault((row.vcenter_id, row.vmware_vm_id or object()), row)
    return _only(
        list(found.values()), vm_name or vmware_vm_id or "", "was found by the last discovery"
    )


def find_discovered(
    among: QuerySet[DiscoveredVM],
    vcenter: VCenter,
    *,
    discovered_vm_id: int | None = None,
    vmware_vm_id: str | None = None,
) -> DiscoveredVM:
    """A vCenter's discovered VM, present or gone, by ID or instance UUID. Raises UnknownVM."""
    rows = among.filter(vcenter=vcenter)
    if discovered_vm_id is not None:
        rows = rows.filter(pk=discovered_vm_id)
    if vmware_vm_id is not None:
        rows = rows.filter(vmware_vm_id__in=_forms_of_uuid(vmware_vm_id))
    vm = rows.first()
    if vm is None:
        asked_for = discovered_vm_id if vmware_vm_id is None else vmware_vm_id
        raise UnknownVM(f"Discovery found no VM {asked_for!r} in {vcenter.name}.")
    return vm


def _narrow(
    rows: Any,
    vcenters: QuerySet[VCenter],
    vm_name: str | None,
    vcenter_host: str | None,
    vmware_vm_id: str | None,
) -> Any:
    wanted = Q()
    if vmware_vm_id is not None:
        wanted &= Q(vmware_vm_id__in=_forms_of_uuid(vmware_vm_id))
    if vm_name is not None:
        wanted &= Q(vm_name__in=_forms_of_name(vm_name))
    if vcenter_host is not None:
        wanted &= Q(vcenter=find_vcenter(vcenters, vcenter_host))
    return rows.filter(wanted).select_related("vcenter")


def _forms_of_uuid(uuid: str) -> set[str]:
    """As vSphere writes it, and as other tools show it."""
    return {uuid, uuid.strip(), uuid.strip().lower(), uuid.strip().upper()}


def _forms_of_name(name: str) -> set[str]:
    """As it was asked for, with vSphere's escapes (%2f) decoded, and with its accents composed or
    not: what looks the same to people is the same name."""
    plain = {name, decode_name(name)}
    return plain | {normalize(form, each) for form in ("NFC", "NFD") for each in plain}


def _only(found: list[Any], asked_for: str, what: str) -> Any:
    if not found:
        raise UnknownVM(f"No VM {asked_for!r} {what}.")
    if len(found) > 1:
        raise AmbiguousVM(
            f"{len(found)} VMs are called {asked_for!r}. Name one by its vmware_vm_id.",
            [_candidate(row) for row in found],
        )
    return found[0]


def _vcenter_candidate(vcenter: VCenter) -> dict[str, Any]:
    return {
        "vcenter_id": vcenter.pk,
        "name": vcenter.name,
        "vcenter_host": vcenter.host,
        "vcenter_port": vcenter.port,
    }


def _candidate(row: Any) -> dict[str, Any]:
    return {
        "vm_name": row.vm_name,
        "vmware_vm_id": row.vmware_vm_id,
        "vm_path": row.vm_path,
        "vcenter_host": row.vcenter.host,
        "vcenter_port": row.vcenter.port,
        "context_id": getattr(row, "context_id", None),
    }
