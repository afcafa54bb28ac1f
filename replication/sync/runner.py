"""A worker's outermost edge: claim a job, run its steps, and record how it ended."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from contexts import log_lines
from contexts.database_errors import own_words
from contexts.error_codes import code_of
from contexts.errors import ContextError
from contexts.services import vcenters
from contexts.vsphere.errors import TaskStillRunning, VSphereError
from replication import messages
from replication.engine.errors import (
    EngineError,
    ExtentError,
    ImageDamaged,
    ImageMissing,
    RepositoryFull,
    RepositoryUnavailable,
    SourceError,
    TargetError,
)
from replication.errors import (
    HandedOver,
    JobCancelled,
    LeaseLost,
    LeftBehind,
    OthersAtWork,
    RemovalUnfinished,
    ResourceFull,
    TryAgain,
)
from replication.manifests import writing as manifests
from replication.models import JobStep, ReplicationJob, Repository
from replication.retention import wanted
from replication.services import damages, finish, job_log, leases, left_overs, places, queue
from replication.services.leases import Lease
from replication.services.tallies import Answers
from replication.states import DamageFinder, LogLevel, StepName, StepStatus, TallyKind
from replication.storage import looks
from replication.storage.targets import target
from replication.sync import removing, stopping
from replication.sync.commit import commit, verify
from replication.sync.guard import Guard
from replication.sync.job_run import JobRun
from replication.sync.plan import make_plan
from replication.sync.prepare import prepare, tracking
from replication.sync.reading import no_snapshot_for_nothing
from replication.sync.snapshot import take_snapshot
from replication.sync.transfer import transfer
from replication.sync.verdict import looking_again

log = logging.getLogger(__name__)

_WAITS: dict[type[Exception], str] = {
    TaskStillRunning: finish.FOR_TASK,
    OthersAtWork: finish.FOR_OTHERS,
    RemovalUnfinished: finish.FOR_REMOVAL,
}
"""What a job waits for without having failed, and what it says meanwhile."""

STALLED_EXIT_CODE = 75  # EX_TEMPFAIL: trying again may help


def run_next() -> str | None:
    """Run the next job that this worker can run; returns its ID, or None if there is none, or the
    worker is told to stop."""
    claimed = None if stopping.is_asked() else queue.claim_next()
    if claimed is None:
        return None
    job, lease = claimed
    run(job, lease)
    return str(job.pk)


def run(
    job: ReplicationJob,
    lease: Lease,
    work: Callable[[JobRun], None] | None = None,
    settled: Callable[[], None] = lambda: None,
) -> None:
    """One attempt of a claimed job, from Prepare to Clean up, or what `work` does of it. `settled`
    is called when the job has ended or waits again, before its lease is released."""
    with log_lines.of_vm(job.vm_context, job=job.pk, attempt=job.attempt):
        _run(job, lease, work or _whole, settled)


def _run(
    job: ReplicationJob,
    lease: Lease,
    work: Callable[[JobRun], None],
    settled: Callable[[], None],
) -> None:
    begins = f"{job.source_vm_name}: attempt {job.attempt} started on {job.worker_name}."
    job_log.write(job.pk, job.attempt, begins)
    try:
        with Guard(
            lease, on_stall=_end_process, is_away=partial(_is_away, job.repository)
        ) as guard:
            _run_guarded(job, lease, guard, work)
            settled()
        places.release_all(lease)
        leases.release(lease)
        messages.hint_job()
        for context_id in left_overs.contexts_to_clean(job.vm_context_id):
            messages.hint_clean_up(context_id)
    except LeaseLost as reason:
        # Another worker may be running the job now. It finds and handles what is half done.
        log.error("%s: stopped at once: %s", job.pk, reason)
    except (OperationalError, InterfaceError):
        log.exception("%s: stopped, because the database is unreachable; it will resume", job.pk)
        connection.close()


def _is_away(repository: Repository) -> bool:
    return bool(looks.look(repository).problem)


def _end_process() -> None:
    """End the process: a hanging call cannot be stopped from within. The pool starts another one;
    daemons and locks end with this one, so that the next attempt can resume its files."""
    os._exit(STALLED_EXIT_CODE)


def _run_guarded(
    job: ReplicationJob, lease: Lease, guard: Guard, work: Callable[[JobRun], None]
) -> None:
    """What settling the job raises ends it, too: it must not stay running without a worker."""
    try:
        _run_and_settle(job, lease, guard, work)
    except (LeaseLost, OperationalError, InterfaceError):
        raise
    except Exception as problem:
        log.exception("%s: unexpected error", job.pk)
        finish.failed(
            job.pk,
            f"Unexpected error in vmrep: {own_words(problem)}. The log of {job.worker_name} has the"
            " details. Please report it.",
            lease=lease,
        )


def _run_and_settle(
    job: ReplicationJob, lease: Lease, guard: Guard, work: Callable[[JobRun], None]
) -> None:
    try:
        vcenter, answers = job.vm_context.vcenter, Answers()
        session = vcenters.session(vcenter, on_answer=partial(answers.note, TallyKind.CALL))
        attempt = JobRun(job, lease, guard, session, target(job.repository), answers)
        try:
            work(attempt)
        finally:
            session.close()
            answers.store(vcenter.pk)
    except JobCancelled:
        asked_by = ReplicationJob.objects.values_list("cancel_requested_by", flat=True)
        finish.cancelled(job.pk, actor=asked_by.get(pk=job.pk), lease=lease)
    except (LeftBehind, HandedOver) as problem:
        finish.go_alone(job.pk, str(problem), lease=lease)
    except (
        *(TryAgain, OthersAtWork, RemovalUnfinished),
        *(VSphereError, EngineError, ContextError),
    ) as problem:
        _settle(job, lease, problem)


def _whole(attempt: JobRun) -> None:
    _steps(attempt)
    clean_up(attempt)


def _steps(attempt: JobRun) -> None:
    prepare(attempt)
    with no_snapshot_for_nothing(attempt), looking_again(attempt):
        tracking(attempt)
        take_snapshot(attempt)
        make_plan(attempt)
        disks = transfer(attempt)
        verify(attempt, disks)
    commit(attempt, disks)


def clean_up(attempt: JobRun) -> None:
    """Never fails a committed job: a failure here is a warning, and the clean-up run retries it."""
    with transaction.atomic():
        leases.require(attempt.lease)  # a worker that was paused begins nothing more
        step = JobStep.objects.create(
            job=attempt.job,
            attempt=attempt.job.attempt,
            name=StepName.CLEAN_UP,
            started_at=Now(),
        )
    # There is one point more: by the rules, others may go now.
    if wanted.settle_by_policy(attempt.context.pk).wanted:
        messages.hint_retention()
    problems = removing.remove_left_overs(attempt.context, attempt)
    if why := manifests.try_to_write(attempt.context.pk, attempt.job.repository_id):
        problems.append(f"The manifest could not be written, and is tried again: {why}")
    for problem in problems:
        attempt.log(problem, LogLevel.WARNING)
    JobStep.objects.filter(pk=step.pk).update(
        status=StepStatus.WARNING if problems else StepStatus.COMPLETED,
        message=" ".join(problems),
        completed_at=Now(),
    )


def _settle(job: ReplicationJob, lease: Lease, problem: Exception) -> None:
    """Retry the job if that may help, else fail it with the reason."""
    if isinstance(problem, ImageMissing | ImageDamaged):
        repository_id, context_id = job.repository_id, job.vm_context_id
        damages.mark_file(context_id, repository_id, problem, DamageFinder.JOB)
    why = str(problem)
    if job.source_vm_name not in why:
        why = f"{job.source_vm_name}: {why}"
    if isinstance(problem, ResourceFull):
        finish.wait_for_place(
            job.pk, str(problem), resource=problem.resource, code=code_of(problem), lease=lease
        )
    elif operation := _waits_for(problem):
        finish.wait_for_others(
            job.pk, str(problem), code=code_of(problem), operation=operation, lease=lease
        )
    elif _is_transient(problem):
        finish.try_again(job.pk, why, code=code_of(problem), lease=lease)
    else:
        finish.failed(job.pk, why, code=code_of(problem), lease=lease)


def _waits_for(problem: Exception) -> str:
    found = (words for kind, words in _WAITS.items() if isinstance(problem, kind))
    return next(found, "")


def _is_transient(problem: Exception) -> bool:
    if isinstance(problem, TryAgain | RepositoryUnavailable):
        return True
    if isinstance(problem, VSphereError | SourceError):
        return problem.transient
    if isinstance(problem, RepositoryFull | ImageDamaged | ExtentError):
        return False
    return isinstance(problem, TargetError)
