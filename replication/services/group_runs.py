"""Replicating a group's VMs together: starting a run, gathering its VMs by one worker, and settling
what became of it.

A run's jobs are not begun alone while they wait for the gathering (`waiting`). One worker prepares
all of them and takes their snapshots; each job goes on by itself as soon as it has its snapshot, or
is left behind. Whatever happens to the worker, the tick finds out and lets the jobs go on.
Lock order: contexts, jobs, leases, the run, its members.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from contexts import trail
from contexts.clock import database_now
from contexts.errors import ContextError
from contexts.services import statuses
from contexts.services.one_by_one import one_by_one
from contexts.services.transactions import one_at_a_time, one_transaction
from contexts.text import storable
from contexts.trail import Kind, Verb
from replication import messages
from replication.errors import GroupRefused, GroupRunning, JobNotActive, UnknownJob
from replication.models import (
    ContextLease,
    GroupRun,
    GroupRunMember,
    ReplicationJob,
    Repository,
    VMGroup,
    VMGroupMember,
)
from replication.models.groups import MOST_MEMBERS
from replication.selectors.pauses import holds_job_up
from replication.services import cancel, group_results, leases, queue, start, together
from replication.services.leases import Lease
from replication.states import (
    ACTIVE_JOB_STATUSES,
    GroupMemberState,
    GroupRunState,
    JobStatus,
    LeaseHolder,
    SyncRequest,
)
from replication.storage import looks

GATHER_SECONDS = 180.0
"""How long a run's VMs are waited for: by a worker, until it may begin with each of them, and then
until each is ready for its snapshot."""
LONGEST_SECONDS = 2 * GATHER_SECONDS
"""A run that a live worker has gathered for so long goes on: one VM, of which vSphere takes very
long to make the snapshot, keeps the others from their schedule no longer."""
MOST_AT_ONCE = 2 * MOST_MEMBERS
"""How many VMs all workers together gather at once: each takes two connections to the database."""
MOST_GATHERINGS = 3
LOOK_AT = 20
FOR_GROUP = "Waiting for the other VMs of its group"


class Gathering(NamedTuple):
    """What a worker has claimed: the run, the proof of leading it, its jobs with their leases."""

    run_id: int
    leader: uuid.UUID
    jobs: list[tuple[ReplicationJob, Lease]]


@one_transaction
def begin(
    group: VMGroup,
    *,
    trigger: str,
    requested_by: str,
    left_out: Mapping[str, str] | None = None,
    compared: frozenset[str] = frozenset(),
) -> GroupRun:
    """Start a replication of every member that can be replicated now, as one run. The others are in
    it as missing, with the reason.

    `left_out`: why members (by context) are not to be started; `compared`: whose disks are to be
    compared whole. Raises GroupRunning while the group is being gathered, and GroupRefused when no
    member can be replicated.
    """
    statuses.hold(*VMGroupMember.objects.filter(group=group).values_list("vm_context", flat=True))
    locked = VMGroup.objects.select_for_update(no_key=True).filter(pk=group.pk).first()
    if locked is None:
        raise GroupRefused(f"The group “{group}” has been deleted.")
    if locked.runs.filter(state__in=GroupRunState.before_the_snapshots()).exists():
        raise GroupRunning(f"The VMs of {group} are already being gathered for a replication.")
    run = GroupRun.objects.create(group=locked, trigger=trigger, requested_by=requested_by)
    rows = [
        _begun(run, member, trigger, requested_by, left_out or {}, compared)
        for member in locked.members.order_by("position").select_related("vm_context")
    ]
    if not any(row.job_id for row in rows):
        whys = " ".join(row.why for row in rows) or "It has none."
        raise GroupRefused(f"No VM of {group} can be replicated now. {whys}")
    GroupRunMember.objects.bulk_create(rows)
    jobs = ReplicationJob.objects.filter(pk__in=[row.job_id for row in rows if row.job_id])
    jobs.update(current_operation=FOR_GROUP)
    run.refresh_from_db()
    trail.tell(
        Verb.REPLICATE,
        trail.subject(Kind.GROUP, locked.pk, locked.name),
        actor=requested_by,
        new={"trigger": trigger, "jobs": len([row for row in rows if row.job_id])},
    )
    return run


def _begun(
    run: GroupRun,
    member: VMGroupMember,
    trigger: str,
    requested_by: str,
    left_out: Mapping[str, str],
    compared: frozenset[str],
) -> GroupRunMember:
    context = member.vm_context
    row = GroupRunMember(run=run, vm_context=context, position=member.position)
    row.state, row.why = GroupMemberState.MISSING, left_out.get(context.pk, "")
    if row.why:
        return row
    wanted = SyncRequest.CHECKSUM if context.pk in compared else SyncRequest.AS_NEEDED
    try:
        row.job = start.start(
            context, trigger=trigger, requested_by=requested_by, requested_sync=wanted
        )
    except ContextError as refusal:  # nothing was written
        row.why = storable(str(refusal))
    else:
        row.state = GroupMemberState.WAITING
    return row


def waiting_runs() -> int:
    """How many runs no worker has begun to gather."""
    return GroupRun.objects.filter(state=GroupRunState.WAITING).count()


def claim_next() -> Gathering | None:
    """Claim the next run that this worker can gather, with the leases of its VMs; None if there is
    none."""
    waiting = GroupRun.objects.filter(state=GroupRunState.WAITING).order_by("waits_since", "pk")
    keys = list(waiting.values_list("pk", flat=True)[:LOOK_AT])
    if not keys:
        return None
    away = _away(keys)  # not within a transaction: storage may take its time
    for key in keys:
        if not _has_room(key):
            return None  # smaller ones do not overtake it
        if claimed := _claim(key, away):
            return claimed
    return None


def _has_room(run_id: int) -> bool:
    """Whether its VMs can be gathered besides those that others gather now."""
    waiting = GroupRunMember.objects.filter(state=GroupMemberState.WAITING)
    now = waiting.filter(Q(run=run_id) | Q(run__state=GroupRunState.GATHERING))
    return now.count() <= MOST_AT_ONCE


def _away(keys: list[int]) -> dict[int, str]:
    """The repositories of these runs' jobs that this worker cannot use now, and why."""
    rows = GroupRunMember.objects.filter(run__in=keys, state=GroupMemberState.WAITING)
    wanted = list(Repository.objects.filter(pk__in=rows.values("job__repository")))
    states = zip(wanted, looks.try_writing_to_all(wanted), strict=True)
    return {repository.pk: state.problem for repository, state in states if state.problem}


