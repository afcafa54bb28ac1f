"""Writing down what is dead, from when to when. Every process that is alive does it, so that one is
enough; pages do not depend on it."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.text import storable
from replication.models import Incident, RepositorySign, SignOfLife, VCenterSign
from replication.selectors.health import Parts, health

FORGOTTEN_AFTER = timedelta(days=1)
KEPT_FOR = timedelta(days=400)


def look() -> None:
    """Begin an incident for everything that is dead and has none, and end those of what lives.

    Two processes may see the same at once: each incident is begun once, and ended once."""
    now = database_now()
    parts = Parts(SignOfLife.objects.all(), VCenterSign.objects.all(), RepositorySign.objects.all())
    troubles = {(each.kind, each.subject): each for each in health(now, parts).troubles}
    open_ones = {
        (kind, subject): pk
        for pk, kind, subject in Incident.objects.filter(ended_at=None).values_list(
            "pk", "kind", "subject"
        )
    }
    over = [pk for key, pk in open_ones.items() if key not in troubles]
    if over:
        Incident.objects.filter(pk__in=over, ended_at=None).update(ended_at=now)
    begun = [each for key, each in troubles.items() if key not in open_ones]
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


def forget_old() -> None:
    """Part of the tick."""
    SignOfLife.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()
    Incident.objects.filter(ended_at__lt=Now() - KEPT_FOR).delete()
