"""A repository that is full fails a job before anything happens at the VM."""

from __future__ import annotations

from replication.engine.errors import RepositoryFull
from replication.models import DiskImage
from replication.selectors.room import least_bytes, reserve_bytes
from replication.states import ImageState
from replication.storage import looks
from replication.sync.job_run import JobRun, StepNote


def require(run: JobRun) -> None:
    """Raises RepositoryFull when what the replication stores at least does not fit beside the
    repository's reserve. Of an attempt that goes on with its images nothing is required: most of
    its room may be taken by itself."""
    if DiskImage.objects.filter(job=run.job, state=ImageState.WRITING).exists():
        return
    repository = run.job.repository
    room = looks.look(repository, seconds=looks.ACT_SECONDS).room
    if room is None:
        return  # whoever needs it says why
    run.check()
    rows = run.context.disks.filter(removed_at=None, unprotected_reason="")
    disks = list(rows.values_list("pk", flat=True))
    needed = least_bytes(run.context, repository.pk, disks, run.job.requested_sync)
    reserve = reserve_bytes(repository, room)
    if room.free_bytes >= max(reserve + needed, 1):
        return
    expected = f" This replication needs {needed:,} bytes or more." if needed else ""
    raise RepositoryFull(
        f"{run.vm.name}: the repository {repository.name} is full: {room.free_bytes:,} bytes are"
        f" free, and {reserve:,} are to stay free.{expected} No snapshot was taken. Delete recovery"
        " points, give its file system more room, lower its reserve, or move the VM to another"
        " repository."
    )


def tell(run: JobRun, planned_bytes: int, note: StepNote) -> None:
    """Once it is known what will be read: zeroes take no room, so it may fit nevertheless."""
    room = looks.look(run.job.repository).room
    if room is not None and planned_bytes > room.free_bytes:
        note.warn(
            f"{planned_bytes:,} bytes are to be read, and the repository {run.job.repository.name}"
            f" has {room.free_bytes:,} left. It fits only if much of that is zeroes."
        )