@one_transaction
def _claim(run_id: int, away: Mapping[int, str]) -> Gathering | None:
    waiting = GroupRunMember.objects.filter(run=run_id, state=GroupMemberState.WAITING)
    for context_id in sorted(waiting.values_list("vm_context", flat=True)):
        if not statuses.hold_free(context_id):
            return None
    active = ReplicationJob.objects.filter(
        group_run_member__in=waiting, status__in=ACTIVE_JOB_STATUSES
    ).order_by("vm_context")
    paused = set(active.filter(holds_job_up()).values_list("pk", flat=True))
    jobs = list(active.exclude(pk__in=paused))
    if paused and not jobs:
        return None  # they are together after the pause, too
    got, missing = _leases(jobs, away)
    run = _lock(run_id, GroupRunState.WAITING)
    one_at_a_time("gathering")
    if run is None or (missing and not _is_overdue(run)) or not _has_room(run_id):
        _give_back(got)
        return None
    missing |= dict.fromkeys(paused, "It was paused.")  # for how long, nobody knows
    for job_id, why in missing.items():
        waiting.filter(job=job_id).update(state=GroupMemberState.GOING, why=why)
    if not got:
        _go_on(run)
        transaction.on_commit(messages.hint_job)
        return None
    queue.begin(ReplicationJob.objects.filter(pk__in=[job_id for job_id, _ in got]))
    leader = uuid.uuid4()
    _update(
        run,
        state=GroupRunState.GATHERING,
        leader=leader,
        led_by=leases.this_worker(),
        gatherings=F("gatherings") + 1,
    )
    rows = ReplicationJob.objects.select_related("vm_context__vcenter", "repository").in_bulk(
        [job_id for job_id, _ in got]
    )
    return Gathering(run_id, leader, [(rows[job_id], lease) for job_id, lease in got])


