"""Checks that the events of VMs are what was written."""

from __future__ import annotations

from collections.abc import Iterator

from contexts import event_chains
from contexts.models import VMContext
from replication.integrity.findings import Code, Finding, Scope, SecondLook, check

NEWEST, OF_EACH = 1000, 20
"""The VMs of so many of the newest events are looked at, so many of the newest events of each; in a
deep check all."""

VM_EVENTS_ALTERED = Code(
    "vm_events_altered",
    "Somebody changed the VM's events behind vmrep's back. Keep the database as it is, compare it"
    " with a backup, and change the passwords of the database.",
)


@check(VM_EVENTS_ALTERED, second_look=SecondLook.NONE)
def vm_events_altered(scope: Scope) -> Iterator[Finding]:
    """Their chains of digests, seals and heads."""
    if scope.context_id is not None:
        return
    if scope.deep:
        faults = event_chains.verify(None, scope.on_progress).faults
    else:
        lately = event_chains.lately(NEWEST)
        faults = event_chains.verify(lately, scope.on_progress, newest=OF_EACH).faults
    names = dict(
        VMContext.objects.filter(pk__in=[fault.context_id for fault in faults]).values_list(
            "pk", "vm_name"
        )
    )
    for fault in faults:
        yield VM_EVENTS_ALTERED.finding(
            fault.what,
            key=(fault.context_id, fault.what),
            context_id=fault.context_id,
            vm_name=names.get(fault.context_id),
        )
