"""What a VM's last jobs say about its next one: when it is due, and how long it will take; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from replication.scheduler.decide import UNKNOWN_SECONDS
from replication.scheduler.estimate import (
    Estimate,
    Run,
    Usual,
    estimate,
    job_seconds,
    lead_seconds,
    usual,
)
from replication.scheduler.when import Due, RunFacts, Schedule, next_run
from replication.states import JobStatus, ReplicationType

LOOK_BACK = 20
"""So many of a VM's last ended jobs say something about the next one."""
FOR_A_PERSON = frozenset(
    (
        *("preflight_refused", "identity_changed", "vm_gone", "not_managed", "no_repository"),
        *("login_refused", "privilege_missing", "certificate_not_trusted", "other_certificate"),
    )
)
"""Codes of failures that do not pass by themselves."""
SEVERAL_FAILURES = 2
"""One failure may be bad luck: a VM with so many in a row is expected to go on failing."""


class EndedJob(NamedTuple):
    status: str
    error_code: str | None
    replication_type: str | None
    bytes_transferred: int
    transfer_speed_bps: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime


class VM(NamedTuple):
    """What counts of a VM besides its jobs. See RunFacts."""

    context_id: str
    since: datetime
    newest_point_at: datetime | None
    compared_at: datetime | None = None


class NextJob(NamedTuple):
    """`due`: None if it is never replicated by itself. `known`: what was measured; None while that
    is too little. `expected_seconds`: how long the job takes; None without any run.
    `usual`: how long such jobs take on average; None while that is unknown.
    `failing_since`: when the first of several failures in a row ended; None: there are not
    several."""

    due: Due | None
    known: Estimate | None
    expected_seconds: float | None
    failures_in_a_row: int
    failing_since: datetime | None = None
    usual: Usual | None = None


def next_job(wanted: Schedule, vm: VM, jobs: Sequence[EndedJob], now: datetime) -> NextJob:
    """`jobs`: the VM's last ones that have ended, the newest first; at most LOOK_BACK."""
    runs = _runs(jobs)
    known = estimate(runs)
    failures = _failures_in_a_row(jobs)
    target = wanted.target_seconds
    facts = RunFacts(
        vm.context_id,
        since=vm.since,
        newest_point_at=vm.newest_point_at,
        started_at=jobs[0].created_at if jobs else None,
        ended_at=jobs[0].completed_at if jobs else None,
        failures_in_a_row=failures,
        needs_a_person=bool(failures) and jobs[0].error_code in FOR_A_PERSON,
        lead_seconds=lead_seconds(known, target),
        compared_at=vm.compared_at,
    )
    expected = _expected(known, jobs, target)
    failing_since = jobs[failures - 1].completed_at if failures >= SEVERAL_FAILURES else None
    return NextJob(
        next_run(wanted, facts, now),
        *(known, expected, failures, failing_since),
        usual(runs, target),
    )


def _expected(known: Estimate | None, jobs: Sequence[EndedJob], target: int | None) -> float | None:
    """Until enough is known, the next one will not take much longer than the longest of those
    before; and the first after a full copy not longer than that copy."""
    if known and target:
        return job_seconds(known, target)
    done = [job for job in jobs if job.status == JobStatus.COMPLETED]
    later = [_seconds(job) for job in done if job.replication_type == ReplicationType.INCREMENTAL]
    if later:
        return max(later)
    return min((UNKNOWN_SECONDS, *map(_seconds, done))) if done else None


def _seconds(job: EndedJob) -> float:
    return (job.completed_at - (job.started_at or job.created_at)).total_seconds()


def _failures_in_a_row(jobs: Sequence[EndedJob]) -> int:
    """Of the newest jobs. Who cancels one does not want the next one at once, either."""
    for number, job in enumerate(jobs):
        if job.status == JobStatus.COMPLETED:
            return number
    return len(jobs)


def _runs(jobs: Sequence[EndedJob]) -> list[Run]:
    """What the completed ones tell, each with the time since the one before it."""
    done = [job for job in jobs if job.status == JobStatus.COMPLETED]
    return [_run(job, job.created_at - before.created_at) for job, before in pairwise(done)]


def _run(job: EndedJob, interval: timedelta) -> Run:
    began = job.started_at or job.created_at
    is_incremental = job.replication_type == ReplicationType.INCREMENTAL
    return Run(
        seconds=_seconds(job),
        waited_seconds=(began - job.created_at).total_seconds(),
        read_bytes=job.bytes_transferred,
        bytes_per_second=job.transfer_speed_bps or None,
        interval_seconds=interval.total_seconds() if is_incremental else None,
    )
