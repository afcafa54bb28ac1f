"""Writing down what people may have to be told of, in the transaction that makes it happen."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.db.models.functions import Now

from contexts.database_errors import own_words
from contexts.text import storable
from replication.models import Occurrence, ProtectionSpell
from replication.states import OccurrenceKind

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=400)


def tell(
    kind: OccurrenceKind,
    key: str,
    *,
    what: str,
    context_id: str | None = None,
    job_id: str | None = None,
    vcenter_id: int | None = None,
    repository_id: int | None = None,
    policy_id: int | None = None,
) -> None:
    """Note one. `key` names the transition within its kind: one that is noted already stays as it
    is. See `tell_all`."""
    tell_all(
        [
            Occurrence(
                kind=kind,
                key=f"{kind}:{key}",
                what=what,
                vm_context_id=context_id,
                job_id=job_id,
                vcenter_id=vcenter_id,
                repository_id=repository_id,
                policy_id=policy_id,
            )
        ]
    )


def tell_all(occurrences: Iterable[Occurrence]) -> None:
    """Note them, all or none, with one statement.

    What happens must not depend on whether it can be told of: when the database refuses these rows,
    the log says so, and the caller's transaction goes on without them.
    """
    rows = list(occurrences)
    for row in rows:
        row.what = storable(row.what)
    try:
        with transaction.atomic():
            Occurrence.objects.bulk_create(rows, ignore_conflicts=True)
    except DatabaseError as problem:
        keys = ", ".join(row.key for row in rows[:10])
        log.error("nobody will be told of %s: %s", keys, own_words(problem))


def forget_old() -> None:
    """Part of the tick: of what is long over, also how long VMs were in which state."""
    Occurrence.objects.filter(at__lt=Now() - KEPT_FOR).delete()
    ProtectionSpell.objects.filter(ended_at__lt=Now() - KEPT_FOR).delete()
