"""Removing a VM from management, and deleting its replica data: two separate actions.

Neither touches the VM itself. Deleting is one transaction, after which no recovery point needs the
files; the clean-up then removes them, however often it is killed. A recovery point expires in the
same transaction in which its images stop being committed, so no point is ever incomplete.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Now

from contexts import trail
from contexts.errors import ContextBusy
from contexts.models import VMContext
from contexts.services import management, statuses
from contexts.services.transactions import one_transaction
from contexts.text import binary, plural
from contexts.trail import Verb
from replication import messages
from replication.errors import NameNotConfirmed, RecoveryPointHeld
from replication.models import (
    ContextLease,
    DiskImage,
    ImageMerge,
    PointRemoval,
    RecoveryPoint,
    Repository,
)
from replication.selectors.replica import active_holds
from replication.services import leases
from replication.states import (
    ImageState,
    LeaseHolder,
    RecoveryPointState,
    RemovalState,
    RemovalWhy,
)
from replication.storage import looks


@dataclass(frozen=True)
class Deleted:
    """What was deleted; `stored_bytes` are freed when the clean-up has removed the files."""

    recovery_points: int = 0
    images: int = 0
    stored_bytes: int = 0


def confirmation_text(context: VMContext) -> str:
    """What a user must type before replica data is deleted: the VM's name.

    If the name cannot be typed (it is empty or has invisible characters), it is the context's ID.
    """
    name = context.vm_name or ""
    return name if name.strip() and name.isprintable() else str(context.pk)


def remove_from_management(
    context: VMContext,
    *,
    actor: str,
    delete_replica_data: bool = False,
    confirm_vm_name: str = "",
) -> Deleted:
    """Remove the VM from management. Row, history and recovery points stay, unless the replica data
    is to be deleted as well.

    Raises NotManaged, ContextBusy, or what `delete_replica_data` raises; then nothing is changed.
    """
    if not delete_replica_data:
        management.release(context, actor=actor)
        return Deleted()
    _require_confirmation(context, confirm_vm_name)
    _require_storage(context)
    return _release_and_delete(context, actor)


def delete_replica_data(context: VMContext, *, confirm_vm_name: str, actor: str) -> Deleted:
    """Delete all recovery points of a VM, managed or not. Doing it again is fine.

    Raises NameNotConfirmed; ContextBusy while a job is active or another process holds the
    context's lease; RecoveryPointHeld; RepositoryUnavailable when a marker cannot be read, or not
    within a few seconds.
    """
    _require_confirmation(context, confirm_vm_name)
    _require_storage(context)
    return _delete(context.pk, actor)


def _require_confirmation(context: VMContext, typed: str) -> None:
    expected = confirmation_text(context)
    if typed != expected:
        raise NameNotConfirmed(
            f"Nothing was deleted. To delete the replica data, type {expected} exactly."
        )


def _require_storage(context: VMContext) -> None:
    """Requires each repository's marker: without it the files could not be removed."""
    looks.require(list(Repository.objects.filter(images__vm_context=context).distinct()))


@one_transaction
def _release_and_delete(context: VMContext, actor: str) -> Deleted:
    management.release(context, actor=actor)
    return _delete(context.pk, actor)


@one_transaction
def _delete(context_id: str, actor: str) -> Deleted:
    """The lease keeps out processes that write without the row's lock."""
    context = statuses.lock(context_id)
    if context.current_job_id is not None:
        raise ContextBusy(
            f"{context.vm_name} is being replicated by {context.current_job_id}. Cancel that job"
            " first, or wait until it ends."
        )
    lease = leases.acquire(context.pk, LeaseHolder.DELETION)
    if lease is None:
        raise ContextBusy(_who_holds(context))
    _require_no_hold(context)
    deleted = _expire_all(context)
    statuses.replica_deleted(
        context,
        actor=actor,
        why=(
            f"replica data deleted: {plural(deleted.recovery_points, 'recovery point')},"
            f" {plural(deleted.images, 'image')}, {binary(deleted.stored_bytes)}"
        ),
    )
    leases.release(lease)
    told = {"recovery_points": deleted.recovery_points, "images": deleted.images}
    told["stored_bytes"] = deleted.stored_bytes
    trail.tell(Verb.DELETE_REPLICA, trail.vm(context), actor=actor, old=told)
    transaction.on_commit(lambda: messages.hint_clean_up(context.pk))
    return deleted


def _who_holds(context: VMContext) -> str:
    holder = ContextLease.objects.filter(vm_context=context).first()
    kind = f" ({holder.get_holder_kind_display().lower()})" if holder else ""
    return (
        f"Another process{kind} is working on the replica of {context.vm_name}. Try again in a"
        " minute."
    )


def _require_no_hold(context: VMContext) -> None:
    for hold in active_holds(context):
        raise RecoveryPointHeld(
            f"The recovery point of {context.vm_name} from"
            f" {hold.recovery_point.consistent_at:%Y-%m-%d %H:%M:%S} UTC is held by {hold.owner}"
            f" ({hold.get_kind_display().lower()}). Nothing was deleted. Release the hold first."
        )


def _end_removals(context: VMContext) -> None:
    """Of single points, wanted or half done: with all the others their files go, too, whatever
    names they have by now."""
    left = PointRemoval.objects.filter(vm_context=context).exclude(state=RemovalState.DONE)
    ImageMerge.objects.filter(removal__in=left).delete()
    left.delete()


def _expire_all(context: VMContext) -> Deleted:
    """Points first: no point may be available while one of its images is being deleted."""
    _end_removals(context)
    points = (
        RecoveryPoint.objects.filter(vm_context=context)
        .exclude(state=RecoveryPointState.EXPIRED)
        .update(
            state=RecoveryPointState.EXPIRED,
            expired_at=Now(),
            expired_why=RemovalWhy.REPLICA,
        )
    )
    images = DiskImage.objects.filter(vm_context=context).exclude(state=ImageState.DELETING)
    stored_bytes = images.aggregate(total=Sum("allocated_bytes"))["total"] or 0
    count = images.update(state=ImageState.DELETING, updated_at=Now())
    return Deleted(points, count, stored_bytes)
