"""Writing the trail: one event after another, whoever writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
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
    head = Head.objects.select_for_update(no_key=True).annotate(now=Now()).first()
    if head is None:
        raise NoHead("The audit trail has no head. Run manage.py migrate, which makes it.")
    number, previous = head.number, head.digest
    events = []
    for act in acts:
        number += 1
        event = _event(act, number, previous, head.now)
        previous = event.digest
        events.append(event)
    Event.objects.bulk_create(events, batch_size=MOST_AT_ONCE)
    transaction.on_commit(lambda: lines.emit(events))


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
