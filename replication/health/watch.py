"""Writing down what is dead, from when to when. Every process that is alive does it, so that one is
enough; pages do not depend on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.services.transactions import one_transaction
from contexts.text import storable
from replication.models import Incident, Occurrence, RepositorySign, SignOfLife, VCenterSign
from replication.selectors.health import (
    Health,
    Parts,
    Trouble,
    health,
    since_watched,
    watched_since,
)
from replication.selectors.protection import AWAY_AFTER
from replication.services.occurrences import tell_all
from replication.states import OccurrenceKind, TroubleKind

FORGOTTEN_AFTER = timedelta(days=1)
KEPT_FOR = timedelta(days=400)
_ONE_SIGN = timedelta(seconds=5)  # written with it, so it is of the same time


def look() -> None:
    """Begin an incident for everything that is dead and has none, end those of what lives, and tell
    of both. A process that is started again within some seconds is no incident, nor one that is
    started some seconds after the others.

    Two processes may see the same at once: each incident is begun once, and ended once."""
    now = database_now()
    parts = Parts(SignOfLife.objects.all(), VCenterSign.objects.all(), RepositorySign.objects.all())
    state = health(now, parts)
    troubles = {(str(each.kind), each.subject): each for each in state.troubles}
    open_ones = {(it.kind, it.subject): it for it in Incident.objects.filter(ended_at=None)}
    over = [it for key, it in open_ones.items() if key not in troubles and _is_over(it, state)]
    begun = [
        each
        for key, each in troubles.items()
        if key not in open_ones and _has_lasted(each, watched_since(state.processes), now)
    ]
    if over or begun:
        _note(over, begun, now)


def _has_lasted(trouble: Trouble, watched: datetime | None, now: datetime) -> bool:
    """What comes up some seconds after the first process of all was not dead."""
    begins = trouble.since if trouble.is_away else since_watched(trouble.since, watched)
    return begins is None or begins <= now - AWAY_AFTER


def _is_over(incident: Incident, state: Health) -> bool:
    """Redis may answer one process and not another: it is well again when all reach it."""
    if incident.kind != TroubleKind.REDIS:
        return True
    alive = [process.sign for process in state.processes if process.is_alive]
    return all(it.broker_at and it.broker_at >= it.seen_at - _ONE_SIGN for it in alive)


@one_transaction
def _note(over: Sequence[Incident], begun: Sequence[Trouble], now: datetime) -> None:
    if over:
        ended = Incident.objects.filter(pk__in=[it.pk for it in over], ended_at=None)
        ended.update(ended_at=now)
    if begun:
        Incident.objects.bulk_create(
            (
                Incident(
                    kind=each.kind,
                    subject=each.subject,
                    what=storable(each.what),
                    vcenter_id=each.vcenter_id,
                    repository_id=each.repository_id,
                    began_at=each.since or now,
                )
                for each in begun
            ),
            ignore_conflicts=True,
        )
    keys = {(str(each.kind), each.subject) for each in begun}
    opened = [it for it in Incident.objects.filter(ended_at=None) if (it.kind, it.subject) in keys]
    tell_all(
        [
            *(_told(it, OccurrenceKind(it.kind), it.what) for it in opened),
            *(_told(it, OccurrenceKind.TROUBLE_OVER, f"This is over: {it.what}") for it in over),
        ]
    )


def _told(incident: Incident, kind: OccurrenceKind, what: str) -> Occurrence:
    return Occurrence(
        kind=kind,
        key=f"{kind}:{incident.pk}",
        what=what,
        vcenter_id=incident.vcenter_id,
        repository_id=incident.repository_id,
    )


def forget_old() -> None:
    """Part of the tick."""
    SignOfLife.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()
    Incident.objects.filter(ended_at__lt=Now() - KEPT_FOR).delete()
