"""Ticks of a generated estate in which nothing runs: what is due is made so, jobs end at once."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import timedelta

from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.read_once import reading_once
from replication.models import ContextLease, Limit, ReplicationJob, SignOfLife, VMSchedule
from replication.policies import services, settle
from replication.scheduler import dates
from replication.scheduler.tick import PARTS
from replication.services import cancel
from replication.states import JobStatus, LifeKind, LimitKind

A_WEEK = 7 * 86_400
BY = "bench"


def prepare(workers: int, slots: int) -> None:
    """Living workers; targets that all VMs keep; all rows worked out."""
    for number in range(workers):
        SignOfLife.objects.create(
            kind=LifeKind.WORKER,
            name=f"bench:{number}",
            queues="copies",
            slots=slots,
            started_at=Now(),
            seen_at=Now(),
        )
    # What the estate says is running has no worker: the tick takes it over, and it ends.
    ContextLease.objects.update(expires_at=Now())
    for kind in (LimitKind.VCENTER_JOBS, LimitKind.REPOSITORY_JOBS):
        Limit.objects.create(kind=kind, resource="", value=workers * slots, set_by=BY)
    managed = VMContext.objects.filter(unmanaged_at__isnull=True)
    services.set_own_targets(managed.values_list("pk", flat=True), A_WEEK, actor=BY)
    while some := settle.stale(settle.AT_ONCE):
        settle.settle(some)
    while some := dates.stale(database_now(), settle.AT_ONCE):
        dates.work_out(some, database_now())
    tick()
    end_jobs()
    dates.tick()
    # Those that were never replicated, and those whose jobs have just ended.
    soon = VMSchedule.objects.filter(due_at__lte=Now() + timedelta(days=1))
    soon.update(due_at=Now() + timedelta(days=2))


def let_be_due(count: int) -> None:
    """So many VMs that were not due."""
    SignOfLife.objects.update(seen_at=Now())
    later = VMSchedule.objects.filter(
        due_at__gt=Now(), vm_context__current_job__isnull=True, failures_in_a_row=0
    )
    some = list(later.order_by("updated_at").values_list("pk", flat=True)[:count])
    VMSchedule.objects.filter(pk__in=some).update(due_at=Now())


def tick() -> dict[str, float]:
    """Every part of the tick, with the processor time of each."""
    spent: defaultdict[str, float] = defaultdict(float)
    with reading_once():
        for part in PARTS:
            begun = time.process_time()
            part()
            spent[f"{part.__module__}.{part.__qualname__}"] += time.process_time() - begun
    return spent


def end_jobs() -> int:
    """All that have not begun. Returns how many there were."""
    waiting = ReplicationJob.objects.filter(status=JobStatus.PENDING)
    for job in waiting:
        cancel.cancel(job, actor=BY)
    return len(waiting)
