"""When a VM is replicated next, and whether its target will be kept."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ObjectDoesNotExist

from contexts.models import VMContext
from replication.models import VMSchedule
from replication.retention.forecast import Stored
from replication.scheduler.estimate import Estimate
from replication.scheduler.keeping import Verdict, verdict


def breach_expected(context: VMContext, now: datetime) -> VMSchedule | None:
    """Its schedule if it is expected to go over its target, with `breach_expected_at` and why;
    None if it is not, or is over it by now."""
    schedule = schedule_of(context)
    if schedule is None or schedule.breach_expected_at is None or not context.is_managed:
        return None
    return schedule if schedule.breach_expected_at > now else None


def whether_kept(context: VMContext) -> Verdict:
    """Whether its target can be kept, by what has been measured."""
    schedule = schedule_of(context)
    known = estimate_of(schedule) if schedule else None
    return verdict(known, context.rpo_target_seconds)


def estimate_of(schedule: VMSchedule) -> Estimate | None:
    """What was known when it was worked out."""
    if schedule.changed_per_second is None:
        return None
    return Estimate(
        schedule.changed_per_second,
        schedule.bytes_per_second,
        schedule.overhead_seconds or 0.0,
        schedule.wait_seconds or 0.0,
    )


def stored_of(schedule: VMSchedule) -> Stored | None:
    """What was measured when it was worked out."""
    if schedule.base_bytes is None or schedule.stored_per_second is None:
        return None
    return Stored(schedule.base_bytes, schedule.stored_per_second)


def schedule_of(context: VMContext) -> VMSchedule | None:
    """None: the tick has not looked at it yet. No query if it was read with it."""
    try:
        return context.schedule
    except ObjectDoesNotExist:
        return None


def next_run(context: VMContext) -> VMSchedule | None:
    """Its next run by itself (with `due_at`, which is past while it waits); None while it is being
    replicated, and if it is never replicated by itself. No query if its schedule was read with
    it."""
    if context.current_job_id is not None or not context.is_managed:
        return None
    schedule = schedule_of(context)
    return schedule if schedule is not None and schedule.due_at is not None else None
