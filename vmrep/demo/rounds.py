"""One round of replications: start a job for each VM, wait, compare the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from contexts.models import VMContext
from replication.engine.compare import compare_image_with_raw
from replication.errors import AlreadyRunning
from replication.models import ReplicationJob, VMSnapshot
from replication.selectors.replica import layers_of
from replication.services import start
from replication.states import (
    JobStatus,
    RecoveryPointState,
    SnapshotState,
    StepName,
    StepStatus,
    Trigger,
)
from replication.storage.targets import target
from vmrep.demo.estate import ACTOR
from vmrep.lab.control.client import LabControl
from vmrep.local.errors import LocalError

POLL_SECONDS = 0.5
# After this long without a byte or a finished job, something hangs.
STALLED_SECONDS = 180.0


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job. `problem` is empty when its replica is equal to the snapshot."""

    context_id: str
    vm_name: str
    job_id: str
    refused: str
    problem: str
    sync_types: list[str]
    bytes_transferred: int
    planned_bytes: int
    seconds: float

    @property
    def identical(self) -> bool:
        return not self.problem and not self.refused


def replicate(
    contexts: Collection[VMContext], lab: LabControl, report: Callable[[Outcome], None]
) -> list[Outcome]:
    """Replicates the VMs, and compares each replica as soon as it is finished."""
    waiting = {_start(context) for context in contexts}
    outcomes = []
    for job in _ended(waiting):
        outcome = _outcome(job, lab)
        report(outcome)
        outcomes.append(outcome)
    return outcomes


def has_recovery_point(context: VMContext) -> bool:
    """Whether the VM has a recovery point, so that the next job can be incremental."""
    return context.recovery_points.filter(state=RecoveryPointState.AVAILABLE).exists()


def _start(context: VMContext) -> str:
    try:
        return start.start(context, trigger=Trigger.SYSTEM, requested_by=ACTOR).pk
    except AlreadyRunning as running:
        return str(running.job.pk)


def _ended(waiting: set[str]) -> Iterator[ReplicationJob]:
    """The jobs in the order in which they end, each with its clean-up."""
    last_sign, moved = time.monotonic(), None
    while waiting:
        jobs = list(ReplicationJob.objects.filter(pk__in=waiting).select_related("vm_context"))
        for job in jobs:
            if not job.is_active and _is_cleaned_up(job):
                waiting.remove(job.pk)
                yield job
        now_moved = [(job.pk, job.attempt, job.bytes_transferred) for job in jobs]
        if now_moved != moved:
            last_sign, moved = time.monotonic(), now_moved
        if time.monotonic() - last_sign > STALLED_SECONDS:
            raise LocalError(f"these jobs make no progress: {', '.join(sorted(waiting))}")
        time.sleep(POLL_SECONDS)


def _is_cleaned_up(job: ReplicationJob) -> bool:
    """The snapshot is gone; or its removal failed, which then counts as a problem."""
    left = VMSnapshot.objects.filter(job=job).exclude(state=SnapshotState.REMOVED)
    tried = job.steps.filter(name=StepName.CLEAN_UP).exclude(status=StepStatus.RUNNING)
    return tried.exists() or not left.exists()


def _outcome(job: ReplicationJob, lab: LabControl) -> Outcome:
    history = job.cbt_history.select_related("disk").order_by("disk__device_key")
    started, completed = job.started_at or job.created_at, job.completed_at or job.created_at
    refused = _was_refused(job)
    return Outcome(
        context_id=job.vm_context_id,
        vm_name=job.source_vm_name,
        job_id=job.pk,
        refused=job.error_message if refused else "",
        problem="" if refused else _problem(job, lab),
        sync_types=[row.sync_type for row in history],
        bytes_transferred=job.bytes_transferred,
        planned_bytes=job.total_bytes or 0,
        seconds=round((completed - started).total_seconds(), 2),
    )


def _was_refused(job: ReplicationJob) -> bool:
    """Refused before anything was done to the VM, which is what the first step is for."""
    steps = set(job.steps.values_list("name", flat=True))
    return job.status == JobStatus.FAILED and steps == {StepName.PREPARE.value}


def _problem(job: ReplicationJob, lab: LabControl) -> str:
    if job.status != JobStatus.COMPLETED:
        return f"{job.status}: {job.error_message}"
    snapshot = VMSnapshot.objects.exclude(moref="").filter(job=job).latest("id")
    if snapshot.state != SnapshotState.REMOVED:
        return f"its snapshot was not removed: {snapshot.problem}"
    point = job.recovery_point
    storage = target(point.repository)
    for image in point.images.select_related("disk"):
        expected = lab.kept_content(snapshot.moref, image.disk.device_key)
        with storage.open_readonly(layers_of(image)) as replica:
            difference = compare_image_with_raw(replica, expected)
        if difference is not None:
            return f"{image.disk.disk_id} differs from its snapshot at byte {difference}"
    # Keep what differs, so that it can be examined.
    lab.forget_kept(snapshot.moref)
    return ""
