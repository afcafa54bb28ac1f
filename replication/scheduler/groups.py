"""Starting a group because one of its VMs is due: all of them, but those that are not to be
replicated by themselves now."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db.models import F

from contexts.models import VMContext
from replication.errors import GroupRefused, GroupRunning
from replication.hours import are_open
from replication.models import PolicyWindow, VMGroup
from replication.selectors.pauses import is_paused
from replication.services import group_runs
from replication.states import DueWhy, Trigger

log = logging.getLogger(__name__)

BY = "schedule"


def start(group_id: int, now: datetime) -> None:
    """Start the group, unless it is being gathered already or nothing of it can be replicated."""
    group = VMGroup.objects.filter(pk=group_id).first()
    if group is None:
        return
    members = list(_members(group))
    try:
        group_runs.begin(
            group,
            trigger=Trigger.SCHEDULE,
            requested_by=BY,
            left_out=_left_out(members, now),
            compared=frozenset(vm.pk for vm in members if _is_to_be_compared(vm, now)),
        )
    except (GroupRunning, GroupRefused) as problem:
        log.info("the group %s is not started: %s", group_id, problem)


def _members(group: VMGroup) -> Sequence[VMContext]:
    return list(
        VMContext.objects.filter(group_member__group=group)
        .annotate(paused=is_paused(), when_policy=F("effective_policy__when_from__policy"))
        .select_related("schedule", "effective_policy")
    )


def _left_out(members: Sequence[VMContext], now: datetime) -> dict[str, str]:
    """Why, of those that are not to be started by themselves now. A member that is not due yet is
    started with the others all the same."""
    closed = _outside_of_their_hours(members, now)
    found = {}
    for vm in members:
        schedule = getattr(vm, "schedule", None)
        if getattr(vm, "paused", False):
            found[vm.pk] = "It is paused."
        elif vm.pk in closed:
            found[vm.pk] = "Its policy does not let it start at this hour."
        elif schedule and schedule.due_why == DueWhy.RETRY and schedule.due_at > now:
            found[vm.pk] = "Its last replication failed, and it is not tried again yet."
    return found


def _outside_of_their_hours(members: Sequence[VMContext], now: datetime) -> set[str]:
    hours: defaultdict[int | None, list[PolicyWindow]] = defaultdict(list)
    policies = {getattr(vm, "when_policy", None) for vm in members} - {None}
    for window in PolicyWindow.objects.filter(policy__in=policies):
        hours[window.policy_id].append(window)
    return {
        vm.pk
        for vm in members
        if (windows := hours[getattr(vm, "when_policy", None)])
        and not any(
            are_open(
                window.days,
                window.from_minute,
                window.to_minute,
                vm.effective_policy.time_zone,
                now,
            )
            for window in windows
        )
    }


def _is_to_be_compared(vm: VMContext, now: datetime) -> bool:
    schedule = getattr(vm, "schedule", None)
    return bool(schedule and schedule.compare and schedule.due_at and schedule.due_at <= now)
