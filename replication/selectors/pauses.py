"""What is paused now, and by which pause."""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from contexts.models import VMContext
from replication.models import EffectivePolicy, Pause
from replication.states import PauseKind, Trigger


def open_pauses() -> QuerySet[Pause]:
    """Those that hold now, the newest first."""
    lasts = Q(until__isnull=True) | Q(until__gt=Now())
    return Pause.objects.filter(lasts, ended_at__isnull=True)


def shown(among: QuerySet[Pause]) -> QuerySet[Pause]:
    """Those of them that hold now, with what they pause; the newest first."""
    return among.filter(pk__in=open_pauses().order_by()).select_related(
        "vcenter", "policy", "vm_context__vcenter"
    )


MOST_WIDE = 3


def wide(among: QuerySet[Pause]) -> list[Pause]:
    """Those of them that hold now and concern more than one VM, the newest first: one more than
    `MOST_WIDE` at most. One query."""
    return list(shown(among.exclude(kind=PauseKind.VM)).order_by("-pk")[: MOST_WIDE + 1])


def is_paused(context: str = "") -> Exists:
    """Of rows whose VM context is reached by this prefix: whether nothing starts by itself."""
    return Exists(
        open_pauses()
        .order_by()
        .filter(
            Q(kind=PauseKind.ALL)
            | Q(vcenter=OuterRef(f"{context}vcenter"))
            | Q(policy=OuterRef(f"{context}effective_policy__policy"))
            | Q(vm_context=OuterRef(f"{context}pk"))
        )
    )


def holds_job_up() -> Q:
    """Of jobs: whether a pause keeps it from being begun. It concerns what the schedule started."""
    return Q(is_paused("vm_context__"), trigger=Trigger.SCHEDULE, started_at__isnull=True)


def pause_of(context: VMContext) -> Pause | None:
    """The one that keeps this VM longest. One query."""
    policy = EffectivePolicy.objects.filter(pk=context.pk).values("policy")
    return (
        open_pauses()
        .filter(
            Q(kind=PauseKind.ALL)
            | Q(vcenter=context.vcenter_id)
            | Q(policy__in=policy)
            | Q(vm_context=context.pk)
        )
        .select_related("vcenter", "policy", "vm_context")
        .order_by(F("until").desc(nulls_first=True), "pk")
        .first()
    )


def subject(pause: Pause) -> str:
    """What is paused, in words."""
    match pause.kind:
        case PauseKind.VCENTER:
            return f"vCenter {pause.vcenter}"
        case PauseKind.POLICY:
            return f"policy {pause.policy}"
        case PauseKind.VM:
            return str(pause.vm_context)
    return "all VMs"


def words(pause: Pause) -> str:
    """Who paused what, until when: the rest of a sentence."""
    until = f"{pause.until:%Y-%m-%d %H:%M} UTC" if pause.until else "somebody ends it"
    what = "it is paused" if pause.kind == PauseKind.VM else f"{subject(pause)} is paused"
    if pause.kind == PauseKind.ALL:
        what = "all VMs are paused"
    return f"{what} by {pause.paused_by} until {until}"
