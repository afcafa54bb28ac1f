"""How well VMs have kept their targets: from the spells of protection.

A VM's time counts while it has a target; it is kept while the VM is protected. Times are computed
(`replication.scheduler.spells`), so that a night without vmrep counts as what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import (
    Case,
    Count,
    DateTimeField,
    F,
    FloatField,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest, Least

from contexts.models import VMContext
from replication.models import Policy, ProtectionSpell
from replication.selectors.protection import Age
from replication.states import Protection

PERIODS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
DAYS = 14
SHOWN = timedelta(days=7)
MOST_SPELLS = 1000

Span = tuple[datetime, datetime]


class Kept(NamedTuple):
    """`share`: of the time with a target in which it was kept; None: there was no such time."""

    begins_at: datetime
    ends_at: datetime
    share: float | None


class Spell(NamedTuple):
    """`began_at` may be before the time that is asked for; `ended_at` None: it lasts.
    `foretold_at`: when it was told that the target would be exceeded at its end."""

    state: str
    target_seconds: int | None
    began_at: datetime
    ended_at: datetime | None
    foretold_at: datetime | None


class History(NamedTuple):
    """`periods`: one for each of PERIODS. `days`: the last DAYS of 24 hours each, the oldest
    first."""

    periods: list[Kept]
    days: list[Kept]


def history(spells: QuerySet[ProtectionSpell], now: datetime) -> History:
    """Of all these spells together. One query, however many there are."""
    spans = [(now - period, now) for period in PERIODS]
    spans += [
        (now - timedelta(days=days), now - timedelta(days=days - 1)) for days in range(DAYS, 0, -1)
    ]
    kept = [Kept(*span, share) for span, share in zip(spans, shares(spells, spans), strict=True)]
    return History(kept[: len(PERIODS)], kept[len(PERIODS) :])


def of_vm(context: VMContext) -> QuerySet[ProtectionSpell]:
    return ProtectionSpell.objects.filter(vm_context=context)


def of_policy(policy: Policy, contexts: QuerySet[VMContext]) -> QuerySet[ProtectionSpell]:
    """Those of the VMs among these for which the policy says now when they are replicated."""
    return ProtectionSpell.objects.filter(
        vm_context__in=contexts,
        vm_context__unmanaged_at__isnull=True,
        vm_context__effective_policy__when_from__policy=policy,
    )


def shares(spells: QuerySet[ProtectionSpell], spans: Sequence[Span]) -> list[float | None]:
    """For each span, the share of the time with a target in which it was kept. One query."""
    sums = {}
    for number, span in enumerate(spans):
        sums[f"protected_{number}"] = _seconds(span, Q(state=Protection.PROTECTED))
        sums[f"all_{number}"] = _seconds(span, Q())
    begins = min((begin for begin, _ in spans), default=None)
    found = (
        spells.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=begins))
        .filter(target_seconds__isnull=False)
        .order_by()
        .aggregate(**sums)
    )
    return [
        (found[f"protected_{number}"] or 0.0) / found[f"all_{number}"]
        if found[f"all_{number}"]
        else None
        for number in range(len(spans))
    ]


def _seconds(span: Span, which: Q) -> Sum:
    """How much of the spells is in the span."""
    begins, ends = (Value(moment, output_field=DateTimeField()) for moment in span)
    last = Coalesce(F("ended_at"), ends, output_field=DateTimeField())
    within = Age(Least(last, ends), Greatest(F("began_at"), begins))
    is_within = Q(began_at__lt=span[1]) & (Q(ended_at__isnull=True) | Q(ended_at__gt=span[0]))
    return Sum(Case(When(is_within & which, then=within), output_field=FloatField()))


class PolicyShare(NamedTuple):
    """`policy`: its name; empty for VMs' own values. `vms`: how many VMs had a target."""

    policy: str
    vms: int
    share: float | None


def by_policy(spells: QuerySet[ProtectionSpell], span: Span) -> list[PolicyShare]:
    """By name of the policy that says now when a VM is replicated. One query."""
    rows = (
        spells.filter(
            Q(ended_at__isnull=True) | Q(ended_at__gt=span[0]),
            target_seconds__isnull=False,
            began_at__lt=span[1],
        )
        .order_by()
        .values(policy=Coalesce("vm_context__effective_policy__when_from__policy__name", Value("")))
        .annotate(
            vms=Count("vm_context", distinct=True),
            protected=_seconds(span, Q(state=Protection.PROTECTED)),
            total=_seconds(span, Q()),
        )
        .values_list("policy", "vms", "protected", "total")
    )
    found = [
        PolicyShare(policy, vms, (protected or 0.0) / total if total else None)
        for policy, vms, protected, total in rows
    ]
    return sorted(found, key=lambda each: (each.policy == "", each.policy))


def spells_of(context: VMContext, since: datetime) -> list[Spell]:
    """The VM's spells since then, the newest first; MOST_SPELLS at most. One query."""
    rows = (
        of_vm(context)
        .filter(Q(ended_at__isnull=True) | Q(ended_at__gt=since))
        .order_by("-began_at", "-id")
        .values_list("state", "target_seconds", "began_at", "ended_at", "foretold_at")
    )
    return [Spell(*row) for row in rows[:MOST_SPELLS]]


def warned_seconds(breach: Spell, before: Spell | None) -> float | None:
    """How long before a VM went over its target that was told; None: it was not. `before`: the
    spell that the breach ended."""
    if breach.state != Protection.OVER_TARGET or before is None or before.foretold_at is None:
        return None
    ahead = (breach.began_at - before.foretold_at).total_seconds()
    return ahead if 0 <= ahead <= (breach.target_seconds or 0) else None
