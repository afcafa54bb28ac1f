"""Whether a VM was reverted since a snapshot of vmrep's: what its snapshot tree tells.

When a VM is reverted, change tracking turns its sequence back, so that change IDs look valid but
are not. Only a revert to a snapshot that was there *before* vmrep's does harm: one that was made
later holds everything that vmrep's snapshot holds, and what tracking says since then stays true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from contexts.vsphere.records import SnapshotRecord

MOST_SNAPSHOTS = 256  # vSphere allows 32 in a row; a tree with more is not kept


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a VM's disks stood when vmrep took a snapshot.

    - `vm_moref`: the VM's reference; a VM that is registered again has another one.
    - `known_at`: when this was so, by the vCenter's clock: from vmrep's snapshot until then the VM
      was not taken back behind it.
    - `booted_at`: when the VM was powered on last; None while it is off, or when unknown.
    - `snapshots`: all that were there before vmrep's, in any order; None when that is not known.
    - `current`: the snapshot that the VM was on just before vmrep's; None for none.
    """

    vm_moref: str
    known_at: datetime | None = None
    booted_at: datetime | None = None
    snapshots: tuple[SnapshotRecord, ...] | None = ()
    current: str | None = None

    @property
    def line(self) -> list[str]:
        """The snapshots that vmrep's builds on, the nearest first."""
        return _line(self.current, {one.moref: one for one in self.snapshots or ()})


def as_of(
    own: str,
    tree: Iterable[SnapshotRecord],
    *,
    vm_moref: str,
    current: str | None,
    booted_at: datetime | None,
    now: datetime | None = None,
) -> Lineage:
    """The lineage at vmrep's snapshot `own`, from the VM's present tree and current snapshot.

    Unknown when the VM has left that snapshot's branch since, or when there are too many. `now`:
    just before they were read, by the vCenter's clock.
    """
    nodes = {one.moref: one for one in tree}
    mine = nodes.get(own)
    after = {one.moref for one in nodes.values() if own in _line(one.moref, nodes)}
    before = tuple(one for one in nodes.values() if one.moref not in after)
    is_known = mine is not None and current in after and len(before) <= MOST_SNAPSHOTS
    return Lineage(
        vm_moref=vm_moref,
        known_at=now,
        booted_at=booted_at,
        snapshots=before if is_known else None,
        current=mine.parent_moref if mine else None,
    )


def traces_of_a_revert(then: Lineage, now: Lineage) -> str:
    """Why the VM must have been reverted between two snapshots of vmrep's; empty when its tree
    does not tell. Completes "The VM was reverted: …".

    Without a revert the VM stays below the snapshot that it was on (or, where that was removed,
    below its nearest parent that is left), and each new snapshot is one that it is now below.
    """
    if then.snapshots is None or now.snapshots is None:
        return ""
    before = {one.moref: one for one in then.snapshots}
    present = {one.moref: one for one in now.snapshots}
    kept = {
        moref for moref, one in before.items() if moref in present and _same(one, present[moref])
    }
    expected = _nearest(then.current, before, kept)
    line = _line(now.current, present)
    if _nearest(now.current, present, kept) != expected:
        return f"it is now on the snapshot {_named(now.current, present)}"
    for moref in present.keys() - kept:
        if _nearest(moref, present, kept) != expected or moref not in line:
            return f"it left the snapshot {_named(moref, present)}, which was made since"
    return ""


def _same(one: SnapshotRecord, other: SnapshotRecord) -> bool:
    return None in (one.created_at, other.created_at) or one.created_at == other.created_at


def _line(moref: str | None, nodes: Mapping[str, SnapshotRecord]) -> list[str]:
    """A snapshot and what it builds on, down to the root."""
    found: list[str] = []
    while moref is not None and moref in nodes and moref not in found:
        found.append(moref)
        moref = nodes[moref].parent_moref
    return found


def _nearest(moref: str | None, nodes: Mapping[str, SnapshotRecord], kept: set[str]) -> str | None:
    return next((one for one in _line(moref, nodes) if one in kept), None)


def _named(moref: str | None, nodes: Mapping[str, SnapshotRecord]) -> str:
    found = nodes.get(moref) if moref is not None else None
    return f"“{found.name}”" if found is not None else "(none)"
