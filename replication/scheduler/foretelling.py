"""Writing down that VMs are expected to go over their targets, and telling of it.

A danger is told of once: again only when it has passed (there is a newer recovery point), and not
twice a day of one VM that stays within its target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.db.models.functions import Now

from contexts.models import VMContext
from contexts.services.transactions import lock_free, one_transaction
from contexts.text import duration
from replication.models import Occurrence, ProtectionSpell, VMSchedule
from replication.scheduler import keeping
from replication.scheduler.hindrances import VM, Hindrances
from replication.selectors.schedules import estimate_of
from replication.services.occurrences import tell_all
from replication.states import OccurrenceKind, Protection

BATCH = 500
AGAIN_AFTER = timedelta(days=1)
LONGEST_WHY = 200


@one_transaction
def take_back(context_ids: Sequence[str]) -> None:
    """They are no longer expected to go over their targets, or are over them."""
    if context_ids:
        free = lock_free(VMSchedule.objects.filter(pk__in=context_ids))
        VMSchedule.objects.filter(pk__in=free).update(breach_expected_at=None, breach_why="")


@one_transaction
def foretell(
    context_ids: Sequence[str],
    reasons: Mapping[str, str],
    hindrances: Hindrances,
    now: datetime,
) -> None:
    """These VMs are expected to go over their targets; `reasons`: why, where it is known. Seven
    statements."""
    free = lock_free(VMSchedule.objects.filter(pk__in=context_ids, breaks_at__isnull=False))
    vms = {vm.pk: vm for vm in _read(free)}
    why = {pk: (reasons.get(pk) or _why(vm, hindrances))[:LONGEST_WHY] for pk, vm in vms.items()}
    VMSchedule.objects.bulk_update(
        [
            VMSchedule(pk=pk, breach_expected_at=vm.schedule.breaks_at, breach_why=why[pk])
            for pk, vm in vms.items()
        ],
        ["breach_expected_at", "breach_why"],
    )
    _tell(vms, why, now)


def _read(context_ids: Sequence[str]) -> list[VMContext]:
    return list(
        VMContext.objects.filter(pk__in=context_ids)
        .select_related("schedule", "effective_policy")
        .order_by("pk")
    )


def _why(vm: VMContext, hindrances: Hindrances) -> str:
    schedule = vm.schedule
    policy = getattr(vm, "effective_policy", None)
    subject = VM(vm.pk, vm.vcenter_id, vm.repository_id, policy and policy.policy_id)
    hindrance = hindrances.of_vm(subject)
    if hindrance is not None and hindrance.until > (schedule.latest_start_at or hindrance.until):
        return hindrance.why
    verdict = keeping.verdict(estimate_of(schedule), vm.rpo_target_seconds)
    if verdict.can_be_kept is False:
        return verdict.words
    if schedule.due_at and schedule.latest_start_at and schedule.due_at > schedule.latest_start_at:
        return f"it is not due before {schedule.due_at:%Y-%m-%d %H:%M} UTC"
    return "workers are busy with other VMs"


def _tell(vms: Mapping[str, VMContext], why: Mapping[str, str], now: datetime) -> None:
    """Of those that are within their targets now."""
    spells = ProtectionSpell.objects.filter(
        Q(foretold_at__isnull=True)
        | Q(foretold_at__lt=F("vm_context__newest_recovery_point_at"))
        & Q(foretold_at__lt=now - AGAIN_AFTER),
        vm_context__in=list(vms),
        ended_at__isnull=True,
        state=Protection.PROTECTED,
    )
    free = lock_free(spells)
    if not free:
        return
    ProtectionSpell.objects.filter(pk__in=free).update(foretold_at=Now())
    kind = OccurrenceKind.OVER_TARGET_EXPECTED
    tell_all(
        Occurrence(
            kind=kind,
            key=f"{kind}:{spell}:{vms[context].schedule.breaks_at:%Y%m%d%H%M%S}",
            what=_what(vms[context], why[context]),
            vm_context_id=context,
        )
        for spell, context in ProtectionSpell.objects.filter(pk__in=free).values_list(
            "pk", "vm_context"
        )
    )


def _what(vm: VMContext, why: str) -> str:
    at = vm.schedule.breaks_at
    return (
        f"{vm.vm_name or vm.pk} is expected to go over its RPO target of"
        f" {duration(vm.rpo_target_seconds)} at {at:%Y-%m-%d %H:%M} UTC: {why}."
    )
