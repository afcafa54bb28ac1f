"""Step 3: the snapshot that the disks are read from, recorded so that it is always removed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.vsphere import snapshots
from contexts.vsphere.errors import (
    ConnectionLost,
    ObjectGone,
    QuiesceFailed,
    SnapshotNotListed,
    TaskStillRunning,
    VSphereError,
)
from contexts.vsphere.records import DiskRecord
from replication.errors import PreflightRefused, ResourceFull, TryAgain
from replication.models import VMSnapshot
from replication.policies.effective import wish_to_quiesce
from replication.selectors import limits
from replication.selectors.protection import CLOCKS_MAY_DIFFER
from replication.selectors.replica import last_image
from replication.services import leases, places
from replication.services.group_results import FOR_A_STUN
from replication.states import QuiesceWish, SnapshotState, StepName
from replication.sync import removing
from replication.sync.job_run import JobRun, StepNote

QUIESCE_ATTEMPTS = 3
ONCE_MORE = "b"  # ends the name of the one that is taken because the first was only the stun
KEPT_FOR = timedelta(hours=24)  # an attempt does not reuse an older snapshot


def take_snapshot(run: JobRun) -> None:
    """Reuse the snapshot of an earlier attempt, or take a new one."""
    with run.step(StepName.SNAPSHOT) as note:
        run.snapshot = _earlier(run, note) or _new(run, note)
        if _was_only_the_stun(run):
            # Tracking begins at a stun, which the snapshot was: the next one has change IDs.
            removing.remove_snapshot(run.taken_snapshot, run)
            run.snapshot = _new(run, note, again=True)
            if _untracked(run):
                note.warn("A disk still has no change ID; it is read whole.")
        how = "quiesced" if run.taken_snapshot.quiesced else "crash-consistent"
        note.say(f"{run.taken_snapshot.name} ({how}).")


def _was_only_the_stun(run: JobRun) -> bool:
    """Whether another snapshot may give change IDs to disks that have none in this one. Whoever
    turned tracking on may be an attempt that was killed, or somebody else: what the snapshot holds
    counts. A disk whose last copy is from such another snapshot, and has none, is not tried again.
    """
    if run.taken_snapshot.name.endswith(ONCE_MORE):
        return False
    if not run.cbt_just_enabled and all(disk.change_id for disk in run.vm.disks):
        return False
    keys = [disk.device_key for disk in _untracked(run)]
    rows = run.context.disks.filter(removed_at=None, device_key__in=keys) if keys else []
    images = [last_image(row, run.job.repository_id) for row in rows]
    return (run.cbt_just_enabled and bool(keys)) or any(
        image is None or image.change_id is not None for image in images
    )


def _untracked(run: JobRun) -> list[DiskRecord]:
    disks = snapshots.disks(run.session, run.taken_snapshot.moref)
    return [disk for disk in disks if disk.change_id is None and disk.disk_mode == "persistent"]


def _earlier(run: JobRun, note: StepNote) -> VMSnapshot | None:
    """This job's snapshot from an interrupted attempt, if it exists and is recent."""
    left = VMSnapshot.objects.filter(job=run.job).exclude(state=SnapshotState.REMOVED)
    for row in left.order_by("-id"):
        if not row.name.endswith(FOR_A_STUN) and _is_usable(row, run):
            _admit(run, is_there=True)
            note.say("Reusing the snapshot of an earlier attempt.")
            return row
        removing.remove_snapshot(row, run)
    return None


def _is_usable(row: VMSnapshot, run: JobRun) -> bool:
    removing.await_running_tasks(run.session, run.vm.moref, on_wait=run.check)
    named = snapshots.named(run.session, run.vm.moref, row.name)
    if len(named) != 1 or (row.moref and named[0].moref != row.moref):
        return False  # of several, it is not known which was made when
    found = named[0]
    if row.state == SnapshotState.INTENDED:
        # The call's answer was lost, but it was carried out.
        _created(row, found.moref, bool(found.quiesced), found.created_at)
    now = database_now()
    # One dated in the future was recorded by a wrong clock: its age is unknown.
    return now - KEPT_FOR < row.consistent_at <= now + CLOCKS_MAY_DIFFER


def take_with_others(run: JobRun, all_ready: Callable[[], None]) -> None:
    """Take the snapshot at the moment at which `all_ready` returns: everything that may take long
    or may fail comes before. Raises what that raises, too."""
    with run.step(StepName.SNAPSHOT) as note:
        stunned = run.cbt_just_enabled or _lacks_change_ids(run)
        if stunned:
            # Tracking begins at a stun, and this snapshot may be the only one.
            stun(run)
        wanted = _wish(run)
        _admit(run)
        all_ready()
        run.snapshot = _begin(run, ONCE_MORE if stunned else "", quiesce=wanted, note=note)
        how = "quiesced" if run.taken_snapshot.quiesced else "crash-consistent"
        note.say(f"{run.taken_snapshot.name} ({how}).")


def remove_earlier(run: JobRun) -> bool:
    """Remove what attempts of this job that were killed left on the VM; returns whether there was
    anything. The VM has to be read again then."""
    left = list(VMSnapshot.objects.filter(job=run.job).exclude(state=SnapshotState.REMOVED))
    for row in left:  # the newest first
        removing.remove_snapshot(row, run)
    return bool(left)


