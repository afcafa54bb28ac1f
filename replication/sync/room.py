"""A full repository, or one that is probably too full, fails a job before the VM is touched."""

from __future__ import annotations

from contexts.error_codes import code_of
from contexts.text import binary
from contexts.vsphere.usage import usage
from replication.engine.errors import RepositoryFull
from replication.models import DiskImage, ReplicationJob
from replication.selectors.room import (
    expected_bytes,
    first_bytes,
    reserve_bytes,
    under_way_bytes,
    was_copied,
)
from replication.states import ImageState, StepName, Trigger
from replication.storage import looks
from replication.sync.job_run import JobRun, StepNote


def require(run: JobRun) -> None:
    """Raises RepositoryFull when less is free than the repository's reserve; and, for a scheduled
    replication, when what it is expected to store, and what others that are under way may still
    store there, does not fit beside it. The expectation may be
    wrong, so it never refuses two in a row, nor what somebody asks for.

    Of an attempt that goes on with its images nothing is required: most of its room may be taken by
    itself.
    """
    if DiskImage.objects.filter(job=run.job, state=ImageState.WRITING).exists():
        return
    repository = run.job.repository
    room = looks.look(repository, seconds=looks.ACT_SECONDS).room
    if room is None:
        return  # whoever needs it says why
    run.check()
    reserve = reserve_bytes(repository, room.total_bytes)
    free = f"{binary(room.free_bytes)} are free, and {binary(reserve)} are to stay free."
    if room.free_bytes < max(reserve, 1):
        raise RepositoryFull(
            f"{run.vm.name}: the repository {repository.name} is full: {free} No snapshot was"
            f" taken. {_REMEDY}"
        )
    if run.job.trigger != Trigger.SCHEDULE:
        return
    expected, by_what = _expected(run)
    others = under_way_bytes(repository.pk, besides=run.job.pk)
    if room.free_bytes < reserve + expected + others and not _was_refused_last(run.job):
        meanwhile = (
            f" Others that are under way may store {binary(others)} more there." if others else ""
        )
        raise RepositoryFull(
            f"{run.vm.name}: the repository {repository.name} has probably too little room: {free}"
            f" {by_what}, vmrep expects about {binary(expected)}."
            f"{meanwhile} No snapshot was taken. {_REMEDY} The next replication is tried"
            " nevertheless, and one is tried at once if somebody starts it."
        )


def _expected(run: JobRun) -> tuple[int, str]:
    """What it is expected to store, and by what that is known."""
    rows = run.context.disks.filter(removed_at=None, unprotected_reason="")
    sizes = dict(rows.values_list("pk", "capacity_bytes"))
    if was_copied(run.context):
        requested = run.job.requested_sync
        found = expected_bytes(run.context, run.job.repository_id, [*sizes], requested)
        return found, "After what earlier replications took"
    told = usage(run.session, run.vm.moref)
    capacity = sum(size or 0 for size in sizes.values())
    return first_bytes(capacity, *told), "By what vSphere and its guest say that its disks hold"


_REMEDY = (
    "Delete recovery points, give its file system more room, lower its reserve, or move the VM to"
    " another repository."
)


def _was_refused_last(job: ReplicationJob) -> bool:
    """Whether the VM's last replication into this repository was refused here: then this one finds
    out whether it fits."""
    earlier = ReplicationJob.objects.filter(
        vm_context=job.vm_context_id, repository=job.repository_id, created_at__lte=job.created_at
    )
    last = earlier.exclude(pk=job.pk).order_by("-created_at", "-pk").first()
    return (
        last is not None
        and last.error_code == code_of(RepositoryFull(""))
        and not last.steps.filter(name=StepName.SNAPSHOT).exists()
    )


def tell(run: JobRun, planned_bytes: int, note: StepNote) -> None:
    """Once it is known what will be read: zeroes take no room, so it may fit nevertheless."""
    room = looks.look(run.job.repository).room
    if room is not None and planned_bytes > room.free_bytes:
        note.warn(
            f"{binary(planned_bytes)} are to be read, and the repository {run.job.repository.name}"
            f" has {binary(room.free_bytes)} left. It fits only if much of that is zeroes."
        )
