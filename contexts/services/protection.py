"""Which disks of a VM under management an operator leaves out.

Each change records an event with the user, the old and the new value.
"""

from __future__ import annotations

from django.db.models.functions import Now

from contexts import trail
from contexts.errors import DiskRefused, NotManaged
from contexts.models import VMContext, VMDisk
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.trail import Verb


@one_transaction
def leave_out(disk: VMDisk, *, actor: str) -> None:
    """Replicate the VM without this disk, which no snapshot can hold.

    Raises DiskRefused when it can be replicated or no longer belongs to the VM, NotManaged.
    """
    context, disk = _locked_disk(disk)
    if not disk.unprotected_reason:
        raise DiskRefused(
            f"{context}: {_named(disk)} can be replicated, so it cannot be left out. If the VM's"
            " disks have changed, run discovery again."
        )
    if _set_accepted(context, disk, accepted=True, actor=actor):
        why = f"to be replicated without {_named(disk)}, which {disk.unprotected_reason}"
        _tell(context, why, actor)


@one_transaction
def protect_again(disk: VMDisk, *, actor: str) -> None:
    """Stop leaving this disk out: jobs are refused while it cannot be replicated.

    Raises DiskRefused when the disk no longer belongs to the VM, NotManaged.
    """
    context, disk = _locked_disk(disk)
    if _set_accepted(context, disk, accepted=False, actor=actor):
        _tell(context, f"not to be replicated without {_named(disk)}", actor)


def _locked(context: VMContext) -> VMContext:
    context = statuses.lock(context.pk)
    if not context.is_managed:
        raise NotManaged(f"{context} is not under management. Take it under management first.")
    return context


def _locked_disk(disk: VMDisk) -> tuple[VMContext, VMDisk]:
    context = _locked(disk.vm_context)
    disk = VMDisk.objects.get(pk=disk.pk)
    if disk.removed_at is not None:
        raise DiskRefused(f"{context}: {_named(disk)} is no longer a disk of this VM.")
    return context, disk


def _set_accepted(context: VMContext, disk: VMDisk, *, accepted: bool, actor: str) -> bool:
    """Whether the value changed. Also updates the context's `updated_at`, which pages poll."""
    changed = VMDisk.objects.filter(pk=disk.pk, accept_unprotected=not accepted).update(
        accept_unprotected=accepted, updated_at=Now()
    )
    if changed:
        VMContext.objects.filter(pk=context.pk).update(updated_at=Now())
        trail.tell(
            Verb.CHANGE,
            trail.vm(context),
            actor=actor,
            old={"disk": _named(disk), "left_out": not accepted},
            new={"disk": _named(disk), "left_out": accepted},
        )
    return bool(changed)


def _tell(context: VMContext, why: str, actor: str) -> None:
    status = context.current_status
    statuses.record_event(context.pk, old=status, new=status, why=why, actor=actor, job_id=None)


def _named(disk: VMDisk) -> str:
    return disk.label or disk.disk_id
