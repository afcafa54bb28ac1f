"""Removing the oldest events, which nothing does by itself: only after they were written to a file,
and never without an event that says so."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet

from contexts import trail
from contexts.errors import ContextError
from contexts.services.transactions import one_transaction
from contexts.trail import Kind, Verb
from vmrep.trail.models import ONLY_ID, Event, Head

AT_ONCE = 5000


class NothingToPrune(ContextError):
    """No event is that old."""

    code = "nothing_to_prune"


class Mark(NamedTuple):
    """Through which event the trail is pruned, and its digest: the anchor for what is left."""

    through: int
    digest: str
    rows: int


def older_than(moment: datetime) -> QuerySet[Event]:
    """The events before that time, without any younger one between them, the oldest first. The
    newest event always stays."""
    first_kept = Event.objects.filter(at__gte=moment).order_by("number").first()
    newest = Event.objects.order_by("-number").values_list("number", flat=True).first() or 0
    through = min(first_kept.number if first_kept else newest, newest) - 1
    return Event.objects.filter(number__lte=through).order_by("number")


def prune(through: int) -> Mark:
    """Remove the events up to this one, which must have been exported. Raises NothingToPrune.

    The mark and the event that tells of it come first; should the removal be cut off, the next one
    goes on with it."""
    mark = _mark(through)
    _remove()
    return mark


@one_transaction
def _mark(through: int) -> Mark:
    head = Head.objects.select_for_update(no_key=True).get()
    last = Event.objects.filter(number=through).first()
    if last is None or not head.pruned_through < through < head.number:
        raise NothingToPrune("No event is that old, or it is the newest one, which stays.")
    rows = through - head.pruned_through
    Head.objects.filter(pk=ONLY_ID).update(pruned_through=through, pruned_digest=last.digest)
    trail.tell(
        Verb.PRUNE,
        trail.subject(Kind.TRAIL, ONLY_ID, "Audit trail"),
        new={"through": through, "digest": last.digest, "rows": rows},
    )
    return Mark(through, last.digest, rows)


def _remove() -> None:
    """In pieces: whoever writes to the trail does not wait for them."""
    while True:
        pruned = Event.objects.filter(number__lte=_pruned_through()).order_by("number")
        keys = list(pruned.values_list("number", flat=True)[:AT_ONCE])
        if not keys:
            return
        Event.objects.filter(number__gte=keys[0], number__lte=keys[-1]).delete()


def _pruned_through() -> int:
    return Head.objects.values_list("pruned_through", flat=True).get()
