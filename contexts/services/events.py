"""Adding events of contexts: each follows the one before it of the same context."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from contexts import chain
from contexts.clock import about_now
from contexts.models import ContextEvent, ContextEventHead

PURPOSE = b"vmrep events of VMs"
FIELDS = (*("vm_context_id", "number", "created_at", "actor", "old", "new", "why", "told_job_id"),)
"""What the digest is over, in this order, after the digest before it."""
_VERSION = 1
_AT_ONCE = 500


class NoHead(RuntimeError):
    """The head of a context's events is missing: nothing can happen to it that has to be told."""


def record(events: Sequence[ContextEvent]) -> list[ContextEvent]:
    """Add events, in their order. Number, time, digest and seal are made here.

    Must run inside the caller's transaction, which has locked the contexts, or makes them: so
    nobody waits here for anybody. Two statements for _AT_ONCE events.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("an event can be recorded only inside a transaction")
    heads = _lock_heads({event.vm_context_id for event in events})
    now = about_now()
    for event in events:
        if event.vm_context_id not in heads:
            raise NoHead(
                f"The events of {event.vm_context_id} have no head. Run manage.py migrate, which"
                " makes it, then manage.py verify_audit."
            )
        number, previous = heads[event.vm_context_id]
        event.number, event.created_at = number + 1, now
        event.told_job_id = event.job_id or ""
        event.digest = digest(previous, [getattr(event, name) for name in FIELDS])
        event.seal = seal(event.digest)
        heads[event.vm_context_id] = event.number, event.digest
    return ContextEvent.objects.bulk_create(events, batch_size=_AT_ONCE)


def follows(event: ContextEvent, number: int, digest_before: str) -> bool:
    """Whether vmrep wrote this event after the one of that number and digest."""
    values = [getattr(event, name) for name in FIELDS]
    return (
        event.number == number + 1
        and event.digest == digest(digest_before, values)
        and chain.is_sealed(PURPOSE, event.digest, event.seal)
    )


def digest(previous: str, values: Sequence[object]) -> str:
    """`values`: those of FIELDS, in their order."""
    return chain.digest([_VERSION, previous, *values])


def seal(digest: str) -> str:
    """By the newest key."""
    return chain.seal(PURPOSE, digest)


def _lock_heads(context_ids: set[str]) -> dict[str, tuple[int, str]]:
    """By context: number and digest of its newest event."""
    keys = sorted(context_ids)
    heads: dict[str, tuple[int, str]] = {}
    for first in range(0, len(keys), _AT_ONCE):
        rows = ContextEventHead.objects.filter(pk__in=keys[first : first + _AT_ONCE])
        for key, number, newest in (
            rows.order_by("pk")
            .select_for_update(no_key=True)
            .values_list("vm_context_id", "number", "digest")
        ):
            heads[key] = number, newest
    return heads
