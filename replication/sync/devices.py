"""Which disks the snapshot holds, and which rows they belong to.

The VM can change between Prepare and the snapshot, or while a snapshot is kept for another attempt,
and a discovery may store an older reading. So neither the rows nor the present VM tell what is in
the snapshot; only the snapshot's own devices do.
"""

from __future__ import annotations

from dataclasses import replace

from contexts.models import VMDisk
from contexts.services.disks import matched
from contexts.services.refresh import disk_id
from contexts.vsphere import snapshots
from contexts.vsphere.preflight import unprotected_disks
from contexts.vsphere.records import DiskRecord
from replication.errors import TryAgain
from replication.sync import removing
from replication.sync.job_run import JobRun
from replication.sync.prepare import read_and_check_vm

Pairs = list[tuple[VMDisk, DiskRecord]]


def protected_disks(run: JobRun) -> Pairs:
    """Every disk that the snapshot protects, with its row, by device key.

    If rows and snapshot differ, the VM is read again, which refuses a disk that has become
    unprotected. If they still differ, the VM has changed since the snapshot: the snapshot is
    removed, and TryAgain raised.
    """
    frozen = snapshots.disks(run.session, run.taken_snapshot.moref)
    pairs, differences = _compare(run, frozen)
    if differences:
        read_and_check_vm(run)
        pairs, differences = _compare(run, frozen)
    if differences:
        removing.remove_snapshot(run.taken_snapshot, run)
        raise TryAgain(
            f"{run.vm.name}: its disks changed since the snapshot ({'; '.join(differences)})."
            " vmrep will take a new one."
        )
    return pairs


def _compare(run: JobRun, frozen: tuple[DiskRecord, ...]) -> tuple[Pairs, list[str]]:
    """The protected disks with their rows, and the differences in words."""
    unprotected = {
        disk.device_key: reason for disk, reason in unprotected_disks(replace(run.vm, disks=frozen))
    }
    rows, left = matched(run.context.disks.filter(removed_at=None), frozen)
    pairs, differences = [], []
    for source in sorted(frozen, key=lambda disk: disk.device_key):
        row = rows.get(source.device_key)
        if difference := _difference(row, source, unprotected.get(source.device_key)):
            differences.append(f"{source.label or disk_id(source.device_key)} {difference}")
        elif row is not None and source.device_key not in unprotected:
            pairs.append((row, source))
    # vSphere may leave out of a snapshot's devices what the snapshot does not hold.
    differences += [
        f"{row.label or row.disk_id} is not in the snapshot"
        for row in left
        if not row.unprotected_reason
    ]
    return pairs, differences


def _difference(row: VMDisk | None, source: DiskRecord, unprotected: str | None) -> str:
    """Empty when the row means this disk of the snapshot, and agrees on whether it is protected."""
    if row is None:
        return "is only in the snapshot"
    if unprotected and not (row.unprotected_reason and row.accept_unprotected):
        return unprotected
    if row.unprotected_reason and not unprotected:
        return f"now {row.unprotected_reason}"
    return ""
