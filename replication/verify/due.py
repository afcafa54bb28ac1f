"""Which VMs are to be verified by themselves, and starting that: a part of the tick."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Exists, F, Max, OuterRef, Q
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.one_by_one import one_by_one
from contexts.services.transactions import one_transaction
from contexts.trail import SCHEDULE
from replication.errors import AlreadyVerifying, NothingToVerify, PointGone
from replication.models import EffectivePolicy, PointVerification
from replication.states import Trigger, VerificationState
from replication.verify import services

log = logging.getLogger(__name__)

MOST_WAITING = 4
"""Of the schedule at a time: a worker reads one after the other anyway."""
KEPT_FOR = timedelta(days=400)


def start_due() -> None:
    """As many as a worker has soon come to, the longest unverified first.

    Two statements while no policy asks for any. Raises an ExceptionGroup when some could not be
    started, and all the others were."""
    active = PointVerification.objects.filter(state__in=VerificationState.active())
    room = MOST_WAITING - active.filter(trigger=Trigger.SCHEDULE).count()
    if room > 0:
        found = due(database_now(), room)
        one_by_one((f"verifying {key}", partial(_start, key)) for key in found)


def due(now: datetime, limit: int) -> list[str]:
    """The managed VMs with a usable newest recovery point, and no verification for as long as
    their policies say."""
    wanted = EffectivePolicy.objects.filter(verify_every_days__gt=0)
    some_days = list(wanted.order_by().values_list("verify_every_days", flat=True).distinct())
    if not some_days:
        return []
    mine = PointVerification.objects.filter(vm_context=OuterRef("pk"))
    is_late = Q()
    for days in some_days:
        recent = mine.filter(created_at__gt=now - timedelta(days=days or 0))
        is_late |= Q(~Exists(recent), effective_policy__verify_every_days=days)
    contexts = VMContext.objects.filter(
        unmanaged_at__isnull=True,
        newest_recovery_point_at__isnull=False,
        newest_point_damaged=False,
    )
    active = mine.filter(state__in=VerificationState.active())
    late = contexts.filter(is_late).filter(~Exists(active))
    last = Max("verifications__created_at")
    ordered = late.annotate(last=last).order_by(F("last").asc(nulls_first=True), "pk")
    return list(ordered.values_list("pk", flat=True)[:limit])


@one_transaction
def _start(context_id: str) -> None:
    if not statuses.hold_free(context_id):
        return
    try:
        context = VMContext.objects.get(pk=context_id)
        services.request_of_vm(context, trigger=Trigger.SCHEDULE, actor=SCHEDULE)
    except (AlreadyVerifying, NothingToVerify, PointGone) as problem:
        log.info("%s is not verified: %s", context_id, problem)


def forget_old() -> None:
    """A part of the tick: of verifications that ended long ago."""
    PointVerification.objects.filter(ended_at__lt=Now() - KEPT_FOR).delete()
