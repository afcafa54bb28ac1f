"""Writing the trail: one event after another, whoever writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models.functions import Now

from contexts.trail import Act
from vmrep.trail import chain, lines
from vmrep.trail.models import Event, Head

MOST_AT_ONCE = 1000
"""Events of one statement."""


class NoHead(RuntimeError):
    """The trail's head is missing: nothing can be done that has to be told."""


def write(acts: Sequence[Act]) -> None:
    """Two statements for up to MOST_AT_ONCE acts. The head stays locked until the caller's
    transaction ends: so the numbers are in the order of the commits, and no two events follow the
    same one."""
    head = _lock_head()
    if head is None:
        raise NoHead("The audit trail has no head. Run manage.py migrate, which makes it.")
    number, previous, now = head
    events = []
    for act in acts:
        number += 1
        event = _event(act, number, previous, now)
        previous = event.digest
        events.append(event)
    Event.objects.bulk_create(events, batch_size=MOST_AT_ONCE)
    transaction.on_commit(lambda: lines.emit(events))


_LOCK = "SELECT number, digest, STATEMENT_TIMESTAMP() FROM audit_head FOR NO KEY UPDATE"
# A commit checks foreign keys, and waits for whoever holds the rows that they name. So that it does
# not while it holds the head, they are checked before, where nothing but the commit is to follow.
_CHECK_AND_LOCK = f"SET CONSTRAINTS ALL IMMEDIATE; {_LOCK}"


def _lock_head() -> tuple[int, str, datetime] | None:
    """The number and digest of the newest event, and what time it is."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            is_whole = not connection.savepoint_ids  # or else part of another transaction
            cursor.execute(_CHECK_AND_LOCK if is_whole else _LOCK)
            while cursor.nextset():
                pass
            return cursor.fetchone()
    return Head.objects.annotate(now=Now()).values_list("number", "digest", "now").first()


def _event(act: Act, number: int, previous: str, now: datetime) -> Event:
    about = act.subject
    event = Event(
        number=number,
        previous_digest=previous,
        at=now,
        verb=act.verb,
        outcome=act.outcome,
        actor=act.actor,
        user_id=act.user_id,
        via=act.via,
        address=act.address,
        request_id=act.request_id,
        kind=about.kind,
        object_id=about.key[:255],
        object_name=about.name,
        vm_context_id=about.vm,
        vcenter_id=about.vcenter_id,
        folder=about.folder,
        job_id=act.job_id,
        old=chain.as_json(act.old),
        new=chain.as_json(act.new),
    )
    event.digest = chain.digest([getattr(event, name) for name in chain.FIELDS])
    event.seal = chain.seal(event.digest)
    return event
