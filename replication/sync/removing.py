"""Removing images that are in no recovery point, vmrep's snapshots, and what ended jobs left.

The rows say what there is: an image in state `deleting`, a snapshot that is not `removed`. A file
or snapshot that no row names is never touched here. Whoever calls holds the context's lease.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from django.db import transaction
from django.db.models.functions import Now

from contexts.models import VMContext
from contexts.services import refresh
from contexts.text import printable, storable
from contexts.vsphere import inventory, snapshots, tasks
from contexts.vsphere.errors import (
    FilesLeft,
    ObjectGone,
    PrivilegeMissing,
    TaskFailed,
    VmUnreadable,
    VSphereError,
)
from contexts.vsphere.records import SnapshotRecord, VmRecord
from contexts.vsphere.session import Session
from replication.engine.errors import EngineError
from replication.manifests import writing as manifests
from replication.models import DiskImage, VMSnapshot
from replication.services import job_log, leases, left_overs
from replication.states import (
    ImageState,
    SnapshotState,
)
from replication.storage.targets import target, visit
from replication.sync.guard import Guard

log = logging.getLogger(__name__)

# Freeing the blocks of a large file on a slow disk takes a while.
REMOVE_SECONDS = 60.0

_MAY_COME = (
    "vmrep requested it, but the VM does not have it. In case the request arrives late, vmrep will"
    " look for the snapshot for a few more minutes, and remove it if it appears."
)


class Holder(Protocol):
    """Who holds the context's lease."""

    guard: Guard

    def check(self) -> None: ...


class Writer(Holder, Protocol):
    """A job's attempt, or the clean-up run."""

    @property
    def removal_seconds(self) -> float:
        """How long it waits for vSphere to remove a snapshot."""

    @property
    def session(self) -> Session: ...


def discard_image(image: DiskImage, writer: Holder) -> None:
    """Remove an image that no recovery point needs: the file under either name, then the row. Of
    one that was merged only its digests are left: its file has another image's name.

    The names belong to a single attempt: if this worker is paused before it removes a file, or the
    storage makes it wait, nobody else has made another file of that name meanwhile. Raises
    EngineError, or DoesNotAnswer when the removal is left behind; then the row stays.
    """
    with transaction.atomic():
        # Whoever holds the lease by now may be continuing with this very file.
        leases.require(writer.guard.lease)
        DiskImage.objects.filter(pk=image.pk, state=ImageState.WRITING).update(
            state=ImageState.DELETING, updated_at=Now()
        )
    _tell_repository(image)
    visit(
        image.repository,
        "remove",
        partial(_remove_files, image, writer.guard),
        seconds=REMOVE_SECONDS,
        on_wait=writer.check,
    )
    DiskImage.objects.filter(pk=image.pk, state=ImageState.DELETING).delete()
    what = "unfinished file" if image.recovery_point_id is None else "removed recovery point’s file"
    job_log.write(image.job_id, image.attempt, f"Removed the {what} {image.locator}.")


def _tell_repository(image: DiskImage) -> None:
    """Before the file goes, the repository says that it is not needed. Should that fail, whoever
    takes the repository up finds it missing. Raises RepositoryIsNewer when it may be needed, by
    what this database does not know of."""
    context_id, repository = image.vm_context_id, image.repository
    manifests.require_known(context_id, repository)
    if image.recovery_point_id is not None:
        manifests.try_to_write(context_id, repository.pk)


def _remove_files(image: DiskImage, guard: Guard) -> None:
    storage = target(image.repository)
    for locator in (image.temporary_locator, image.locator):
        guard.check()
        storage.discard(locator)


