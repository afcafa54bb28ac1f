"""The trail's head is there, whatever became of the database."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction

from contexts import trail
from contexts.trail import Kind, Verb
from vmrep.trail.models import ONLY_ID, Event, Head

LOST = "The head of the audit trail was missing: the newest events may be missing as well."


def make_after_migrations(using: str, **signal: Any) -> None:
    """`post_migrate`, also after `flush`. A head that was lost is made from the newest event that
    is left, and the trail says so for ever."""
    if Head._meta.db_table not in connections[using].introspection.table_names():
        return
    if Head.objects.exists():
        return
    with transaction.atomic(), trail.gathered():
        newest = Event.objects.order_by("-number").first()
        if newest is None:
            Head.objects.create(id=ONLY_ID)
            return
        Head.objects.create(id=ONLY_ID, number=newest.number, digest=newest.digest)
        about = trail.subject(Kind.TRAIL, ONLY_ID, "Audit trail")
        trail.tell(Verb.RESTORE, about, new={"why": LOST, "through": newest.number})
