"""Starting what is due, in the tick."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

from contexts.clock import database_now
from contexts.errors import IdentityChanged, NotManaged, VMGone
from contexts.models import VMContext
from contexts.read_once import read_again
from contexts.services import statuses
from contexts.services.one_by_one import one_by_one
from contexts.services.transactions import one_transaction
from replication.errors import AlreadyRunning, NoRepository
from replication.models import ReplicationJob
from replication.scheduler import candidates, groups
from replication.scheduler.decide import Candidate, choose, is_full
from replication.services import cancel, start
from replication.states import JobStatus, SyncRequest, Trigger

log = logging.getLogger(__name__)


def start_due() -> None:
    """A part of the tick. The number of statements that look does not depend on the number of VMs;
    a transaction for each start, of which there are as many as the workers can do until the next.

    Raises an ExceptionGroup when some could not be started, and all the others were."""
    now = candidates.moment()
    room = candidates.capacity(now)
    if is_full(room):
        return
    chosen = list(choose(candidates.due(now, room), room))
    if chosen:
        read_again()
    one_by_one(_starts(chosen, now))


def _starts(chosen: Iterable[Candidate], now: datetime) -> Iterator[tuple[str, Callable[[], None]]]:
    """A VM of a group is started with all of them, once."""
    begun = set()
    for each in chosen:
        if each.group_id is None:
            yield f"starting {each.context_id}", partial(_start, each, now)
        elif each.group_id not in begun:
            begun.add(each.group_id)
            yield f"starting group {each.group_id}", partial(groups.start, each.group_id, now)


@one_transaction
def _start(candidate: Candidate, now: datetime) -> None:
    if not statuses.hold_free(candidate.context_id):
        return
    wanted = SyncRequest.CHECKSUM if candidate.compare else SyncRequest.AS_NEEDED
    try:
        start.start(
            VMContext.objects.get(pk=candidate.context_id),
            trigger=Trigger.SCHEDULE,
            requested_by=groups.BY,
            requested_sync=wanted,
        )
    except AlreadyRunning:
        return  # another was faster
    except (NotManaged, IdentityChanged, VMGone, NoRepository) as problem:
        log.info("%s is not started: %s", candidate.context_id, problem)
        groups.put_off([candidate.context_id], now)


def give_up() -> None:
    """A part of the tick: cancel what the schedule started and no worker has begun for as long as
    its policy allows."""
    waiting = ReplicationJob.objects.filter(
        status=JobStatus.PENDING,
        trigger=Trigger.SCHEDULE,
        started_at__isnull=True,
        vm_context__effective_policy__give_up_after_minutes__gt=0,
    ).select_related("vm_context__effective_policy")
    now = database_now()
    one_by_one(
        (f"giving up {job.pk}", partial(_cancel, job)) for job in waiting if _is_too_late(job, now)
    )


def _is_too_late(job: ReplicationJob, now: datetime) -> bool:
    minutes = job.vm_context.effective_policy.give_up_after_minutes or 0
    return job.created_at + timedelta(minutes=minutes) < now


@one_transaction
def _cancel(job: ReplicationJob) -> None:
    if not statuses.hold_free(job.vm_context_id):
        return
    # Looked at again under the lock: a worker may have begun it meanwhile.
    waits = ReplicationJob.objects.filter(
        pk=job.pk, status=JobStatus.PENDING, started_at__isnull=True
    )
    if waits.exists():
        cancel.cancel(job, actor=groups.BY)
