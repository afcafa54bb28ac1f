"""Pausing what starts by itself, and ending that. What runs goes on, and what somebody starts by
hand starts."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q
from django.db.models.functions import Now

from contexts import trail
from contexts.clock import database_now
from contexts.models import VCenter, VMContext
from contexts.services.transactions import one_transaction
from contexts.trail import Kind, Verb
from replication.errors import PauseRefused
from replication.models import Pause, Policy
from replication.states import PauseKind

log = logging.getLogger(__name__)

LONGEST_REASON = 200


class Subject(NamedTuple):
    """What to pause: of its kind the one that is given."""

    kind: str
    vcenter: VCenter | None = None
    policy: Policy | None = None
    vm_context: VMContext | None = None


@one_transaction
def pause(subject: Subject, *, until: datetime | None, reason: str, actor: str) -> Pause:
    """A pause that is open already is replaced. Raises PauseRefused."""
    _require_possible(subject, until)
    same = Q(**subject._asdict())
    # Also those whose time is over: one at most is open of each subject.
    Pause.objects.filter(same, ended_at__isnull=True).update(ended_at=Now(), ended_by=actor)
    log.info("%s paused %s until %s", actor, subject, until)
    made = Pause.objects.create(
        **subject._asdict(), until=until, reason=reason.strip()[:LONGEST_REASON], paused_by=actor
    )
    told = {"until": made.until, "reason": made.reason}
    trail.tell(Verb.PAUSE, _about(made), actor=actor, new=told)
    return made


def _about(pause: Pause) -> trail.Subject:
    """What is paused."""
    if pause.vm_context is not None:
        return trail.subject(Kind.PAUSE, pause.pk, pause.vm_context, vm=pause.vm_context)
    named = {
        PauseKind.VCENTER: f"vCenter {pause.vcenter}",
        PauseKind.POLICY: f"policy {pause.policy}",
    }
    name = named.get(PauseKind(pause.kind), "all VMs")
    return trail.subject(Kind.PAUSE, pause.pk, name, vcenter_id=pause.vcenter_id)


@one_transaction
def end(pause: Pause, *, actor: str) -> None:
    """Nothing happens if it has ended already."""
    log.info("%s ended %s", actor, pause)
    mine = Pause.objects.filter(pk=pause.pk, ended_at__isnull=True)
    if mine.update(ended_at=Now(), ended_by=actor):
        told = {"until": pause.until, "reason": pause.reason}
        trail.tell(Verb.RESUME, _about(pause), actor=actor, old=told)


def _require_possible(subject: Subject, until: datetime | None) -> None:
    given = {
        PauseKind.ALL: True,
        PauseKind.VCENTER: subject.vcenter is not None,
        PauseKind.POLICY: subject.policy is not None and subject.policy.name is not None,
        PauseKind.VM: subject.vm_context is not None,
    }
    if not given.get(PauseKind(subject.kind)):
        raise PauseRefused(f"Say which {PauseKind(subject.kind).label} is to be paused.")
    if until is not None and until <= database_now():
        raise PauseRefused("A pause has to end in the future.")
