"""Whether the contexts' VMs still exist, and which known VM an unknown one probably is.

A vCenter may give a VM a new instance UUID, after a conflict for example. Then no VM has the old
UUID, and a VM with a new one has the same reference (never used twice), BIOS UUID and
configuration file: it is probably the same VM. Only an operator can confirm that.

When a vCenter was rebuilt, all references in it are new, and an instance UUID means nothing of its
own: of each context (`identity_asked_at`) an operator says whether the VM of the same instance
UUID, or else of the same BIOS UUID and configuration file, is it.

Everything is derived from what the last discovery saw, so there is nothing to keep up to date.
Unknown values prove nothing and match nothing.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, TypedDict, cast

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When

from contexts.compiled import CompiledOnce
from contexts.models import DiscoveredVM, VMContext

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Presence(TypedDict):
        gone_since: datetime | None
        unreadable_since: datetime | None
        unreadable_reason: str | None
        changed_vm_id: int | None
        changed_vm_name: str | None
        changed_vm_uuid: str | None

    class _ProbableContext(TypedDict):
        probable_context_id: str | None
        probable_context_name: str | None

    VMContextWithPresence = WithAnnotations[VMContext, Presence]
    ProbablyKnownVM = WithAnnotations[DiscoveredVM, _ProbableContext]

_LOOKS = ("vcenter", "moref", "bios_uuid", "vmx_path")
_FILES = ("vcenter", "bios_uuid", "vmx_path")
_IDENTITY = ("vcenter", "vmware_vm_id")


def _outer(*columns: str) -> dict[str, OuterRef]:
    return {column: OuterRef(column) for column in columns}


def _seen_again() -> Exists:
    """A context whose instance UUID the last discovery saw."""
    return Exists(DiscoveredVM.objects.filter(**_outer(*_IDENTITY), gone_at__isnull=True))


def _unclaimed() -> Q:
    """A VM that exists, can be identified, and has no context of its own."""
    has_context = Q(Exists(VMContext.objects.filter(**_outer(*_IDENTITY))))
    return Q(gone_at__isnull=True, vmware_vm_id__isnull=False) & ~has_context


def _asked() -> Q:
    """A context whose vCenter was replaced: which VM it is, somebody has to say."""
    return Q(identity_asked_at__isnull=False)


def _become(column: str) -> Case:
    """That column of the VM that a context's VM has probably become."""
    own = DiscoveredVM.objects.filter(**_outer(*_IDENTITY))
    undecided = DiscoveredVM.objects.filter(_unclaimed(), identity_rejected_at__isnull=True)
    looks_alike = undecided.filter(**_outer(*_LOOKS)).order_by("pk")
    has_its_files = undecided.filter(**_outer(*_FILES)).order_by("pk")
    return Case(
        When(_asked() & Q(_seen_again()), then=Subquery(own.values(column)[:1])),
        When(_asked(), then=Subquery(has_its_files.values(column)[:1])),
        When(~_seen_again(), then=Subquery(looks_alike.values(column)[:1])),
    )


@cache
def contexts_with_presence() -> QuerySet[VMContextWithPresence]:
    """All contexts, with `gone_since` (null while the VM is in its vCenter, or if that is not
    known), `unreadable_since` and `unreadable_reason` (while vCenter does not tell all of it), and
    the VM that it has probably become: `changed_vm_id`, `changed_vm_name`, `changed_vm_uuid`."""
    own = DiscoveredVM.objects.filter(**_outer(*_IDENTITY))
    return VMContext.objects.annotate(
        gone_since=CompiledOnce(Subquery(own.values("gone_at")[:1])),
        unreadable_since=CompiledOnce(Subquery(own.values("unreadable_since")[:1])),
        unreadable_reason=CompiledOnce(Subquery(own.values("unreadable_reason")[:1])),
        changed_vm_id=CompiledOnce(_become("pk")),
        changed_vm_name=CompiledOnce(_become("vm_name")),
        changed_vm_uuid=CompiledOnce(_become("vmware_vm_id")),
    )


@cache
def vms_with_probable_context(*, also_rejected: bool = False) -> QuerySet[ProbablyKnownVM]:
    """All discovered VMs, with `probable_context_id` and `probable_context_name`: the context whose
    VM this probably is, under a new instance UUID or in a rebuilt vCenter. Null for all others, and
    for those that an operator rejected (unless `also_rejected`)."""
    missing = VMContext.objects.filter(~_seen_again())
    looks_alike = missing.filter(**_outer(*_LOOKS), identity_asked_at=None).order_by("pk")
    has_its_files = missing.filter(_asked(), **_outer(*_FILES)).order_by("pk")
    own = VMContext.objects.filter(_asked(), **_outer(*_IDENTITY))
    undecided = Q() if also_rejected else Q(identity_rejected_at=None)
    unclaimed = _unclaimed() & undecided

    def of_it(column: str) -> CompiledOnce:
        return CompiledOnce(
            Case(
                When(Q(gone_at=None) & Q(Exists(own)), then=Subquery(own.values(column)[:1])),
                When(
                    unclaimed & Q(Exists(looks_alike)),
                    then=Subquery(looks_alike.values(column)[:1]),
                ),
                When(unclaimed, then=Subquery(has_its_files.values(column)[:1])),
            )
        )

    return DiscoveredVM.objects.annotate(
        probable_context_id=of_it("pk"), probable_context_name=of_it("vm_name")
    )


def with_probable_context(vms: QuerySet[DiscoveredVM]) -> QuerySet[ProbablyKnownVM]:
    """Those of `vms_with_probable_context` that the filters of these leave."""
    return vms_with_probable_context() & cast("QuerySet[ProbablyKnownVM]", vms)


def changed_vm(context: VMContext) -> DiscoveredVM | None:
    """The discovered VM that this context's VM has probably become."""
    # Of this one column: every job asks, and the other columns are queries of their own.
    found = contexts_with_presence().filter(pk=context.pk).values_list("changed_vm_id", flat=True)
    key = found.first()
    return None if key is None else DiscoveredVM.objects.filter(pk=key).first()


def probable_context(vm: DiscoveredVM, *, also_rejected: bool = False) -> VMContext | None:
    """The context whose VM this probably is, under a new instance UUID."""
    known = vms_with_probable_context(also_rejected=also_rejected).filter(pk=vm.pk)
    key = known.values_list("probable_context_id", flat=True).first()
    contexts = VMContext.objects.select_related("vcenter")
    return None if key is None else contexts.filter(pk=key).first()
