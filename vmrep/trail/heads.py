"""The trail's head is there, whatever became of the database."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

from contexts import trail
from contexts.trail import Kind, Verb
from vmrep.trail import chain
from vmrep.trail.models import ONLY_ID, Event, Head

LOST = "The head of the audit trail was missing: the newest events may be missing as well."


def make_after_migrations(using: str, **signal: Any) -> None:
    """`post_migrate`, also after `flush`, before the triggers are installed. A head that was lost
    is made from the newest event that is left, and the trail says so for ever."""
    if Head._meta.db_table not in connections[using].introspection.table_names():
        return
    if Head.objects.exists():
        _catch_up()
        return
    with transaction.atomic(), trail.gathered():
        newest = Event.objects.order_by("-number").first()
        if newest is None:
            Head.objects.create(id=ONLY_ID)
            return
        Head.objects.create(id=ONLY_ID, number=newest.number, digest=newest.digest)
        about = trail.subject(Kind.TRAIL, ONLY_ID, "Audit trail")
        trail.tell(Verb.RESTORE, about, new={"why": LOST, "through": newest.number})


def _catch_up() -> None:
    """With events that were written while the triggers were missing (a `migrate` that is killed
    leaves none), if vmrep wrote them: nobody could write another one before."""
    head = Head.objects.get()
    for event in Event.objects.filter(number__gt=head.number).order_by("number"):
        values = [getattr(event, name) for name in chain.FIELDS]
        follows = (event.number, event.previous_digest) == (head.number + 1, head.digest)
        if (
            not follows
            or chain.digest(values) != event.digest
            or not chain.is_sealed(event.digest, event.seal)
        ):
            return
        head.number, head.digest = event.number, event.digest
        Head.objects.filter(pk=ONLY_ID).update(number=head.number, digest=head.digest)
