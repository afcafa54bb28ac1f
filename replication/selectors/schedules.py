"""When a VM is replicated next."""

from __future__ import annotations

from django.core.exceptions import ObjectDoesNotExist

from contexts.models import VMContext
from replication.models import VMSchedule


def next_run(context: VMContext) -> VMSchedule | None:
    """Its next run by itself (with `due_at`, which is past while it waits); None while it is being
    replicated, and if it is never replicated by itself. No query if its schedule was read with
    it."""
    if context.current_job_id is not None or not context.is_managed:
        return None
    try:
        schedule = context.schedule
    except ObjectDoesNotExist:  # the tick has not looked at it yet
        return None
    return schedule if schedule.due_at is not None else None
