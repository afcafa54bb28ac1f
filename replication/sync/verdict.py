"""What others do with the VM gets the same verdict wherever an attempt notices it.

Another product's snapshot, or a disk that is moved to other storage, shows up in many ways: a file
is missing, a delta is where a disk was, a host refuses a path. So before a failure counts as
lasting, vmrep reads the VM again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from contexts.clock import database_now
from contexts.text import printable
from contexts.vsphere import snapshots, tasks
from contexts.vsphere.errors import ObjectGone, TaskStillRunning, VSphereError
from contexts.vsphere.preflight import Refusal
from contexts.vsphere.records import SnapshotRecord
from contexts.vsphere.transports import TRANSPORTS
from replication.engine.errors import SourceError
from replication.errors import OthersAtWork, TryAgain
from replication.models import VMSnapshot
from replication.states import SnapshotState
from replication.sync import removing
from replication.sync.job_run import JobRun

log = logging.getLogger(__name__)

# Other products' snapshots pass within minutes, of big VMs within hours; a user's stays.
PASSES_WITHIN = timedelta(hours=4)
_MAY_COME_BACK = ("disconnected", "inaccessible")


def require_no_others_snapshot(run: JobRun, found: tuple[Refusal, ...]) -> None:
    """Raise OthersAtWork when only snapshots are why the VM is refused, and they are so new that
    they may be another product's."""
    if {refusal.code for refusal in found} == {"user_snapshots"}:
        _wait_for_others(run, run.vm.snapshots)


def _wait_for_others(run: JobRun, present: tuple[SnapshotRecord, ...]) -> None:
    own = VMSnapshot.objects.filter(vm_context=run.context).exclude(state=SnapshotState.REMOVED)
    names = {row.name for row in own} | {row.moref for row in own if row.moref}
    others = [one for one in present if one.name not in names and one.moref not in names]
    # Where vSphere does not say when one was made, it is as old as the job.
    since = run.job.started_at or run.job.created_at
    oldest = min((one.created_at or since for one in others), default=None)
    if oldest is None or database_now() - oldest > PASSES_WITHIN:
        return
    shown = ", ".join(f"“{one.name}”" for one in others[:5])
    hours = PASSES_WITHIN.total_seconds() / 3600
    raise OthersAtWork(
        f"{run.vm.name}: vmrep waits for a snapshot that is not its own ({shown}) to go. Another"
        f" product may be at work and remove it; if it is still there {hours:.0f} hours after it"
        " was made, vmrep refuses the VM. If you made it, remove it, or read this vCenter's disks"
        " over NFC."
    )


def require_no_absence(run: JobRun, found: tuple[Refusal, ...]) -> None:
    """Raise TryAgain when the VM is refused only because its host or its storage is away, which
    passes: what has been copied of it is kept meanwhile. An orphaned VM does not come back."""
    state = run.vm.specs["connection_state"]
    if state in _MAY_COME_BACK and {refusal.code for refusal in found} == {"not_connected"}:
        raise TryAgain(
            f"{run.vm.name}: the VM is {state} in the vCenter: its host or its datastore is away."
            " If this continues, bring them back."
        )


@contextmanager
def looking_again(run: JobRun) -> Iterator[None]:
    """Judge a failure of the body that would be lasting, or of its reading: raises TryAgain,
    TaskStillRunning or OthersAtWork if others caused it, else what the body raised."""
    try:
        yield
    except (VSphereError, SourceError) as problem:
        if isinstance(problem, SourceError) or not problem.transient:
            _judge(run, problem)
        raise


def _judge(run: JobRun, problem: Exception) -> None:
    try:
        busy = tasks.running_task(
            run.session, run.vm.moref, "relocate", "migrate", "snapshot", "consolidate"
        )
        present = snapshots.tree(run.session, run.vm.moref)
        frozen = _frozen(run)
    except ObjectGone as another:
        # Prepare finds the VM by its instance UUID, or says that it is gone.
        raise TryAgain(
            f"{run.vm.name}: the VM was unregistered, or registered again, while vmrep was working"
            f" on it ({another}) vmrep will look for it."
        ) from problem
    except VSphereError as another:
        log.warning("%s: cannot look again: %s", run.job.pk, printable(str(another)))
        return
    if busy is not None:
        raise TaskStillRunning(
            f"{run.vm.name}: vSphere is working on the VM ({busy.operation}), so vmrep cannot"
            f" continue now ({problem}) It will look again."
        ) from problem
    if frozen is None:
        raise TryAgain(
            f"{run.vm.name}: vmrep's snapshot was removed while vmrep was reading it ({problem})"
            " It will take a new one."
        ) from problem
    if any(frozen.get(key, path) != path for key, path in _planned(run).items()):
        raise moved(run, "A disk") from problem
    reads_behind = TRANSPORTS[run.context.vcenter.transport].reads_behind_snapshots
    if run.snapshot is not None and not reads_behind:
        before = tuple(one for one in present if one.moref != run.taken_snapshot.moref)
        try:
            _wait_for_others(run, before)
        except OthersAtWork:
            # On top of another product's snapshot ours would only be in its way.
            removing.remove_snapshot(run.taken_snapshot, run)
            raise


def moved(run: JobRun, what: str) -> TryAgain:
    """A disk's files are no longer where the plan saw them."""
    return TryAgain(
        f"{run.vm.name}: {what} was moved to other storage while vmrep was reading it. vmrep will"
        " read it again."
    )


def _planned(run: JobRun) -> dict[int, str | None]:
    return {plan.source.device_key: plan.source.vmdk_path for plan in run.plans}


def _frozen(run: JobRun) -> dict[int, str | None] | None:
    """The files of the snapshot's disks, by device key; None when it is gone."""
    if run.snapshot is None:
        return {}
    try:
        disks = snapshots.disks(run.session, run.snapshot.moref)
    except ObjectGone:
        return None
    return {disk.device_key: disk.vmdk_path for disk in disks}