def remove_snapshot(row: VMSnapshot, writer: Writer, *, answered: bool = False) -> None:
    """Remove one of vmrep's snapshots from its VM, by recorded name and reference, and wait.

    One that is not there but was requested only recently may still appear, from a worker that was
    paused or cut off: its row stays for a later check, unless vSphere has `answered`.
    Raises TaskStillRunning when vSphere is still removing it or working on another snapshot.
    """
    context = row.vm_context
    try:
        vm = _identified(context, writer.session)
    except ObjectGone:
        log.info("%s: the VM is gone, and with it the snapshot %s", context, row.name)
    else:
        await_running_tasks(writer.session, vm.moref, on_wait=writer.guard.check)
        was_there = take_away(row, vm.moref, writer)
        if not was_there and left_overs.may_still_appear(row) and not answered:
            VMSnapshot.objects.filter(pk=row.pk).update(problem=_MAY_COME, updated_at=Now())
            return
    VMSnapshot.objects.filter(pk=row.pk).update(
        state=SnapshotState.REMOVED, removed_at=Now(), problem="", updated_at=Now()
    )
    job_log.write(row.job_id, row.attempt, f"Removed the snapshot {row.name}.")


def take_away(row: VMSnapshot, vm_moref: str, writer: Writer) -> bool:
    """Remove what the VM has under the snapshot's recorded name, and wait. Returns whether it had
    any: several, where vSphere made some of which it said that they had failed.

    The name is enough, since the job's ID in it is random: the snapshots of a VM that was
    registered again have new references.
    """
    named = snapshots.named(writer.session, vm_moref, row.name)
    found = named or _not_listed(row, vm_moref, writer.session)
    for one in reversed(found):  # children first
        _found(row, one)
        writer.guard.check()
        snapshots.remove(
            writer.session,
            one.moref,
            on_wait=writer.guard.check,
            patience_seconds=writer.removal_seconds,
        )
    return bool(found)


def _identified(context: VMContext, session: Session) -> VmRecord:
    """The VM, whatever else of it cannot be read: a snapshot that stays fills its datastore."""
    try:
        return inventory.read_vm(session, context.vmware_vm_id, moref_hint=context.moref)
    except VmUnreadable as problem:
        if (problem.found.instance_uuid or "").lower() != context.vmware_vm_id.lower():
            raise
        return problem.found


def _found(row: VMSnapshot, found: SnapshotRecord) -> None:
    """Record that the snapshot exists, whatever happens to its removal."""
    VMSnapshot.objects.filter(pk=row.pk, state=SnapshotState.INTENDED).update(
        state=SnapshotState.CREATED, moref=found.moref, updated_at=Now()
    )


def _not_listed(row: VMSnapshot, vm_moref: str, session: Session) -> list[SnapshotRecord]:
    """The snapshot that a row refers to, where the VM has it, but does not list it."""
    if not row.moref or not snapshots.is_there(session, row.moref, vm_moref):
        return []
    if any(one.moref == row.moref for one in snapshots.tree(session, vm_moref)):
        return []  # listed by another name: not vmrep's
    return [SnapshotRecord(row.moref, row.name, None, None, None)]


def remove_returned(context: VMContext, record: VmRecord, writer: Writer) -> bool:
    """Remove snapshots that came back with their VM, which was gone when they were to be removed.

    Returns whether there were any; the record is then out of date.
    """
    names = [snapshot.name for snapshot in record.snapshots]
    rows = VMSnapshot.objects.filter(
        vm_context=context, state=SnapshotState.REMOVED, name__in=names
    ).select_related("vm_context")
    for row in rows:
        remove_snapshot(row, writer)
    return bool(rows)


def await_running_tasks(
    session: Session,
    vm_moref: str,
    on_wait: Callable[[], None],
    find: Callable[[Session, str], tasks.RunningTask | None] = snapshots.running_snapshot_task,
) -> bool:
    """Wait until a task (on snapshots, unless `find` finds others) that is still running ends,
    whoever began it and however it ends. Returns whether there was any.

    After a lost connection, a worker's death or a task that outlasted its wait, it may be vmrep's
    own: what exists is known only once it has ended. Raises TaskStillRunning when it does not end
    in OTHERS_SECONDS.
    """
    until = time.monotonic() + tasks.OTHERS_SECONDS
    waited = False
    while task := find(session, vm_moref):
        waited = True
        doing = f"Waiting for {task.operation}"
        try:
            tasks.wait_for_task(
                session, task.moref, doing, on_wait, patience_seconds=until - time.monotonic()
            )
        except (TaskFailed, ObjectGone, PrivilegeMissing) as outcome:
            log.info("%s of %s ended: %s", task.operation, vm_moref, printable(str(outcome)))
    return waited


