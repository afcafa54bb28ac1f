"""What the steps of one attempt share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from contexts.clock import about_now
from contexts.models import VMContext, VMDisk
from contexts.text import storable
from contexts.vsphere import tasks
from contexts.vsphere.lineage import Lineage
from contexts.vsphere.records import DiskRecord, VmRecord
from contexts.vsphere.session import Session
from replication.engine.extent_map import levels
from replication.engine.extents import Extent
from replication.engine.target import Target
from replication.engine.throttle import Throttle
from replication.errors import JobCancelled, LeaseLost, LeftBehind
from replication.models import DiskImage, JobStep, ReplicationJob, VMSnapshot
from replication.selectors import bandwidth
from replication.services import job_log
from replication.services.leases import Lease
from replication.services.tallies import Answers
from replication.states import JobStatus, LogLevel, StepName, StepStatus, SyncType
from replication.sync.guard import Guard
from replication.sync.seats import Seats

CANCEL_ASKED_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class DiskPlan:
    """How one disk is brought up to date. `extents` are what will be read, in bytes."""

    disk: VMDisk
    source: DiskRecord
    sync_type: SyncType
    extents: list[Extent]
    parent: DiskImage | None
    previous_change_id: str | None
    note: str

    @property
    def planned_bytes(self) -> int:
        return sum(extent.length for extent in self.extents)

    @property
    def extent_map(self) -> bytes | None:
        """Where on the disk the extents fall; None when there are none."""
        return levels(self.extents, self.source.capacity_bytes or 0) if self.extents else None


@dataclass
class StepNote:
    """Messages of a step in addition to its outcome; they also go to the job's log."""

    log: Callable[[str, LogLevel], None]
    message: str = ""
    warning: bool = False

    def warn(self, message: str) -> None:
        self.warning = True
        self._add(message, LogLevel.WARNING)

    def say(self, message: str) -> None:
        self._add(message, LogLevel.INFO)

    def _add(self, message: str, level: LogLevel) -> None:
        self.message = storable(f"{self.message} {message}".strip())
        self.log(message, level)


@dataclass
class JobRun:
    """One attempt of a job: what it holds, and what its steps have found out so far."""

    job: ReplicationJob
    lease: Lease
    guard: Guard
    session: Session
    storage: Target
    answers: Answers = field(default_factory=Answers)
    record: VmRecord | None = None
    snapshot: VMSnapshot | None = None
    lineage: Lineage | None = None
    plans: list[DiskPlan] = field(default_factory=list)
    cbt_just_enabled: bool = False
    ways: list[str] = field(default_factory=list)
    """Transports that may read the VM, the best first."""
    passed_over: dict[str, str] = field(default_factory=dict)
    """Better ones than the chosen, and why they cannot."""
    transport: str = ""
    is_unreadable: bool = False
    """None of them reads the snapshot."""
    ready_by: float | None = None
    """While its group waits for it: until when, by `time.monotonic`."""
    _asked_at: float = 0.0

    def __post_init__(self) -> None:
        self.seats = Seats(self.lease, self.job)
        self.throttle = Throttle()

    @property
    def context(self) -> VMContext:
        return self.job.vm_context

    @property
    def vm(self) -> VmRecord:
        if self.record is None:
            raise RuntimeError("the VM is read in the step Prepare")
        return self.record

    @property
    def removal_seconds(self) -> float:
        """How long to wait while vSphere removes a snapshot."""
        if self.ready_by is None:
            return tasks.REMOVE_SNAPSHOT_SECONDS
        return max(0.0, min(tasks.REMOVE_SNAPSHOT_SECONDS, self.ready_by - time.monotonic()))

    @property
    def taken_snapshot(self) -> VMSnapshot:
        if self.snapshot is None:
            raise RuntimeError("the snapshot is taken in the step Snapshot")
        return self.snapshot

    @property
    def snapshot_lineage(self) -> Lineage:
        if self.lineage is None:
            raise RuntimeError("the lineage is read in the step Plan")
        return self.lineage

    def check(self) -> None:
        """Call before every side effect, and while waiting: may this attempt continue?

        Raises LeaseLost, JobCancelled or LeftBehind. Cheap enough to be called often.
        """
        self.guard.check()
        now = time.monotonic()
        if self.ready_by is not None and now > self.ready_by:
            raise LeftBehind(
                f"{self.job.source_vm_name} was not ready when the snapshots of its group were"
                " taken; it is replicated by itself."
            )
        if now - self._asked_at < CANCEL_ASKED_EVERY_SECONDS:
            return
        self._asked_at = now
        if self._mine().filter(cancel_requested_at__isnull=False).exists():
            raise JobCancelled

    def keep_to_bandwidth(self) -> None:
        """Read no faster than the limit that holds now, if there is one. Call it once a second."""
        rate = bandwidth.share(self.job, about_now())
        if (rate is None) != (self.throttle.rate is None):
            self.log(
                "The bandwidth is no longer limited."
                if rate is None
                else f"The bandwidth is limited: {rate / (1 << 20):,.1f} MiB/s for this job now."
            )
        self.throttle.set_rate(rate)

    def update(self, **columns: object) -> None:
        """Write columns of the job. Raises LeaseLost when this attempt no longer owns it."""
        if not self._mine().update(updated_at=Now(), **columns):
            raise LeaseLost(f"{self.job.pk} belongs to another worker")

    def log(self, message: str, level: LogLevel = LogLevel.INFO) -> None:
        """Write a line to the job's log. Raises nothing but LeaseLost."""
        self.guard.check()
        job_log.write(self.job.pk, self.job.attempt, message, level)

    def _mine(self) -> Any:
        return ReplicationJob.objects.filter(
            pk=self.job.pk, status=JobStatus.RUNNING, leases__token=self.lease.token
        )

    @contextmanager
    def step(self, name: StepName) -> Iterator[StepNote]:
        """A step's row: running until the block ends. If it raises, the job's end closes it."""
        self.check()
        with transaction.atomic():
            # Under the job's lock: no step begins after its end.
            self.update(current_operation=name.label)
            row = JobStep.objects.create(
                job=self.job, attempt=self.job.attempt, name=name, started_at=Now()
            )
        note = StepNote(self.log)
        yield note
        JobStep.objects.filter(pk=row.pk, status=StepStatus.RUNNING).update(
            status=StepStatus.WARNING if note.warning else StepStatus.COMPLETED,
            message=note.message,
            completed_at=Now(),
        )
