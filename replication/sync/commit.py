"""Steps 6 and 7: verify everything, then the single commit point."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError, connection

from contexts.database_errors import own_words
from contexts.text import plural
from contexts.vsphere import snapshots
from replication.errors import LeaseLost, TryAgain
from replication.models import ReplicationJob
from replication.services import finish
from replication.services.results import SealedDisk
from replication.states import JobStatus, StepName
from replication.sync import removing, verdict
from replication.sync.job_run import JobRun
from replication.sync.transfer import FinishedDisk
from replication.sync.watch import what_is_wrong

log = logging.getLogger(__name__)

READ_BACK_FOR_SECONDS = 60.0


def verify(run: JobRun, disks: Sequence[FinishedDisk]) -> None:
    """Check that all planned bytes were read, and that no source has moved since the plan."""
    with run.step(StepName.VERIFY) as note:
        paths = _paths_at_rest(run)
        for disk in disks:
            if paths.get(disk.plan.source.device_key) != disk.plan.source.vmdk_path:
                raise verdict.moved(run, disk.plan.disk.label or disk.plan.disk.disk_id)
            run.log(
                f"{disk.plan.disk.disk_id}: {disk.plan.planned_bytes:,} bytes, as planned; digest"
                f" {disk.digest}."
            )
        _require_chains_as_committed(run, disks)
        note.say(f"{plural(len(disks), 'disk')}, every planned byte was read.")


def _require_chains_as_committed(run: JobRun, disks: Sequence[FinishedDisk]) -> None:
    """Copying may take hours: what was as committed when it was planned may have been changed."""
    for disk in disks:
        parent = disk.plan.parent
        if parent is not None and (wrong := what_is_wrong(run, parent)):
            raise TryAgain(
                f"While {disk.plan.disk.label or disk.plan.disk.disk_id} was copied, an image that"
                f" it is based on was changed. {wrong} vmrep will copy the disk in full, into a new"
                " chain."
            )


def _paths_at_rest(run: JobRun) -> dict[int, str | None]:
    """The files of the snapshot's disks, by device key, at a moment when nobody was working on the
    VM's snapshots: while one is being removed, files change although they are still listed."""
    while True:
        removing.await_running_tasks(run.session, run.vm.moref, on_wait=run.check)
        paths = {
            disk.device_key: disk.vmdk_path
            for disk in snapshots.disks(run.session, run.taken_snapshot.moref)
        }
        if snapshots.running_snapshot_task(run.session, run.vm.moref) is None:
            return paths


def commit(run: JobRun, disks: Sequence[FinishedDisk]) -> None:
    """Seal the files, then create the recovery point in one transaction."""
    with run.step(StepName.COMMIT):
        sealed = [_seal(run, disk) for disk in disks]
        run.check()
        try:
            finish.completed(
                run.job.pk, run.lease, run.taken_snapshot, run.snapshot_lineage, sealed
            )
        except (OperationalError, InterfaceError) as problem:
            log.warning("%s: the commit's answer was lost: %s", run.job.pk, own_words(problem))
            _read_back(run.job.pk)
        moment = f"{run.taken_snapshot.consistent_at:%Y-%m-%d %H:%M:%S} UTC"
        run.log(f"Committed: the VM can be restored to {moment}.")


def _seal(run: JobRun, disk: FinishedDisk) -> SealedDisk:
    run.check()
    sealed = run.storage.seal(disk.image.temporary_locator, disk.image.locator)
    run.log(
        f"{disk.plan.disk.disk_id}: {disk.image.locator} is checked and durable,"
        f" {sealed.allocated_bytes:,} bytes in the repository."
    )
    return SealedDisk(
        disk.image.pk,
        sealed.allocated_bytes,
        disk.digest,
        disk.map_digest,
        sealed.as_committed,
    )


def _read_back(job_id: str) -> None:
    """Ask over a new connection whether the commit happened.

    Returns if it did, raises TryAgain if it did not, and LeaseLost if that cannot be determined:
    then nothing may be touched.
    """
    deadline = time.monotonic() + READ_BACK_FOR_SECONDS
    while time.monotonic() < deadline:
        connection.close()
        try:
            status = ReplicationJob.objects.values_list("status", flat=True).get(pk=job_id)
        except (OperationalError, InterfaceError):
            time.sleep(1.0)
            continue
        if status == JobStatus.COMPLETED:
            return
        raise TryAgain("The database connection broke, and the commit did not happen.")
    raise LeaseLost(f"cannot determine whether {job_id} was committed")