def _leases(
    jobs: list[ReplicationJob], away: Mapping[int, str]
) -> tuple[list[tuple[str, Lease]], dict[str, str]]:
    """The leases of the jobs that can be begun now, and why the others cannot."""
    got: list[tuple[str, Lease]] = []
    missing = {}
    now = database_now()
    for job in jobs:
        if job.status != JobStatus.PENDING:
            missing[job.pk] = "An earlier attempt of its replication had not ended yet."
        elif job.next_attempt_at is not None and job.next_attempt_at > now:
            missing[job.pk] = f"Its replication was to wait: {job.error_message}"
        elif job.repository_id in away:
            missing[job.pk] = f"Its repository could not be used: {away[job.repository_id]}"
        elif lease := leases.acquire(job.vm_context_id, LeaseHolder.JOB, job_id=job.pk):
            got.append((job.pk, lease))
        else:
            missing[job.pk] = "Something else was at work on its replica."
    return got, missing


def _give_back(got: list[tuple[str, Lease]]) -> None:
    for _, lease in got:
        leases.release(lease)


def _is_overdue(run: GroupRun) -> bool:
    return database_now() - run.waits_since > timedelta(seconds=GATHER_SECONDS)


def let_go(gathering: Gathering, job_id: str) -> None:
    """The job, which has ended or waits again, is none of the gathering any more: it goes on by
    itself, with its snapshot or left behind. Nothing happens when somebody else has settled the run
    meanwhile."""
    job = ReplicationJob.objects.get(pk=job_id)
    why = (
        ""
        if group_results.snapshots().filter(job=job).exists() or not job.is_active
        else job.error_message
    )
    GroupRunMember.objects.filter(
        job=job,
        state=GroupMemberState.WAITING,
        run__state=GroupRunState.GATHERING,
        run__leader=gathering.leader,
    ).update(state=GroupMemberState.GOING, why=why)


@one_transaction
def gathered(gathering: Gathering) -> None:
    """Its worker is done with all of them."""
    run = _lock(gathering.run_id, GroupRunState.GATHERING)
    if run is not None and run.leader == gathering.leader:
        _go_on(run)


@one_transaction
def cancel_jobs(run: GroupRun, *, actor: str) -> int:
    """Cancel what is left of a run; returns how many jobs."""
    cancelled = 0
    jobs = ReplicationJob.objects.filter(
        group_run_member__run=run, status__in=ACTIVE_JOB_STATUSES
    ).order_by("vm_context")
    for job in jobs:
        try:
            cancel.cancel(job, actor=actor)
        except (JobNotActive, UnknownJob):
            continue
        cancelled += 1
    if cancelled:
        about = trail.subject(Kind.GROUP, run.group_id, run.group.name)
        trail.tell(Verb.CANCEL, about, actor=actor, new={"jobs": cancelled})
    return cancelled


def settle() -> None:
    """A part of the tick: go on with runs whose worker died, and end those whose jobs have ended.

    Raises an ExceptionGroup when some could not be settled, and all the others were."""
    opened = GroupRun.objects.exclude(state=GroupRunState.ENDED).order_by("pk")
    one_by_one(
        (f"settling run {key} of a group", partial(_settle, key))
        for key in opened.values_list("pk", flat=True)
    )


