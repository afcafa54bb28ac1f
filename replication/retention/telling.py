"""Telling of recovery points that are to go, and do not."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from replication.models import Occurrence, PointRemoval
from replication.services import occurrences
from replication.states import OccurrenceKind, RemovalState

STUCK_AFTER = timedelta(days=1)
MOST = 100  # VMs at a time


def tell_of_stuck() -> None:
    """A part of the tick. Once of a VM, until the removals that waited then are done. One statement
    while nothing is stuck, and two when something is."""
    kind = OccurrenceKind.RETENTION_STUCK
    told = Occurrence.objects.filter(
        kind=kind, vm_context=OuterRef("vm_context"), at__gte=OuterRef("created_at")
    )
    stuck = (
        PointRemoval.objects.exclude(state=RemovalState.DONE)
        .filter(~Exists(told), created_at__lt=Now() - STUCK_AFTER)
        .select_related("vm_context", "recovery_point")
        .order_by("vm_context", "pk")
    )
    oldest: dict[str, PointRemoval] = {}
    for removal in stuck[: MOST * 10]:
        oldest.setdefault(removal.vm_context_id, removal)
    if oldest:
        occurrences.tell_all(
            Occurrence(
                kind=kind,
                key=f"{kind}:{removal.pk}",
                what=_words(removal),
                vm_context=removal.vm_context,
                repository_id=removal.recovery_point.repository_id,
            )
            for removal in list(oldest.values())[:MOST]
        )


def _words(removal: PointRemoval) -> str:
    point = removal.recovery_point
    why = removal.problem or "No worker of the queue “storage” has come to it."
    return (
        f"The recovery point of {removal.vm_context} from {point.consistent_at:%Y-%m-%d %H:%M} UTC"
        f" is to go since {removal.created_at:%Y-%m-%d %H:%M} UTC, and is still there. {why}"
    )
