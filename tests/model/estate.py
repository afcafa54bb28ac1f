"""What should be true: VMs as they are in a vCenter, and the record that vmrep should have of each.

Plain data, with none of vmrep's code: whatever the two disagree about is a fault of one of them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

MAX_ATTEMPTS = 5

_numbers = itertools.count(1)


@dataclass
class Job:
    """A job as the model knows it. `held`: a worker has its context's lease."""

    job_id: str
    status: str = "pending"
    attempt: int = 1
    cancel_asked: bool = False
    held: bool = False
    needed: bool = False  # by a recovery point
    left_something: bool = False  # a file or a snapshot that is not cleaned up yet

    @property
    def active(self) -> bool:
        return self.status in ("pending", "running")


@dataclass
class Record:
    """What the context of a VM should say."""

    context_id: str
    uuid: str
    vm_name: str
    moref: str  # as it was when the specs were last written: not while the VM is not managed
    cpu_count: int | None
    managed: bool = True
    status: str = "discovered"
    status_before: str = "discovered"
    jobs: dict[str, Job] = field(default_factory=dict)
    last_successful: str | None = None
    ran: int = 0
    successful: int = 0
    failed: int = 0
    cancelled: int = 0
    points: int = 0

    @property
    def current(self) -> Job | None:
        return next((job for job in self.jobs.values() if job.active), None)

    def start(self, job_id: str) -> None:
        self.jobs[job_id] = Job(job_id)
        self.ran += 1
        self.status_before, self.status = self.status, "replicating"

    def complete(self, job: Job) -> None:
        job.status, job.needed = "completed", True
        self.successful += 1
        self.points += 1
        self.last_successful = job.job_id
        self.status = "ready_for_failover"

    def fail(self, job: Job) -> None:
        job.status = "failed"
        self.failed += 1
        self.status = "ready_for_failover" if self.points else "failed"

    def cancel(self, job: Job) -> None:
        job.status = "cancelled"
        self.cancelled += 1
        was_failed = self.status_before == "failed"
        self.status = (
            "ready_for_failover" if self.points else "failed" if was_failed else "discovered"
        )

    def interrupt(self, job: Job) -> None:
        """The attempt is over, the job is not, unless it was the last one or somebody cancelled."""
        job.held = False
        if job.cancel_asked:
            self.cancel(job)
        elif job.attempt == MAX_ATTEMPTS:
            self.fail(job)
        else:
            job.status, job.attempt = "pending", job.attempt + 1

    def delete_replica(self) -> None:
        """Recovery points expire: their jobs are still named by them."""
        self.points = 0
        if self.status == "ready_for_failover":
            self.status = "discovered"


@dataclass
class VM:
    """A VM in the vCenter, and what vmrep knows of it."""

    name: str
    uuid: str = ""
    moref: str = ""
    bios_uuid: str = ""
    present: bool = True
    cpu_count: int | None = 2
    record: Record | None = None
    # What was seen by the last discovery that saw it.
    seen_name: str = ""
    seen_uuid: str = ""
    seen_moref: str = ""
    seen_cpu_count: int | None = None
    gone: bool = False  # the last discovery did not see it

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.uuid = self.uuid or f"uuid-{number}"
        self.moref = self.moref or f"vm-{number}"
        self.bios_uuid = self.bios_uuid or f"bios-{number}"

    @property
    def is_someone_new(self) -> bool:
        """Its context knows it by another instance UUID, and nobody has said who it is."""
        return self.record is not None and not self.gone and self.seen_uuid != self.record.uuid

    def be_seen(self) -> None:
        """A discovery passes by."""
        self.gone = not self.present
        if self.present:
            self.seen_name, self.seen_uuid = self.name, self.uuid
            self.seen_moref, self.seen_cpu_count = self.moref, self.cpu_count
            if self.record and self.record.managed and self.record.uuid == self.uuid:
                self.refresh()

    def refresh(self) -> None:
        """The context gets the specs that were seen."""
        assert self.record is not None
        self.record.vm_name, self.record.cpu_count = self.seen_name, self.seen_cpu_count
        self.record.moref = self.seen_moref

    def be_taken(self, context_id: str) -> None:
        if self.record is None:
            seen = (self.seen_uuid, self.seen_name, self.seen_moref, self.seen_cpu_count)
            self.record = Record(context_id, *seen)
        elif not self.record.managed:
            self.record.managed = True
            self.refresh()

    def be_confirmed(self) -> None:
        """It is the same VM under a new instance UUID."""
        assert self.record is not None
        self.record.uuid = self.seen_uuid
        self.refresh()