@one_transaction
def _settle(run_id: int) -> None:
    run = _lock(run_id)
    if run is None or run.state == GroupRunState.ENDED:
        return
    waiting = run.members.filter(state=GroupMemberState.WAITING)
    if run.state == GroupRunState.GATHERING:
        live = ContextLease.objects.filter(job__in=waiting.values("job"), expires_at__gt=Now())
        if not live.exists():
            _without_a_leader(run)
        elif _takes_too_long(run):
            _go_on(run)
            transaction.on_commit(messages.hint_job)
    if run.state == GroupRunState.WAITING and not _active(waiting):
        _go_on(run)
    if run.state == GroupRunState.COPYING and not _active(run.members.all()):
        _end(run)


def _active(members: QuerySet[GroupRunMember]) -> bool:
    return ReplicationJob.objects.filter(
        group_run_member__in=members, status__in=ACTIVE_JOB_STATUSES
    ).exists()


def _takes_too_long(run: GroupRun) -> bool:
    """Its worker goes on with those that it still gathers: their leases are its own, and it finds
    that they are none of a gathering any more."""
    return database_now() - run.updated_at > timedelta(seconds=LONGEST_SECONDS)


def _without_a_leader(run: GroupRun) -> None:
    """Nobody gathers it any more. While there is no snapshot, another worker can begin again; from
    the first one on, the others would come too late."""
    waiting = run.members.filter(state=GroupMemberState.WAITING)
    if _active(waiting):
        stopped = f"The worker {run.led_by} stopped while it gathered the VMs."
        if run.gatherings < MOST_GATHERINGS and not _has_snapshots(run):
            _update(
                run,
                state=GroupRunState.WAITING,
                leader=None,
                waits_since=Now(),
                problem=f"{stopped} Another one began again.",
            )
            return
        went_on = (
            "Its jobs continued: the VMs whose snapshots had been taken are together."
            if _has_snapshots(run)
            else "Each VM was replicated by itself."
        )
        run.problem = f"{stopped} {went_on}"
    _go_on(run)
    transaction.on_commit(messages.hint_job)


def _has_snapshots(run: GroupRun) -> bool:
    """Whether a snapshot of the run was taken, or asked for."""
    done = run.members.filter(job__status=JobStatus.COMPLETED)
    return (
        group_results.snapshots().filter(job__group_run_member__run=run).exists() or done.exists()
    )


def _go_on(run: GroupRun) -> None:
    """Its jobs go on one by one."""
    run.members.filter(state=GroupMemberState.WAITING).update(state=GroupMemberState.GOING)
    near = group_results.near(group_results.times(list(run.members.all())))
    _update(
        run,
        state=GroupRunState.COPYING,
        leader=None,
        gathered_at=Now(),
        problem=run.problem,
        spread_seconds=together.spread_seconds(near),
    )


def _end(run: GroupRun) -> None:
    members = list(run.members.select_related("job", "vm_context"))
    done = [each for each in members if each.job and each.job.status == JobStatus.COMPLETED]
    times = group_results.times(done)
    near = group_results.near(times)
    for member in members:
        if member.state in GroupMemberState.open():
            group_results.judge(member, times, near)
    GroupRunMember.objects.bulk_update(members, ["state", "taken_at", "why"])
    _update(
        run,
        state=GroupRunState.ENDED,
        ended_at=Now(),
        spread_seconds=together.spread_seconds(near),
    )
    group_results.tell(run, members)


def _lock(run_id: int, state: str | None = None) -> GroupRun | None:
    """The run, unless another transaction holds it, or it is in another state."""
    rows = GroupRun.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=run_id)
    return rows.filter(state=state).first() if state else rows.first()


def _update(run: GroupRun, **columns: object) -> None:
    GroupRun.objects.filter(pk=run.pk).update(**columns, updated_at=Now())
    run.refresh_from_db()
