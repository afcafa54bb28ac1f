"""From what happened to what goes out: one delivery for each channel whose rules want it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Prefetch
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.services.transactions import lock_free, one_transaction
from replication.models import Occurrence
from vmrep.notifications.models import Channel, Delivery, Rule, RuleKind
from vmrep.notifications.states import Purpose, RuleScope

BATCH = 500


def fan_out() -> None:
    """Empty the outbox. Two processes may do it at once; killed anywhere, it is done again."""
    while _fan_out_some() == BATCH:
        pass


@one_transaction
def _fan_out_some() -> int:
    waiting = Occurrence.objects.filter(fanned_out_at__isnull=True).order_by("pk")
    keys = lock_free(
        Occurrence.objects.filter(pk__in=list(waiting.values_list("pk", flat=True)[:BATCH]))
    )
    if not keys:
        return 0
    rows = Occurrence.objects.filter(pk__in=keys).select_related("vm_context__effective_policy")
    occurrences = list(rows.order_by("pk"))
    rules = _rules()
    now = database_now()
    Delivery.objects.bulk_create(
        (
            Delivery(
                channel_id=wanted.rule.channel_id,
                rule=wanted.rule,
                occurrence=occurrence,
                purpose=Purpose.OCCURRENCE,
                is_urgent=wanted.is_urgent,
                next_attempt_at=now,
            )
            for occurrence in occurrences
            for wanted in _wanted(occurrence, rules)
        ),
        ignore_conflicts=True,
    )
    Occurrence.objects.filter(pk__in=keys).update(fanned_out_at=Now())
    return len(keys)


def _rules() -> list[Rule]:
    rules = Rule.objects.filter(enabled=True, channel__enabled=True).order_by("channel", "pk")
    kinds = Prefetch("kinds", RuleKind.objects.all(), to_attr="all_kinds")
    return list(rules.prefetch_related(kinds))


class _Wanted(NamedTuple):
    rule: Rule
    is_urgent: bool


def _wanted(occurrence: Occurrence, rules: Sequence[Rule]) -> list[_Wanted]:
    """Of each channel the first rule that wants it."""
    by_channel: dict[int, _Wanted] = {}
    for rule in rules:
        if not wants(rule, occurrence):
            continue
        before = by_channel.get(rule.channel_id)
        urgent = rule.even_when_quiet or (before is not None and before.is_urgent)
        by_channel[rule.channel_id] = _Wanted(before.rule if before else rule, urgent)
    return list(by_channel.values())


def wants(rule: Rule, occurrence: Occurrence) -> bool:
    """Whether a rule (with `all_kinds`) tells of it."""
    kinds = {each.kind for each in getattr(rule, "all_kinds", ())}
    if kinds and occurrence.kind not in kinds:
        return False
    if rule.scope == RuleScope.VM:
        return occurrence.vm_context_id == rule.vm_context_id
    vm = occurrence.vm_context
    if rule.scope == RuleScope.POLICY:
        # Settled by the tick: a VM that was just taken may have none yet.
        nearest = getattr(vm, "effective_policy", None)
        return rule.policy_id in (occurrence.policy_id, nearest.policy_id if nearest else None)
    if rule.scope == RuleScope.VCENTER:
        return rule.vcenter_id in (occurrence.vcenter_id, vm.vcenter_id if vm else None)
    return True


def plan_reports() -> None:
    """The report of yesterday, for each channel that sends it and whose time of the day has come.
    It is planned once a day, however often this is called."""
    now = database_now()
    wanted = Channel.objects.filter(enabled=True, report_at_minute__isnull=False)
    due = {channel.pk: _day_to_report(channel, now) for channel in wanted}
    Delivery.objects.bulk_create(
        (
            Delivery(
                channel_id=channel, purpose=Purpose.REPORT, report_day=day, next_attempt_at=now
            )
            for channel, day in due.items()
            if day is not None
        ),
        ignore_conflicts=True,
    )


def _day_to_report(channel: Channel, now: datetime) -> date | None:
    """By the channel's clock; None before its time."""
    there = now.astimezone(ZoneInfo(channel.time_zone))
    if there.hour * 60 + there.minute < (channel.report_at_minute or 0):
        return None
    return there.date() - timedelta(days=1)