def _lacks_change_ids(run: JobRun) -> bool:
    """Whether a disk has none that has had one, or was never copied."""
    keys = [d.device_key for d in run.vm.disks if not d.change_id and d.disk_mode == "persistent"]
    rows = run.context.disks.filter(removed_at=None, device_key__in=keys) if keys else []
    images = [last_image(row, run.job.repository_id) for row in rows]
    return any(image is None or image.change_id is not None for image in images)


def stun(run: JobRun) -> None:
    """Take a snapshot and remove it: what was switched in the VM's change tracking takes effect."""
    removing.remove_snapshot(_begin(run, FOR_A_STUN, quiesce=False), run)


def _new(run: JobRun, note: StepNote, *, again: bool = False) -> VMSnapshot:
    """Quiesced as the policies say. Raises as `_wish` and `_begin` do."""
    return _begin(run, ONCE_MORE if again else "", quiesce=_wish(run), note=note)


def _wish(run: JobRun) -> bool:
    """Whether to quiesce the guest. Raises PreflightRefused when the policies require it and it
    cannot be. A VM that is off is at rest anyway."""
    wish, can = wish_to_quiesce(run.context), bool(run.vm.tools_running)
    if wish == QuiesceWish.REQUIRED and not can and run.vm.text("power_state") != "poweredOff":
        raise PreflightRefused(
            f"{run.context}: its policy requires quiescing, and VMware Tools do not run in it."
            " Start them, or let its policy quiesce when possible."
        )
    return can and wish != QuiesceWish.NEVER


def _begin(run: JobRun, suffix: str, *, quiesce: bool, note: StepNote | None = None) -> VMSnapshot:
    """Record a snapshot, then take it. Quiescing needs the step's `note`. Raises ResourceFull when
    a datastore may have no more."""
    _admit(run)
    with transaction.atomic():
        leases.require(run.lease)
        row = VMSnapshot.objects.create(
            vm_context=run.context,
            job=run.job,
            attempt=run.job.attempt,
            name=f"vmrep:{run.job.pk}:{run.job.attempt}{suffix}",
            consistent_at=database_now(),
            quiesce_requested=quiesce,
        )
    try:
        if quiesce and note is not None:
            return _create_quiesced(run, row, note)
        return _create(run, row, quiesce=False)
    except (ConnectionLost, TaskStillRunning):
        raise  # it is not known yet whether vSphere makes it
    except VSphereError:
        # It can no longer appear.
        with contextlib.suppress(VSphereError):
            removing.remove_snapshot(row, run, answered=True)
        raise


def _admit(run: JobRun, *, is_there: bool = False) -> None:
    """Take a place on each datastore of the VM's disks, or on none; what the job has already
    counts. `is_there`: so does the snapshot. Raises ResourceFull."""
    names = {disk.datastore for disk in run.vm.disks if disk.datastore}
    wanted = [limits.datastore_snapshots(run.context.vcenter_id, name) for name in names]
    full = places.take_all(run.lease, run.job.pk, wanted, is_there=is_there)
    if full is not None:
        raise ResourceFull(limits.sentence(full), resource=full)


def _create_quiesced(run: JobRun, row: VMSnapshot, note: StepNote) -> VMSnapshot:
    """Quiesced, or after some failures without quiescing, unless that is required."""
    for number in range(1, QUIESCE_ATTEMPTS + 1):
        try:
            return _create(run, row, quiesce=True)
        except QuiesceFailed as problem:
            # vSphere may have made it nevertheless.
            removing.take_away(row, run.vm.moref, run)
            if number == QUIESCE_ATTEMPTS:
                if wish_to_quiesce(run.context) == QuiesceWish.REQUIRED:
                    raise
                note.warn(
                    f"The guest could not be quiesced in {QUIESCE_ATTEMPTS} attempts"
                    f" ({problem}); the recovery point is crash-consistent."
                )
    return _create(run, row, quiesce=False)


def _create(run: JobRun, row: VMSnapshot, *, quiesce: bool) -> VMSnapshot:
    run.check()
    row.consistent_at = database_now()
    VMSnapshot.objects.filter(pk=row.pk).update(consistent_at=row.consistent_at)
    snapshots.require_all_listed(run.session, run.vm.moref, run.vm.name)
    try:
        made = snapshots.create(
            run.session,
            run.vm.moref,
            row.name,
            f"Created by vmrep for {run.job.pk}. vmrep removes it when the replication ends.",
            quiesce,
            on_wait=run.guard.check,  # no cancel half-way: the snapshot would be nobody's
        )
    except SnapshotNotListed as problem:
        # It is removed by its reference, so that none piles up where nobody sees it.
        _created(row, problem.moref, quiesced=False, taken_at=None)
        raise
    except ObjectGone as problem:
        # A vCenter that was restarted no longer knows the task; the snapshot may be there.
        # If it is the VM that is gone, the next attempt's Prepare says so.
        raise TryAgain(f"{run.vm.name}: {problem} vmrep will check again.") from problem
    _created(row, made.moref, bool(made.quiesced_achieved), made.taken_at)
    return row


def _created(row: VMSnapshot, moref: str, quiesced: bool, taken_at: datetime | None) -> None:
    row.state, row.moref, row.quiesced = SnapshotState.CREATED, moref, quiesced
    VMSnapshot.objects.filter(pk=row.pk).update(
        state=row.state, moref=moref, quiesced=quiesced, taken_at=taken_at, updated_at=Now()
    )
