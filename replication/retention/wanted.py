"""Which removals are wanted: what the rules say, compared with what is recorded."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

from contexts.services import statuses
from contexts.services.transactions import one_transaction
from replication.models import EffectivePolicy, PointRemoval
from replication.models.policies import KEEP
from replication.retention import steps
from replication.retention.choose import Mark, Rules, choose
from replication.retention.standing import Standing
from replication.states import RemovalState, RemovalWhy, RetentionKind

BY_POLICY = "retention"


class Settled(NamedTuple):
    """How many removals are wanted since, and how many are no longer."""

    wanted: int
    taken_back: int


def settle_by_policy(context_id: str) -> Settled:
    """As `settle`, by what is in effect for the VM; without any policy all points stay."""
    return settle(context_id, *rules_in_effect(context_id))


def rules_in_effect(context_id: str) -> tuple[Rules | None, ZoneInfo]:
    """What is in effect for the VM, and in which time zone; None: all points stay."""
    effective = EffectivePolicy.objects.filter(pk=context_id).first()
    if effective is None:
        return None, ZoneInfo("UTC")
    zone = ZoneInfo(effective.time_zone)
    if effective.retention_kind != RetentionKind.RULES:
        return None, zone
    return Rules(*(getattr(effective, column) or 0 for column in KEEP)), zone


@one_transaction
def settle(context_id: str, rules: Rules | None, zone: ZoneInfo) -> Settled:
    """Make the VM's wanted removals what these rules say. What users want stays as it is, and what
    is under way is not stopped."""
    statuses.hold(context_id)
    facts = Standing(context_id).facts()
    marks = choose(facts, rules, zone)
    going = {point for point, mark in marks.items() if mark is Mark.GOES}
    removals = PointRemoval.objects.filter(vm_context=context_id)
    mine = removals.filter(why=RemovalWhy.POLICY, state=RemovalState.WANTED)
    taken_back, _ = mine.exclude(recovery_point__in=going).delete()
    known = set(removals.filter(recovery_point__in=going).values_list("recovery_point", flat=True))
    new = PointRemoval.objects.bulk_create(
        PointRemoval(
            recovery_point_id=point,
            vm_context_id=context_id,
            why=RemovalWhy.POLICY,
            requested_by=BY_POLICY,
        )
        for point in sorted(going - known)
    )
    if new or taken_back:
        steps.touch(context_id)
    return Settled(len(new), taken_back)
