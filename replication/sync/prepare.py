"""Steps 1 and 2: read the VM, check that it can be protected, turn on change tracking."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.services import identity, refresh
from contexts.vsphere import cbt, inventory
from contexts.vsphere.errors import ObjectGone, TaskFailed, VmUnreadable
from contexts.vsphere.preflight import refusals
from contexts.vsphere.records import VmRecord
from replication import messages
from replication.errors import PreflightRefused, RemovalUnfinished, ResourceFull, TryAgain
from replication.manifests import writing as manifests
from replication.models import VMSnapshot
from replication.retention import run as retention
from replication.retention.standing import MOST_IMAGES
from replication.services import left_overs
from replication.services.group_results import FOR_A_STUN
from replication.states import SnapshotState, StepName, SyncRequest
from replication.sync import reading, removing, room, verdict
from replication.sync.job_run import JobRun, StepNote
from replication.sync.snapshot import stun

SHORTENED_WITHIN = timedelta(minutes=10)
"""How long a job waits for recovery points to be removed from a chain that is full."""


def prepare(run: JobRun, *, reads: bool = True) -> None:
    """Clean up after earlier jobs, refresh the context, refuse a VM that cannot be protected.

    `reads`: this attempt reads the disks, and needs a place on their host for that."""
    with run.step(StepName.PREPARE) as note:
        identity.require_confirmed(run.context)
        manifests.require_known(run.context.pk, run.job.repository)
        run.session.connect()
        _end_removals(run, note)
        for problem in removing.remove_left_overs(run.context, run, keep_job_id=run.job.pk):
            note.warn(problem)
        run.record = _read(run)
        _require_no_left_over_snapshot(run)
        if removing.remove_returned(run.context, run.record, run):
            run.record = _read(run)
        _consolidate(run, note)
        _refresh(run)
        room.require(run)
        try:
            reading.before_snapshot(run)
        except ResourceFull:
            if reads:
                raise
        if not reads:
            run.seats.need_no_place()


def _end_removals(run: JobRun, note: StepNote) -> None:
    """Finish the removal of a recovery point that somebody began. Raises RemovalUnfinished where
    the files of a chain may not be what its rows say until then, and while a chain that is full is
    going to be shortened."""
    here = run.job.repository_id
    if problem := retention.resume(run.context, here, run):
        if retention.must_end_first(run.context, here):
            raise RemovalUnfinished(
                f"{run.context.vm_name}: a recovery point could not be removed completely, and its"
                f" disks' files may not be read before: {problem}"
            )
        note.warn(f"A recovery point could not be removed: {problem}")
    waited = database_now() - (run.job.started_at or run.job.created_at)
    if waited < SHORTENED_WITHIN and retention.will_be_shortened(run.context, here):
        messages.hint_retention()
        raise RemovalUnfinished(
            f"{run.context.vm_name}: its chain has {MOST_IMAGES} images, and recovery points are"
            f" to be removed from it first. After {SHORTENED_WITHIN.total_seconds() / 60:.0f}"
            " minutes the disks are copied in full into a new chain."
        )


def _consolidate(run: JobRun, note: StepNote) -> None:
    """Merge what removed snapshots, vmrep's or others', left of the VM's disks. Until then the
    files are not what they seem."""
    if not run.vm.specs["consolidation_needed"]:
        return
    try:
        run.record = removing.consolidate(run.context, run)
    except TaskFailed as problem:
        raise TryAgain(
            f"{run.vm.name}: a removed snapshot has left files behind, and they could not be"
            f" consolidated: {problem} Look for another product that holds one of the VM's disks,"
            " then consolidate them in vSphere (Snapshots, Consolidate)."
        ) from problem
    note.say("Files that a removed snapshot had left were consolidated.")


def read_and_check_vm(run: JobRun) -> None:
    """Read the VM again, then refresh and check it as in Prepare. Raises PreflightRefused, and
    TryAgain where Prepare has to consolidate its disks first."""
    run.record = _read(run)
    if run.vm.specs["consolidation_needed"]:
        raise TryAgain(
            f"{run.vm.name}: a snapshot that was removed meanwhile has left files behind. vmrep"
            " will consolidate them."
        )
    _refresh(run)


def _refresh(run: JobRun) -> None:
    refresh.refresh([(run.context, run.vm)])
    _preflight(run)


def _require_no_left_over_snapshot(run: JobRun) -> None:
    """Refuse a new snapshot while one of ours could not be removed: snapshots would pile up on the
    VM, and the disks' files are not what the guest sees. Raises TaskStillRunning while vSphere is
    removing one, which only takes time."""
    left = VMSnapshot.objects.filter(vm_context=run.context).exclude(state=SnapshotState.REMOVED)
    for row in left.exclude(job=run.job).order_by("id"):
        if left_overs.may_still_appear(row):
            continue  # it is not there; should it appear, the next job removes it
        removing.await_running_tasks(run.session, run.vm.moref, on_wait=run.check)
        raise TryAgain(
            f"{run.context.vm_name}: vmrep could not remove the snapshot {row.name} of an earlier"
            f" replication ({row.problem}), so it takes no new one. If this continues, remove the"
            " snapshot in vSphere (Snapshots, Delete), then replicate again."
        )


def _read(run: JobRun) -> VmRecord:
    """The present state of the VM. Raises VMGone or IdentityChanged when it is not there."""
    context = run.context
    try:
        record = inventory.read_vm(run.session, context.vmware_vm_id, moref_hint=context.moref)
    except ObjectGone as problem:
        raise identity.not_found(context, problem) from problem
    except VmUnreadable as problem:
        identity.unreadable(context, problem.found)
        raise
    identity.seen(context, record)
    return record


def _preflight(run: JobRun) -> None:
    own = VMSnapshot.objects.filter(vm_context=run.context).exclude(state=SnapshotState.REMOVED)
    accepted = run.context.disks.filter(removed_at=None, accept_unprotected=True)
    found = refusals(
        run.vm,
        own_snapshots={row.name for row in own} | {row.moref for row in own if row.moref},
        transport=run.context.vcenter.transport,
        accepted_unprotected={str(disk.device_key) for disk in accepted},
    )
    if found:
        verdict.require_no_others_snapshot(run, found)
        verdict.require_no_absence(run, found)
        raise PreflightRefused(
            f"{run.vm.name} cannot be replicated. "
            + " ".join(f"{refusal.reason} {refusal.remedy}" for refusal in found)
        )


def tracking(run: JobRun) -> None:
    """Turn changed block tracking on if it is off; it takes effect with the snapshot."""
    with run.step(StepName.TRACKING) as note:
        if run.job.requested_sync == SyncRequest.RESET_CBT and _may_reset(run):
            _reset(run)
            note.say("Changed block tracking was reset.")
            return
        if run.vm.specs["cbt_enabled"]:
            note.say("Changed block tracking is on.")
            return
        # A task of an earlier attempt may still be running.
        if removing.await_running_tasks(
            run.session, run.vm.moref, run.check, find=cbt.running_reconfiguration
        ):
            read_and_check_vm(run)
        run.check()
        if not run.vm.specs["cbt_enabled"]:
            cbt.enable(run.session, run.vm.moref, on_wait=run.check)
        run.cbt_just_enabled = True
        _note_tracked(run)
        note.say("Changed block tracking was turned on.")


def _note_tracked(run: JobRun) -> None:
    """The VM was read before tracking was turned on, and is read again only by the next job."""
    stale = VMContext.objects.filter(pk=run.context.pk).exclude(cbt_enabled=True)
    stale.update(cbt_enabled=True, updated_at=Now())


def _may_reset(run: JobRun) -> bool:
    """Whether tracking is still to be reset: not once the job has the snapshot that it reads from.
    A killed attempt may have left its stun's snapshot, which is removed first."""
    mine = VMSnapshot.objects.filter(job=run.job).exclude(state=SnapshotState.REMOVED)
    for row in mine:
        if not row.name.endswith(FOR_A_STUN):
            return False
        removing.remove_snapshot(row, run)
    return True


def _reset(run: JobRun) -> None:
    """Off, a stun, on; the job's own snapshot is the stun at which tracking begins again. Wherever
    this is killed, the next attempt (or the next job, which turns tracking on) can repeat it.
    Raises PreflightRefused while the VM has snapshots."""
    read_and_check_vm(run)  # the snapshot of a killed attempt's stun is gone meanwhile
    if run.vm.snapshots:
        names = ", ".join(f"“{one.name}”" for one in run.vm.snapshots[:5])
        raise PreflightRefused(
            f"{run.vm.name} has snapshots ({names}), so its change tracking cannot be reset:"
            " tracking that is turned on while there are snapshots may give wrong answers without"
            " an error. Remove them, then reset it."
        )
    removing.await_running_tasks(
        run.session, run.vm.moref, run.check, find=cbt.running_reconfiguration
    )
    run.check()
    cbt.disable(run.session, run.vm.moref, on_wait=run.check)
    stun(run)
    run.check()
    cbt.enable(run.session, run.vm.moref, on_wait=run.check)
    run.cbt_just_enabled = True
    _note_tracked(run)
