"""Starting a group because one of its VMs is due: all of them, but those that are not to be
replicated by themselves now."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import F

from contexts.models import VMContext
from contexts.services.transactions import lock_free, one_transaction, wait_briefly
from replication.errors import GroupRefused, GroupRunning
from replication.hours import are_open
from replication.models import PolicyWindow, VMGroup, VMSchedule
from replication.scheduler import candidates
from replication.scheduler.decide import Lane, lane
from replication.selectors.pauses import is_paused
from replication.services import group_runs
from replication.states import DueWhy, Trigger

log = logging.getLogger(__name__)

BY = "schedule"
REFUSED_FOR = timedelta(hours=1)


@one_transaction
def start(group_id: int, now: datetime) -> None:
    """Start the group, unless it is being gathered already or nothing of it can be replicated.

    VMs that were due and could not be started are put off: due as they are, they would start all
    the others again as soon as these are gathered."""
    group = VMGroup.objects.filter(pk=group_id).first()
    if group is None:
        return
    members = list(_members(group))
    wait_briefly()
    if len(lock_free(VMContext.objects.filter(group_member__group=group))) < len(members):
        return  # the next tick may find it free
    could_start = candidates.could_start(now).filter(group_member__group=group)
    due = set(could_start.values_list("pk", flat=True))
    try:
        group_runs.begin(
            group,
            trigger=Trigger.SCHEDULE,
            requested_by=BY,
            left_out=_left_out(members, due, now),
            compared=frozenset(vm.pk for vm in members if _is_to_be_compared(vm, now)),
        )
    except GroupRunning as problem:
        log.info("the group %s is not started: %s", group_id, problem)
        return
    except GroupRefused as problem:
        log.info("the group %s is not started: %s", group_id, problem)
    again = could_start.filter(candidates.starts_its_group())
    put_off(list(again.values_list("pk", flat=True)), now)


def put_off(context_ids: Iterable[str], now: datetime) -> None:
    """Let VMs that were refused try again later, each alone."""
    VMSchedule.objects.filter(pk__in=context_ids).update(
        due_at=now + REFUSED_FOR, due_why=DueWhy.RETRY, holds_until=None
    )


def _members(group: VMGroup) -> Sequence[VMContext]:
    return list(
        VMContext.objects.filter(group_member__group=group)
        .annotate(paused=is_paused(), when_policy=F("effective_policy__when_from__policy"))
        .select_related("schedule", "effective_policy")
    )


def _left_out(members: Sequence[VMContext], due: Collection[str], now: datetime) -> dict[str, str]:
    """Why, of those that are not to be started by themselves now. A member that is not due yet is
    started with the others all the same; of one that is, its schedule knows its hours."""
    closed = _outside_of_their_hours(members, now) - set(due)
    found = {}
    for vm in members:
        schedule = getattr(vm, "schedule", None)
        if getattr(vm, "paused", False):
            found[vm.pk] = "It is paused."
        elif vm.pk in closed:
            found[vm.pk] = "Its policy does not let it start at this hour."
        elif schedule and schedule.due_why == DueWhy.RETRY and schedule.due_at > now:
            found[vm.pk] = "Its last replication failed or was refused; it is not tried again yet."
        elif _is_copied_for_long(vm):
            found[vm.pk] = "Its first copy takes long: it is made first, by itself."
    return found


def _is_copied_for_long(vm: VMContext) -> bool:
    """See `candidates.starts_its_group`."""
    return vm.newest_recovery_point_at is None and lane(vm.capacity_bytes, None, 0) == Lane.LONG


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
