"""What happened to the VMs of a generated estate: jobs that ended in every way, one after the
other, with everything that vmrep would have kept of them.

Old jobs have less than new ones, as after years of retention: what is kept of each is below.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from django.db.models import Model

from contexts.chain import BEGINNING
from contexts.models import ContextEvent
from contexts.services import events
from contexts.states import ContextStatus
from replication.engine.extent_map import BUCKETS
from replication.models import (
    CBTHistory,
    ContextLease,
    DiskImage,
    JobLogLine,
    JobSample,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.models.cbt import BLOCK_BYTES
from replication.states import (
    ImageState,
    JobStatus,
    LeaseHolder,
    LogLevel,
    RecoveryPointState,
    ReplicationType,
    SnapshotState,
    StepName,
    StepStatus,
    SyncType,
    Trigger,
)
from vmrep.bench.loader import Keys, Table

POINTS_KEPT = 5
JOBS_WITH_STEPS = 5
JOBS_WITH_LOG = 1
LOG_LINES, SAMPLES = 12, 12
MIB = 1 << 20
LEASE = timedelta(days=1)  # of jobs that stopped in the middle of their transfer
WORKER = "copies@estate"
FAILURES = (
    "The vCenter did not answer within 30 seconds. Is it reachable from this worker?",
    "CBT was refused: the VM has snapshots. Remove them, then replicate again.",
    "The repository has 1.2 GiB left, the job needs 4.0 GiB. Make room, then replicate again.",
)


# The columns that are filled, in the order in which the tables are written.
COLUMNS: dict[type[Model], str] = {
    ReplicationJob: "id vm_context_id repository_id source_vm_id source_vm_name status"
    " replication_type trigger requested_by current_operation bytes_transferred total_bytes"
    " transfer_speed_bps error_message worker_name created_at started_at completed_at updated_at",
    RecoveryPoint: "id vm_context_id repository_id job_id consistent_at quiesced disk_count state"
    " created_at",
    DiskImage: "id repository_id vm_context_id disk_id job_id recovery_point_id position of_disks"
    " parent_id attempt state locator sync_type capacity_bytes planned_bytes extent_count"
    " transferred_bytes transfer_seconds allocated_bytes change_id previous_change_id"
    " snapshot_moref digest created_at updated_at",
    CBTHistory: "vm_context_id job_id disk_id change_id previous_change_id sync_type blocks_changed"
    " bytes_transferred sync_duration_seconds sync_success capacity_bytes extent_count extent_map"
    " created_at",
    JobStep: "job_id attempt name status message started_at completed_at",
    VMSnapshot: "vm_context_id job_id attempt name state moref consistent_at quiesce_requested"
    " quiesced created_at updated_at removed_at",
    ContextEvent: "vm_context_id number created_at actor old new why told_job_id job_id digest"
    " seal",
    JobSample: "job_id attempt at seconds bytes_transferred bytes_per_second",
    JobLogLine: "job_id attempt at level message",
    ContextLease: "vm_context_id holder_kind job_id holder acquired_at expires_at token",
}


class Disk(NamedTuple):
    pk: int
    disk_id: str
    capacity_bytes: int


@dataclass
class VM:
    """The VM whose history this is. `statuses` are those of its jobs, the oldest first."""

    context_id: str
    name: str
    instance_uuid: str
    repository_id: int
    disks: Sequence[Disk]
    statuses: Sequence[str]
    taken_at: datetime
    last_job_at: datetime


@dataclass
class Told:
    """What the context's row has to say about its history."""

    status: str = ContextStatus.DISCOVERED
    current_job_id: str | None = None
    last_successful_job_id: str | None = None
    first_job_at: datetime | None = None
    last_job_at: datetime | None = None
    last_status_change: datetime | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(JobStatus.values, 0))
    events: int = 0
    digest: str = BEGINNING


