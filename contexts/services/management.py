"""Taking VMs under management, and letting them go. Neither changes the VM itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import get_random_string

from contexts.errors import ContextBusy, NotManageable, NotManaged
from contexts.models import DiscoveredVM, VMContext
from contexts.services import records, refresh, statuses


def new_context_id(vm_name: str | None) -> str:
    """`ctx-<vm name, made safe>-<YYYYMMDD-HHMMSS>`, plus a short suffix when taken."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", vm_name or "").strip("-._")[:60] or "vm"
    context_id = f"ctx-{safe}-{timezone.now():%Y%m%d-%H%M%S}"
    while VMContext.objects.filter(pk=context_id).exists():
        context_id = f"{context_id[:100]}-{get_random_string(4, '0123456789abcdef')}"
    return context_id


@transaction.atomic
def take(discovered_vms: Iterable[DiscoveredVM], *, repository: Any, actor: str) -> list[VMContext]:
    """Create a context for each VM, or revive the one that it had; all of them or none.

    A VM that is managed already keeps its context as it is. Raises NotManageable, naming the VM,
    when it cannot be told apart from another one or is gone from its vCenter.
    """
    return [_take_one(vm, repository=repository, actor=actor) for vm in discovered_vms]


def _take_one(vm: DiscoveredVM, *, repository: Any, actor: str) -> VMContext:
    if vm.vmware_vm_id is None:
        raise NotManageable(f"{vm.vm_name or vm.moref}: {vm.identity_problem}")
    if vm.gone_at is not None:
        raise NotManageable(
            f"{vm.vm_name} was not there when its vCenter was last read. Discover again; if it"
            " is back, take it then."
        )
    context, created = VMContext.objects.get_or_create(
        vcenter_id=vm.vcenter_id,
        vmware_vm_id=vm.vmware_vm_id,
        defaults={
            "context_id": new_context_id(vm.vm_name),
            "repository": repository,
            **vm.spec_values(),
        },
    )
    # Compare and set: of several who take it at once, one revives it.
    revived = not created and bool(
        VMContext.objects.filter(pk=context.pk, unmanaged_at__isnull=False).update(
            unmanaged_at=None, updated_at=Now()
        )
    )
    if created or revived:
        refresh.refresh([(context, records.from_discovered(vm))])
        why = "taken under management" if created else "taken under management again"
        statuses.record_event(
            context.pk,
            old="" if created else context.current_status,
            new=context.current_status,
            why=why,
            actor=actor,
            job_id=None,
        )
        context.refresh_from_db()
    return context


@transaction.atomic
def release(
    context: VMContext,
    *,
    actor: str,
    why: str = "removed from management; its recovery points are kept",
) -> VMContext:
    """Remove a VM from management: row, history and recovery points stay.

    Raises ContextBusy while a job is active, NotManaged when it is not managed anyway.
    """
    context = statuses.lock(context.pk)
    if not context.is_managed:
        raise NotManaged(f"{context.vm_name} is not under management.")
    if context.current_job_id is not None:
        raise ContextBusy(
            f"{context.vm_name} is being replicated by {context.current_job_id}. Cancel that job"
            " first, or wait for its end."
        )
    VMContext.objects.filter(pk=context.pk).update(unmanaged_at=Now(), updated_at=Now())
    statuses.record_event(
        context.pk,
        old=context.current_status,
        new=context.current_status,
        why=why,
        actor=actor,
        job_id=None,
    )
    context.refresh_from_db()
    return context
