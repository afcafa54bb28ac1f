"""Whether change tracking may be believed about what changed since a disk's last recovery point.

A change ID only says "since then" if the disk was never taken back. When a VM is reverted, vSphere
turns the number in its change IDs back, so that it may be lower than the last recovery point's,
equal or, after more snapshots, higher. In doubt the disk is compared whole.
"""

from __future__ import annotations

from functools import cache

from contexts.vsphere import events
from contexts.vsphere.lineage import Lineage, traces_of_a_revert
from contexts.vsphere.records import DiskRecord, SnapshotRecord
from replication.models import DiskImage, RecoveryPoint
from replication.sync.job_run import JobRun


class Trust:
    """What one attempt knows about the VM's way from its recovery points to its snapshot."""

    def __init__(self, run: JobRun, now: Lineage) -> None:
        self._run, self._now = run, now
        self._doubt_since = cache(self._of_point)

    def doubt(self, source: DiskRecord, parent: DiskImage) -> str:
        """Why tracking is not believed about the changes since `parent`; empty when it is."""
        if source.change_id is None:
            return "The disk has no change ID, because change tracking is off for it."
        if parent.change_id is None:
            return "The last recovery point was made without change tracking."
        if parent.capacity_bytes != source.capacity_bytes:
            return "The disk has grown."
        epoch, _, number = source.change_id.partition("/")
        old_epoch, _, old_number = parent.change_id.partition("/")
        if epoch != old_epoch:
            return "Change tracking was reset since the last recovery point."
        if not (number.isdecimal() and old_number.isdecimal()):
            return "Change tracking counts in a way that vmrep does not know."
        if int(number) < int(old_number):
            return (
                "Change tracking is older than the last recovery point: the VM was reverted, or its"
                " storage rolled back."
            )
        if reason := self._doubt_since(parent.recovery_point_id):
            return reason
        if int(number) == int(old_number) and not self._ran_on(parent.recovery_point):
            return (
                "Change tracking counts no snapshot since the last recovery point: the VM may have"
                " been reverted, or its storage rolled back."
            )
        return ""

    def _of_point(self, point_id: int) -> str:
        """As `doubt`, from what holds for the whole VM. Asked for once per recovery point."""
        point = RecoveryPoint.objects.get(pk=point_id)
        then = _lineage(point)
        if then.vm_moref and then.vm_moref != self._now.vm_moref:
            return "The VM was registered again since the last recovery point."
        if then.snapshots is None or self._now.snapshots is None:
            return "vmrep does not know which snapshots the VM could have been reverted to."
        if trace := traces_of_a_revert(then, self._now):
            return f"The VM was reverted since the last recovery point: {trace}."
        if then.snapshots:
            return self._from_events(point, then)
        return ""

    def _from_events(self, point: RecoveryPoint, then: Lineage) -> str:
        """For a VM that had snapshots to revert to: its tree may look the same afterwards."""
        reverted = (
            events.reverted_since(
                self._run.session, self._now.vm_moref, then.known_at, asked_at=point.consistent_at
            )
            if then.known_at is not None
            else None
        )
        if reverted is None:
            return (
                "The VM had snapshots at the last recovery point, and the vCenter's events do not"
                " tell whether it was reverted since."
            )
        if reverted:
            return (
                "The vCenter's events say that the VM was reverted since the last recovery point."
            )
        return ""

    def _ran_on(self, point: RecoveryPoint | None) -> bool:
        """Whether nothing can have been taken back: the VM has run without a break since before
        the recovery point, and had no snapshot to be reverted to."""
        if point is None:
            return False
        booted_at = self._now.booted_at
        return (
            booted_at is not None
            and booted_at == point.source_booted_at
            and point.snapshots_known is True
            and not point.source_snapshots.exists()
        )


def _lineage(point: RecoveryPoint) -> Lineage:
    """As the point recorded it. Earlier versions recorded none, and replicated no VM that had other
    snapshots."""
    rows = list(point.source_snapshots.all()) if point.snapshots_known else []
    return Lineage(
        vm_moref=point.source_moref,
        known_at=point.snapshot_taken_at,
        booted_at=point.source_booted_at,
        snapshots=None
        if point.snapshots_known is False
        else tuple(
            SnapshotRecord(row.moref, "", None, row.taken_at, row.parent_moref or None)
            for row in rows
        ),
        current=next((row.moref for row in rows if row.is_current), None),
    )
