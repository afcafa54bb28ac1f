"""Taking VMs under management and removing them again. Neither changes the VM itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Coalesce, Now
from django.utils.crypto import get_random_string

from contexts import trail
from contexts.clock import about_now
from contexts.database_errors import is_race
from contexts.errors import ContextBusy, NotManaged
from contexts.models import ContextEvent, DiscoveredVM, VMContext
from contexts.services import events, identity, records, refresh, statuses
from contexts.services.transactions import one_transaction
from contexts.states import TAKEN, TAKEN_AGAIN
from contexts.trail import Verb

ID_ATTEMPTS = 5
MOST_AT_ONCE = 1000
"""VMs that one request may act on: each takes some milliseconds, and its sender waits."""


def safe_name(vm_name: str | None) -> str:
    """The part of a VM's name that goes into a context's ID."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", vm_name or "").strip("-._")[:60] or "vm"


def new_context_id(vm_name: str | None, *, with_suffix: bool = False) -> str:
    """`ctx-<vm name, made safe>-<YYYYMMDD-HHMMSS>`, plus a short suffix when taken."""
    context_id = f"ctx-{safe_name(vm_name)}-{about_now():%Y%m%d-%H%M%S}"
    while with_suffix or VMContext.objects.filter(pk=context_id).exists():
        context_id = f"{context_id[:100]}-{get_random_string(4, '0123456789abcdef')}"
        with_suffix = False
    return context_id


def _get_or_create(vm: DiscoveredVM, wanted: Mapping[str, Any]) -> tuple[VMContext, bool]:
    """The VM's context. In the same second, another transaction may take the same VM, or use the
    same new ID for a VM of the same name; neither is visible until it commits."""
    attempts_left = ID_ATTEMPTS
    while True:
        attempts_left -= 1
        context_id = new_context_id(vm.vm_name, with_suffix=attempts_left < ID_ATTEMPTS - 1)
        try:
            return VMContext.objects.get_or_create(
                vcenter_id=vm.vcenter_id,
                vmware_vm_id=vm.vmware_vm_id,
                defaults={
                    "context_id": context_id,
                    **wanted,
                    **vm.spec_values(),
                },
            )
        except IntegrityError as problem:
            if not attempts_left or not is_race(problem):
                raise


class Taken(NamedTuple):
    """The contexts in the order of their VMs, and the IDs of those not managed before. `taking`:
    what the filter `taken` finds these by; empty when there are none."""

    contexts: list[VMContext]
    new_ids: frozenset[str]
    taking: str = ""


def take(discovered_vms: Iterable[DiscoveredVM], *, repository: Any, actor: str) -> list[VMContext]:
    """Take VMs under management, as `take_and_report` does, and return their contexts."""
    return take_and_report(discovered_vms, repository=repository, actor=actor).contexts


@one_transaction
def take_and_report(
    discovered_vms: Iterable[DiscoveredVM], *, repository: Any, actor: str
) -> Taken:
    """Create a context for each VM, or revive its former one; all of them or none.

    A VM that is already managed keeps its context unchanged. A revived context keeps its
    repository, where its recovery points are, if it is still there.
    Raises NotManageable, naming the VM, when it cannot be identified or is gone from its vCenter,
    and IdentityChanged when it is probably a known VM under a new instance UUID.
    """
    vms = list(discovered_vms)
    for vm in vms:
        identity.require_present(vm)
    identity.require_new(vms)
    wanted = {"repository": repository}
    # Always in the same order, so that two transactions on the same VMs wait for each other instead
    # of deadlocking: existing contexts first, then new ones.
    statuses.hold(*_contexts_of(vms))
    taken = {vm.pk: _take_one(vm, wanted) for vm in sorted(vms, key=lambda vm: int(vm.pk))}
    fresh = [(vm, *taken[vm.pk]) for vm in vms if taken[vm.pk][1]]
    refresh.refresh([(context, records.from_discovered(vm)) for vm, context, _ in fresh])
    told = events.record(
        [
            ContextEvent(
                vm_context=context,
                old="" if why == TAKEN else context.current_status,
                new=context.current_status,
                why=why,
                actor=actor,
            )
            for _, context, why in fresh
        ]
    )
    current = VMContext.objects.in_bulk([context.pk for context, _ in taken.values()])
    contexts = [current[taken[vm.pk][0].pk] for vm in vms]
    taking = f"{told[0].pk}-{told[-1].pk}" if told else ""
    for taken_now in fresh:
        context = current[taken_now[1].pk]
        trail.tell(Verb.TAKE, trail.vm(context), actor=actor, new={"repository": repository})
    return Taken(contexts, frozenset(context.pk for _, context, _ in fresh), taking)


def _contexts_of(vms: Iterable[DiscoveredVM]) -> list[str]:
    """The IDs of the contexts that the VMs have, managed or not."""
    same_vm = {"vcenter": OuterRef("vcenter"), "vmware_vm_id": OuterRef("vmware_vm_id")}
    theirs = DiscoveredVM.objects.filter(pk__in=[vm.pk for vm in vms], **same_vm)
    return list(VMContext.objects.filter(Exists(theirs)).values_list("pk", flat=True))


def _take_one(vm: DiscoveredVM, wanted: Mapping[str, Any]) -> tuple[VMContext, str]:
    """The context and what happened to it: "" when it was already managed."""
    context, created = _get_or_create(vm, wanted)
    if created:
        return context, TAKEN
    # Compare and set: of several concurrent requests, one revives it.
    revived = VMContext.objects.filter(pk=context.pk, unmanaged_at__isnull=False).update(
        unmanaged_at=None,
        # The one that it had may have been removed meanwhile.
        repository=Coalesce("repository", Value(getattr(wanted["repository"], "pk", None))),
        updated_at=Now(),
    )
    return context, TAKEN_AGAIN if revived else ""


@one_transaction
def release(context: VMContext, *, actor: str) -> VMContext:
    """Remove a VM from management: row, history and recovery points stay. (The event says only
    that: what is kept may be deleted later.)

    Raises ContextBusy while a job is active, NotManaged when it is not under management.
    """
    context = statuses.lock(context.pk)
    if not context.is_managed:
        raise NotManaged(f"{context.vm_name} is not under management.")
    if context.current_job_id is not None:
        raise ContextBusy(
            f"{context.vm_name} is being replicated by {context.current_job_id}. Cancel that job"
            " first, or wait until it ends."
        )
    VMContext.objects.filter(pk=context.pk).update(unmanaged_at=Now(), updated_at=Now())
    statuses.record_event(
        context.pk,
        old=context.current_status,
        new=context.current_status,
        why="removed from management",
        actor=actor,
        job_id=None,
    )
    trail.tell(Verb.RELEASE, trail.vm(context), actor=actor)
    context.refresh_from_db()
    return context
