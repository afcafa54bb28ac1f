"""A vCenter that was rebuilt at its old address: another instance UUID, the same VMs or others."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from contexts.errors import ContextBusy
from contexts.models import ContextEvent, DiscoveredVM, VCenter, VMContext
from contexts.services import events
from contexts.text import plural


def lock(vcenter: VCenter) -> list[VMContext]:
    """Lock the vCenter's contexts: first, as everywhere, and the vCenter's row after them.

    Raises ContextBusy while a VM of the vCenter is being replicated.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a vCenter is replaced inside a transaction")
    contexts = VMContext.objects.filter(vcenter=vcenter)
    locked = list(contexts.select_for_update(no_key=True).order_by("pk"))
    busy = [context for context in locked if context.current_job_id is not None]
    if busy:
        raise ContextBusy(
            f"Of {vcenter.name}, {plural(len(busy), 'VM is', 'VMs are')} being replicated, among"
            f" them {busy[0].vm_name}. Cancel their jobs first, or wait until they end."
        )
    return locked


def record(vcenter: VCenter, locked: list[VMContext], former_uuid: str, *, actor: str) -> None:
    """Within the transaction that stores the new UUID: record who confirmed it, and mark each
    context as yet to be confirmed. Nothing else about contexts changes."""
    VCenter.objects.filter(pk=vcenter.pk).update(
        former_instance_uuid=former_uuid, replaced_at=Now(), replaced_by=actor
    )
    VMContext.objects.filter(vcenter=vcenter).update(identity_asked_at=Now(), updated_at=Now())
    # What discovery saw was in the former vCenter.
    seen = DiscoveredVM.objects.filter(vcenter=vcenter)
    seen.filter(gone_at__isnull=True).update(gone_at=Now())
    seen.filter(identity_rejected_at__isnull=False).update(identity_rejected_at=None)
    events.record(
        [
            ContextEvent(
                vm_context=context,
                actor=actor,
                old=former_uuid,
                new=vcenter.estate_uuid,
                why="the vCenter was confirmed to be rebuilt; this VM has yet to be confirmed",
            )
            for context in locked
        ]
    )
