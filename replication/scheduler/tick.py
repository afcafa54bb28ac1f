"""The tick, which beat triggers every few seconds: runs everything that is due."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from contexts.clock import database_now
from contexts.models import VCenter, VMContext
from contexts.read_once import reading_once
from contexts.services import discovery
from contexts.services.one_by_one import one_by_one
from replication import messages
from replication.health import signs, watch
from replication.integrity import runs
from replication.manifests import writing as manifests
from replication.models import Repository
from replication.policies import settle, taking_new
from replication.retention import telling, turns
from replication.scheduler import candidates, dates, outlook, spells, starting
from replication.selectors import health
from replication.services import bulk_acts, group_runs, left_overs, occurrences, places, queue
from replication.verify import due as verify_due
from replication.verify import turns as verifying

# A vCenter is cleaned up by one worker at a time, so more hints for it would expire unused.
CLEAN_UPS_PER_TICK = 20
CLEAN_UPS_PER_VCENTER = 5
FORGET_WITHIN_SECONDS = 10  # beat's interval


def tick() -> None:
    """Run each part. All can be repeated at any time, and none waits for the others: rows that
    another transaction holds for too long are left to the next tick.

    Raises an ExceptionGroup of what failed when all parts have run."""
    with reading_once():
        one_by_one((f"{part.__module__}.{part.__qualname__}", part) for part in PARTS)


def _hint_jobs() -> None:
    """As many as workers are free: one that ends a job wakes the next one itself, but after a quiet
    time nobody does. One at least, for a worker that has not been seen yet."""
    groups = group_runs.waiting_runs()
    if not groups and not queue.is_anything_waiting():
        return  # most ticks: looking for what may begin takes far longer
    waiting = queue.runnable().count() + groups
    if not waiting:
        return
    now = database_now()
    free = max(health.live_slots(health.COPIES, now) - queue.busy_workers(), 1)
    # Of several machines, not each may have the repository that a job needs.
    count = free if len(health.copying_hosts(now)) > 1 else min(waiting, free)
    for _ in range(count):
        messages.hint_job()


def _hint_clean_ups() -> None:
    left = left_overs.contexts_to_clean()
    contexts = list(VMContext.objects.filter(pk__in=left).values_list("pk", "vcenter"))
    random.shuffle(contexts)  # what keeps failing must not keep the others waiting
    hints: Counter[int] = Counter()
    for context_id, vcenter_id in contexts:
        if hints.total() == CLEAN_UPS_PER_TICK:
            break
        if hints[vcenter_id] < CLEAN_UPS_PER_VCENTER:
            hints[vcenter_id] += 1
            messages.hint_clean_up(context_id)


def _hint_retention() -> None:
    """Not done here: a merge takes as long as its bytes do."""
    if turns.due():
        messages.hint_retention()


def _hint_verify() -> None:
    """Not done here: it takes as long as reading all disks."""
    if verifying.due():
        messages.hint_verify()


def _hint_looks() -> None:
    """Not done here: storage may hang, and nothing else takes over from dead workers."""
    if Repository.objects.exists():
        messages.hint_look_at_repositories()


def _hint_manifests() -> None:
    """Not done here: storage may hang."""
    if manifests.due().exists():
        messages.hint_manifests()


def _hint_asking() -> None:
    """Not done here: a vCenter may hang, and nothing else takes over from dead workers."""
    if VCenter.objects.exists():
        messages.hint_ask_vcenters()


def _forget_old() -> None:
    """Within one tick of a minute: what goes has been kept for a day or for a year."""
    if candidates.moment().second < FORGET_WITHIN_SECONDS:
        parts = (watch.forget_old, occurrences.forget_old, verify_due.forget_old)
        one_by_one((part.__module__, part) for part in parts)


def _start_verifications() -> None:
    """Within one tick of a minute: policies count in days."""
    if candidates.moment().second < FORGET_WITHIN_SECONDS:
        verify_due.start_due()


PARTS: tuple[Callable[[], None], ...] = (
    signs.tick,
    queue.take_over_expired,
    group_runs.settle,
    places.forget_expired,
    taking_new.tick,
    settle.tick,
    dates.tick,
    spells.turn,
    starting.give_up,
    starting.start_due,
    outlook.look_ahead,
    _hint_jobs,
    _hint_clean_ups,
    _hint_retention,
    _start_verifications,
    _hint_verify,
    telling.tell_of_stuck,
    _hint_looks,
    _hint_manifests,
    _hint_asking,
    bulk_acts.pick_up_forgotten,
    discovery.pick_up_forgotten,
    runs.pick_up_forgotten,
    _forget_old,
)
