"""The only place that changes a context's status and counters.

All functions must run inside the caller's transaction: the job's row and the context's change
together or not at all. Lock order everywhere: context, then job, then the rest.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from contexts.errors import TransitionRefused
from contexts.models import ContextEvent, VMContext
from contexts.services import events
from contexts.services.transactions import lock_free
from contexts.states import CONTEXT_TRANSITIONS, ContextStatus


def lock(context_id: str) -> VMContext:
    """The context's row, locked until the transaction ends.

    The key is not locked, so a transaction that only adds a row for this context does not wait.
    """
    return VMContext.objects.select_for_update(no_key=True).get(pk=context_id)


def hold(*context_ids: str) -> None:
    """Lock the existing rows without reading them, always in the same order."""
    rows = VMContext.objects.select_for_update(no_key=True).filter(pk__in=context_ids)
    list(rows.order_by("pk").values_list("pk"))


def hold_free(context_id: str) -> bool:
    """Lock the row unless another transaction holds it; returns whether it did. Never waits."""
    return bool(lock_free(VMContext.objects.filter(pk=context_id)))


def job_started(context: VMContext, *, job_id: str, actor: str, why: str) -> None:
    """Link a new active job to its (locked) context and count it."""
    _change(
        context,
        ContextStatus.REPLICATING,
        why=why,
        actor=actor,
        job_id=job_id,
        current_job_id=job_id,
        total_jobs_run=F("total_jobs_run") + 1,
        first_job_at=Coalesce(F("first_job_at"), Now()),
        last_job_at=Now(),
    )


def job_completed(context: VMContext, *, job_id: str, actor: str, why: str) -> None:
    """The active job reached its commit point: a new recovery point is available."""
    _change(
        context,
        ContextStatus.READY,
        why=why,
        actor=actor,
        job_id=job_id,
        current_job_id=None,
        last_successful_job_id=job_id,
        successful_jobs=F("successful_jobs") + 1,
    )


def job_failed(
    context: VMContext, *, job_id: str, has_recovery_point: bool, actor: str, why: str
) -> None:
    """The active job failed for good; the last recovery point, if any, still exists."""
    _change(
        context,
        ContextStatus.READY if has_recovery_point else ContextStatus.FAILED,
        why=why,
        actor=actor,
        job_id=job_id,
        current_job_id=None,
        failed_jobs=F("failed_jobs") + 1,
    )


def job_cancelled(
    context: VMContext, *, job_id: str, has_recovery_point: bool, actor: str, why: str
) -> None:
    """The active job was cancelled: the context gets back the status that it had before the job."""
    _change(
        context,
        ContextStatus.READY if has_recovery_point else _status_before(context, job_id),
        why=why,
        actor=actor,
        job_id=job_id,
        current_job_id=None,
        cancelled_jobs=F("cancelled_jobs") + 1,
    )


def replica_deleted(context: VMContext, *, actor: str, why: str) -> None:
    """The (locked) context has no recovery point left; its counters do not change."""
    if context.current_status == ContextStatus.READY:
        _change(context, ContextStatus.DISCOVERED, why=why, actor=actor, job_id=None)
        return
    status = context.current_status
    record_event(context.pk, old=status, new=status, why=why, actor=actor, job_id=None)


def settle(context: VMContext, *, columns: dict[str, Any], actor: str, why: str) -> None:
    """Set derived columns of a (locked) context to recomputed values, bypassing the transitions.

    For repairs only: the stored status is wrong, so no transition applies. An event always records
    the repair.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a context can be repaired only inside a transaction")
    old = context.current_status
    new = columns.get("current_status", old)
    moment = {} if new == old else {"last_status_change": Now()}
    VMContext.objects.filter(pk=context.pk).update(**{**moment, **columns}, updated_at=Now())
    record_event(context.pk, old=old, new=new, why=why, actor=actor, job_id=None)


def _status_before(context: VMContext, job_id: str) -> ContextStatus:
    """The status before the job, from the job's first event."""
    event = ContextEvent.objects.filter(
        vm_context=context, job_id=job_id, new=ContextStatus.REPLICATING
    ).first()
    failed_before = event is not None and event.old == ContextStatus.FAILED
    return ContextStatus.FAILED if failed_before else ContextStatus.DISCOVERED


def _change(
    context: VMContext,
    new: ContextStatus,
    *,
    why: str,
    actor: str,
    job_id: str | None,
    **columns: Any,
) -> None:
    """Compare and set: raises TransitionRefused when the status changed since it was read."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a context's status can change only inside a transaction")
    old = ContextStatus(context.current_status)
    if new not in CONTEXT_TRANSITIONS[old]:
        raise TransitionRefused(f"{context.vm_name}: {old.label} cannot become {new.label}.")
    changed = VMContext.objects.filter(pk=context.pk, current_status=old).update(
        current_status=new, last_status_change=Now(), updated_at=Now(), **columns
    )
    if changed != 1:
        raise TransitionRefused(
            f"Another process changed {context.vm_name} at the same moment. Try again."
        )
    record_event(context.pk, old=old, new=new, why=why, actor=actor, job_id=job_id)


def record_event(
    context_id: str, *, old: str = "", new: str = "", why: str, actor: str, job_id: str | None
) -> ContextEvent:
    """An event of a (locked) context; `contexts.services.events` records many at once."""
    (event,) = events.record(
        [
            ContextEvent(
                vm_context_id=context_id, job_id=job_id, actor=actor, old=old, new=new, why=why
            )
        ]
    )
    return event