@dataclass
class _Job:
    pk: str
    status: str
    created_at: datetime
    started_at: datetime
    ended_at: datetime
    planned: list[int]
    is_first: bool
    from_newest: int
    number: int


class Histories:
    """The tables of `replication`, filled VM by VM."""

    def __init__(self) -> None:
        self._points, self._images = Keys(RecoveryPoint), Keys(DiskImage)
        tables = {model: Table(model, *columns.split()) for model, columns in COLUMNS.items()}
        self._tables = tables
        self._job, self._point = tables[ReplicationJob], tables[RecoveryPoint]
        self._image, self._cbt = tables[DiskImage], tables[CBTHistory]
        self._step, self._snapshot = tables[JobStep], tables[VMSnapshot]
        self._event, self._sample = tables[ContextEvent], tables[JobSample]
        self._line, self._lease = tables[JobLogLine], tables[ContextLease]

    def write(self) -> None:
        """Write the tables in the order of their foreign keys, although those are checked last."""
        for table in self._tables.values():
            table.write()

    def add(self, vm: VM, random: Random) -> Told:
        """Add the whole history of one VM."""
        told = Told()
        self._tell(vm, told, ContextStatus.DISCOVERED, "ops", "taken under management", vm.taken_at)
        epoch = f"{random.getrandbits(64):016x}"
        parents: dict[int, int] = {}
        for job in _jobs(vm, random):
            self._tell_start(vm, told, job)
            self._add_job(vm, job)
            if job.status == JobStatus.COMPLETED:
                self._complete(vm, job, epoch, parents, random)
            elif job.status == JobStatus.RUNNING:
                self._be_under_way(vm, job, epoch, parents)
            if job.from_newest < JOBS_WITH_STEPS:
                self._add_steps(job)
            if job.from_newest < JOBS_WITH_LOG:
                self._add_log(job)
            self._tell_end(vm, told, job)
        return told

    def unmanage(self, vm: VM, told: Told, at: datetime) -> None:
        self._add_event(vm, told, "ops", told.status, told.status, "removed from management", at)

    def _tell(
        self,
        vm: VM,
        told: Told,
        new: str,
        actor: str,
        why: str,
        at: datetime,
        job_id: str | None = None,
    ) -> None:
        old = told.status if told.last_status_change else ""
        self._add_event(vm, told, actor, str(old), str(new), why, at, job_id)
        told.status, told.last_status_change = new, at

    def _add_event(
        self,
        vm: VM,
        told: Told,
        actor: str,
        old: str,
        new: str,
        why: str,
        at: datetime,
        job_id: str | None = None,
    ) -> None:
        """As `contexts.services.events` does: each one follows the one before."""
        told.events += 1
        values = (vm.context_id, told.events, at, actor, old, new, why, job_id or "")
        told.digest = events.digest(told.digest, values)
        self._event.add(*values, job_id, told.digest, events.seal(told.digest))

    def _tell_start(self, vm: VM, told: Told, job: _Job) -> None:
        told.first_job_at = told.first_job_at or job.created_at
        told.last_job_at, told.current_job_id = job.created_at, job.pk
        why = "replication started (schedule)"
        self._tell(vm, told, ContextStatus.REPLICATING, "schedule", why, job.created_at, job.pk)

    def _tell_end(self, vm: VM, told: Told, job: _Job) -> None:
        told.counts[job.status] += 1
        if job.status in (JobStatus.PENDING, JobStatus.RUNNING):
            return
        told.current_job_id = None
        if job.status == JobStatus.COMPLETED:
            told.last_successful_job_id = job.pk
        if told.counts[JobStatus.COMPLETED]:
            new = ContextStatus.READY
        elif told.counts[JobStatus.FAILED]:
            new = ContextStatus.FAILED
        else:
            new = ContextStatus.DISCOVERED
        self._tell(vm, told, new, "worker", f"replication {job.status}", job.ended_at, job.pk)

    def _add_job(self, vm: VM, job: _Job) -> None:
        pending, running = job.status == JobStatus.PENDING, job.status == JobStatus.RUNNING
        completed = job.status == JobStatus.COMPLETED
        total = sum(job.planned) if completed or running else None
        done = total if completed else sum(planned // 2 for planned in job.planned)
        seconds = max(1.0, (job.ended_at - job.started_at).total_seconds())
        kind = ReplicationType.INITIAL if job.is_first else ReplicationType.INCREMENTAL
        self._job.add(
            *(job.pk, vm.context_id, vm.repository_id, vm.instance_uuid, vm.name),
            *(str(job.status), str(kind) if total is not None else None),
            *(Trigger.SCHEDULE.value, "schedule", "Transfer" if running else ""),
            *(done if total is not None else 0, total),
            int((done or 0) / seconds) if completed or running else None,
            FAILURES[job.number % len(FAILURES)] if job.status == JobStatus.FAILED else "",
            *("" if pending else WORKER, job.created_at, None if pending else job.started_at),
            *(None if pending or running else job.ended_at, job.ended_at),
        )

    def _complete(
        self, vm: VM, job: _Job, epoch: str, parents: dict[int, int], random: Random
    ) -> None:
        point = self._points.take()
        consistent_at = job.started_at + timedelta(seconds=3)
        available = job.from_newest < POINTS_KEPT
        state = RecoveryPointState.AVAILABLE if available else RecoveryPointState.EXPIRED
        self._point.add(
            *(point, vm.context_id, vm.repository_id, job.pk, consistent_at, True),
            *(len(vm.disks), str(state), job.ended_at),
        )
        if available:
            self._add_snapshot(vm, job, removed=True)
        seconds = (job.ended_at - job.started_at).total_seconds() * 0.8
        for place, (disk, planned) in enumerate(zip(vm.disks, job.planned, strict=True)):
            if available:
                parents[disk.pk] = self._add_image(vm, job, place, point, epoch, parents)
            self._cbt.add(
                *(vm.context_id, job.pk, disk.pk, *_change_ids(epoch, job)),
                *(_sync_type(job), -(-planned // BLOCK_BYTES), planned, seconds, True),
                *(disk.capacity_bytes, planned // MIB + 1 if available else None),
                random.randbytes(BUCKETS) if available else None,
                job.ended_at,
            )

    def _add_image(
        self,
        vm: VM,
        job: _Job,
        place: int,
        point: int | None,
        epoch: str,
        parents: dict[int, int],
    ) -> int:
        """The oldest image that is kept has no parent: earlier ones were merged into it."""
        image, sealed = self._images.take(), point is not None
        disk, planned = vm.disks[place], job.planned[place]
        self._image.add(
            *(image, vm.repository_id, vm.context_id, disk.pk, job.pk, point),
            *((place + 1, len(vm.disks)) if sealed else (None, None)),
            *(parents.get(disk.pk), 1),
            str(ImageState.COMMITTED if sealed else ImageState.WRITING),
            f"{vm.context_id}/{disk.disk_id}/{job.pk}.qcow2",
            *(_sync_type(job), disk.capacity_bytes, planned, planned // MIB + 1),
            *(planned if sealed else planned // 2, 30.0),
            *(planned if sealed else None, *_change_ids(epoch, job)),
            *(f"snapshot-{job.number + 1}", "0f" * 16 if sealed else ""),
            *(job.created_at, job.ended_at),
        )
        return image

    def _add_snapshot(self, vm: VM, job: _Job, *, removed: bool) -> None:
        consistent_at = job.started_at + timedelta(seconds=3)
        state = SnapshotState.REMOVED if removed else SnapshotState.CREATED
        self._snapshot.add(
            *(vm.context_id, job.pk, 1, f"vmrep:{job.pk}:1", str(state)),
            *(f"snapshot-{job.number + 1}", consistent_at, True, True, consistent_at),
            *(job.ended_at, job.ended_at if removed else None),
        )

    def _be_under_way(self, vm: VM, job: _Job, epoch: str, parents: dict[int, int]) -> None:
        """A job in the middle of its transfer, under a lease that lasts; no worker runs it."""
        self._add_snapshot(vm, job, removed=False)
        for place in range(len(vm.disks)):
            self._add_image(vm, job, place, None, epoch, parents)
        self._lease.add(
            *(vm.context_id, LeaseHolder.JOB.value, job.pk, WORKER),
            *(job.started_at, job.ended_at + LEASE, uuid.uuid4()),
        )

    def _add_steps(self, job: _Job) -> None:
        if job.status in (JobStatus.PENDING, JobStatus.CANCELLED):
            return
        last = {JobStatus.RUNNING: StepName.TRANSFER, JobStatus.FAILED: StepName.PREPARE}
        end = last.get(JobStatus(job.status), StepName.CLEAN_UP)
        length = (job.ended_at - job.started_at) / len(StepName)
        for number, name in enumerate(StepName):
            began = job.started_at + number * length
            status, message, ended = StepStatus.COMPLETED, "", began + length
            if name is end and job.status == JobStatus.FAILED:
                status, message = StepStatus.FAILED, FAILURES[job.number % len(FAILURES)]
            running = name is end and job.status == JobStatus.RUNNING
            self._step.add(
                *(job.pk, 1, name.value, str(StepStatus.RUNNING if running else status), message),
                *(began, None if running else ended),
            )
            if name is end:
                break

    def _add_log(self, job: _Job) -> None:
        if job.status in (JobStatus.PENDING, JobStatus.CANCELLED):
            return
        length = job.ended_at - job.started_at
        for number in range(LOG_LINES):
            self._line.add(
                *(job.pk, 1, job.started_at + length * number / LOG_LINES, LogLevel.INFO.value),
                f"{WORKER}: line {number + 1} of what an operator wants to read",
            )
        if job.status == JobStatus.FAILED:
            return
        total, seconds = sum(planned // 2 for planned in job.planned), length.total_seconds()
        for number in range(1, SAMPLES + 1):
            self._sample.add(
                *(job.pk, 1, job.started_at + length * number / SAMPLES, seconds / SAMPLES),
                *(total * number // SAMPLES, total / max(seconds, 1.0)),
            )


def _sync_type(job: _Job) -> str:
    return str(SyncType.INITIAL if job.is_first else SyncType.INCREMENTAL)


def _change_ids(epoch: str, job: _Job) -> tuple[str, str | None]:
    return f"{epoch}/{job.number + 1}", None if job.is_first else f"{epoch}/{job.number}"


def _jobs(vm: VM, random: Random) -> list[_Job]:
    """Evenly spread up to the last job; each begins when the previous one has ended."""
    count = len(vm.statuses)
    if not count:
        return []
    interval = (vm.last_job_at - vm.taken_at) / count
    had_success = False
    jobs = []
    for number, status in enumerate(vm.statuses):
        created_at = vm.last_job_at - interval * (count - 1 - number)
        started_at = created_at + interval * 0.01
        is_first = not had_success and status in (JobStatus.COMPLETED, JobStatus.RUNNING)
        share = 0.3 if is_first else random.random() * 0.01
        jobs.append(
            _Job(
                pk=f"job-{created_at:%Y%m%d-%H%M%S}-{random.getrandbits(32):08x}",
                status=status,
                created_at=created_at,
                started_at=started_at,
                ended_at=started_at + min(interval * 0.5, timedelta(seconds=20 + share * 9000)),
                planned=[int(disk.capacity_bytes * share) // 65536 * 65536 for disk in vm.disks],
                is_first=is_first,
                from_newest=count - 1 - number,
                number=number,
            )
        )
        had_success = had_success or status == JobStatus.COMPLETED
    return jobs