def remove_left_overs(
    context: VMContext, writer: Writer, *, keep_job_id: str | None = None
) -> list[str]:
    """Remove everything that ended jobs left; returns messages about what could not be removed.

    `keep_job_id`: a job that has not ended; its next attempt needs its image and snapshot.
    """
    problems = []
    # Newest first: an image is removed before the one that it is based on.
    for image in (
        left_overs.images().filter(vm_context=context).select_related("repository").order_by("-id")
    ):
        if DiskImage.objects.filter(parent=image).exists():
            continue  # an image based on it could not be removed, which is already reported
        try:
            discard_image(image, writer)
        except EngineError as problem:
            why = storable(str(problem))
            problems.append(f"The file of {image.locator} could not be removed: {why}")
    tried = False
    for row in (
        VMSnapshot.objects.filter(vm_context=context)
        .exclude(state=SnapshotState.REMOVED)
        .exclude(job_id=keep_job_id or "")
        .select_related("vm_context")
    ):
        tried = True
        try:
            remove_snapshot(row, writer)
        except VSphereError as problem:
            why = storable(str(problem))
            VMSnapshot.objects.filter(pk=row.pk).update(problem=why, updated_at=Now())
            problems.append(f"The snapshot {row.name} could not be removed: {why}")
    if tried and not problems:
        problems += _consolidated(context, writer)
    return problems


def _consolidated(context: VMContext, writer: Writer) -> list[str]:
    """Merge what a removal left of the VM's disks. Returns what is known of what could not be
    merged."""
    try:
        record = _look(context, writer)
        needed = record.specs["consolidation_needed"]
    except ObjectGone:
        return []  # with its VM
    except VSphereError as problem:
        return [_unknown(problem)]
    if needed is None:
        return [_unknown(f"{record.name}: vSphere does not say whether it needs consolidation.")]
    if not needed:
        return []
    try:
        _merge(record, writer)
    except ObjectGone:
        return []
    except VSphereError as problem:
        return [
            f"The snapshot was removed, but it left files: {storable(str(problem))} The next"
            " replication consolidates the VM's disks first."
        ]
    try:
        _require_merged(_look(context, writer))
    except ObjectGone:
        return []
    except FilesLeft as problem:
        return [f"The snapshot was removed, but it left files: {storable(str(problem))}"]
    except VSphereError as problem:
        return [_unknown(problem)]
    return []


def _unknown(why: object) -> str:
    return (
        "The snapshot was removed, but vmrep could not check the VM for files that it left:"
        f" {storable(str(why))} The next replication checks again."
    )


def consolidate(context: VMContext, writer: Writer) -> VmRecord:
    """Merge any files that removed snapshots left, and record the VM as it is afterwards. Raises
    FilesLeft when some are still there, ObjectGone, TaskStillRunning and others.
    """
    record = _look(context, writer)
    if not record.specs["consolidation_needed"]:
        return record
    _merge(record, writer)
    return _require_merged(_look(context, writer))


def _look(context: VMContext, writer: Writer) -> VmRecord:
    """Read the VM again, and record it as it is."""
    record = inventory.read_vm(writer.session, context.vmware_vm_id, moref_hint=context.moref)
    refresh.refresh([(context, record)])
    return record


def _merge(record: VmRecord, writer: Writer) -> None:
    await_running_tasks(writer.session, record.moref, on_wait=writer.guard.check)
    writer.guard.check()
    snapshots.consolidate(
        writer.session,
        record.moref,
        on_wait=writer.guard.check,
        patience_seconds=writer.removal_seconds,
    )


def _require_merged(record: VmRecord) -> VmRecord:
    if record.specs["consolidation_needed"]:
        raise FilesLeft(
            f"{record.name}: vSphere consolidated the VM's disks, but they still need it. Look for"
            " another product that holds one of them, then consolidate them in vSphere (Snapshots,"
            " Consolidate)."
        )
    return record
