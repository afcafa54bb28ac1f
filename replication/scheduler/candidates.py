"""The VMs that are due and may be started, and what there is room for."""

from __future__ import annotations

from datetime import datetime
from heapq import merge
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    DateTimeField,
    ExpressionWrapper,
    F,
    FloatField,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from contexts.models import VMContext
from replication.models import ReplicationJob
from replication.scheduler.dates import is_fresh
from replication.scheduler.decide import AHEAD, LONG_SECONDS, Candidate, Capacity, Use
from replication.selectors import health, limits, protection
from replication.selectors.pauses import is_paused
from replication.states import ACTIVE_JOB_STATUSES, LimitKind, PolicyPriority

_WEIGHTS = {PolicyPriority.LOW: 0.5, PolicyPriority.HIGH: 2.0}
_ENOUGH = 50
_IS_LONG = Q(newest_recovery_point_at__isnull=True) | Q(schedule__expected_seconds__gt=LONG_SECONDS)
_COLUMNS = ("pk", "schedule__compare", "risk")
_USE = ("vcenter_id", "repository_id", "limits_policy", "effective_policy__most_running")


def capacity(now: datetime) -> Capacity:
    """Three statements."""
    found = limits.all_limits()
    jobs = ReplicationJob.objects.filter(status__in=ACTIVE_JOB_STATUSES).order_by()
    active = jobs.annotate(
        limits_policy=F("vm_context__effective_policy__limits_from__policy"),
        is_long=_flag(
            Q(vm_context__newest_recovery_point_at__isnull=True)
            | Q(vm_context__schedule__expected_seconds__gt=LONG_SECONDS)
        ),
    )
    return Capacity(
        slots=health.live_slots(health.COPIES, now),
        active=[
            Use(vcenter, repository, policy, most or 0, is_long)
            for vcenter, repository, policy, most, is_long in active.values_list(
                "vm_context__vcenter",
                "repository",
                "limits_policy",
                "vm_context__effective_policy__most_running",
                "is_long",
            )
        ],
        vcenter_jobs=_own(found, LimitKind.VCENTER_JOBS),
        of_other_vcenters=found[limits.Resource(LimitKind.VCENTER_JOBS)],
        repository_jobs=_own(found, LimitKind.REPOSITORY_JOBS),
        of_other_repositories=found[limits.Resource(LimitKind.REPOSITORY_JOBS)],
    )


def _own(found: dict[limits.Resource, int], kind: LimitKind) -> dict[int, int]:
    return {int(each.key): value for each, value in found.items() if each.kind == kind and each.key}


def due(now: datetime, room: Capacity) -> list[Candidate]:
    """The VMs that are due and may be started, most at risk first: those whose newest recovery
    point is oldest relative to their target, by the weight of their priority. Four statements.

    As many as there may be need of; of long jobs and short ones each, so that many of the one do
    not hide the others."""
    rows = _startable(now, protection.away_repositories(), health.away_vcenters())
    limit = AHEAD * room.slots * 2 + _ENOUGH
    found = [
        [(row, is_long) for row in rows.filter(which)[:limit]]
        for which, is_long in ((_IS_LONG, True), (~_IS_LONG, False))
    ]
    ordered = merge(*found, key=lambda each: -each[0][2])
    return [_candidate(row, is_long) for row, is_long in ordered]


def _candidate(row: tuple[Any, ...], is_long: bool) -> Candidate:
    context_id, compare, _, vcenter, repository, policy, most = row
    return Candidate(context_id, Use(vcenter, repository, policy, most or 0, is_long), compare)


def _startable(
    now: datetime, away: tuple[int, ...], away_vcenters: tuple[int, ...]
) -> QuerySet[VMContext, tuple[Any, ...]]:
    return (
        VMContext.objects.filter(
            is_fresh(now),
            ~is_paused(),
            schedule__due_at__lte=now,
            unmanaged_at__isnull=True,
            current_job__isnull=True,
            identity_asked_at__isnull=True,
            repository__isnull=False,
            vcenter__login_refused_at__isnull=True,
        )
        .exclude(repository__in=away)
        .exclude(vcenter__in=away_vcenters)
        .annotate(limits_policy=F("effective_policy__limits_from__policy"), risk=_risk(now))
        .order_by("-risk", "pk")
        .values_list(*_COLUMNS, *_USE)
    )


def _risk(now: datetime) -> Coalesce:
    """The newest recovery point's age as a share of the target; of a VM without one, how long it
    waits for it, which counts as over its target."""
    moment = Value(now, output_field=DateTimeField())
    target = ExpressionWrapper(F("rpo_target_seconds"), output_field=FloatField())
    age = protection.Age(moment, F("newest_recovery_point_at")) / target
    waits = protection.Age(moment, F("schedule__due_at")) / target + Value(1.0)
    weights = (
        When(effective_policy__priority=priority, then=Value(weight))
        for priority, weight in _WEIGHTS.items()
    )
    risk = ExpressionWrapper(
        Case(When(newest_recovery_point_at__isnull=True, then=waits), default=age)
        * Case(*weights, default=Value(1.0)),
        output_field=FloatField(),
    )
    return Coalesce(risk, Value(0.0))


def _flag(condition: Q) -> Case:
    return Case(
        When(condition, then=Value(True)), default=Value(False), output_field=BooleanField()
    )
