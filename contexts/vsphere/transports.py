"""How a disk's bytes leave vSphere: what each transport can read, and the words for it.

Nothing else knows. A rule that depends on the transport asks here, and a new transport is one more
row of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contexts.vsphere.records import DiskRecord

_OVER_NFC = "Read this vCenter's disks over NFC (its transport: NFC or auto)"
_MOVE = (
    f"{_OVER_NFC}, move the disk to a VMFS or NFS datastore (storage vMotion), or leave the VM out"
    " for now."
)
_MAKE_FLAT = (
    "Convert it to an ordinary disk (storage vMotion or a clone), or leave the VM out for now."
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a transport cannot read a disk: completes "Hard disk 1 …", a few words for a list, and
    what would change it."""

    reason: str
    summary: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Transport:
    """What one transport can read. `name` goes into sentences; "read over `place`".

    - `reads_behind_snapshots`: it reads the state that vmrep's own snapshot froze even if the VM
      has other snapshots. Otherwise it reads base files, which are then older than the disk.
    - `datastores_without`: types of datastores (lower case) that it does not reach, with the name
      that people know.
    - `backings`: the only kinds of backing that it reads; None for all.
    - `candidates`: what it stands for, the best first: codes of others that are tried one after the
      other, or its own alone.
    - `needs_place`: what is read takes some of the few disk sessions that an ESXi host has.
    - `reads_encrypted`, `reads_deltas`: disks that are encrypted, or are deltas on another disk.
    """

    code: str
    name: str
    reads_behind_snapshots: bool
    datastores_without: Mapping[str, str] = field(default_factory=dict)
    backings: frozenset[str] | None = None
    reads_encrypted: bool = True
    reads_deltas: bool = True
    needs_place: bool = False
    first_of: tuple[str, ...] = ()
    place: str = ""

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.first_of or (self.code,)

    def why_unreadable(self, disk: DiskRecord, *, has_snapshots: bool) -> Unreadable | None:
        """None when it can read the disk. `has_snapshots`: the VM has some, and its disks are
        deltas because of them; `reads_behind_snapshots` covers that case."""
        kind = self.datastores_without.get((disk.datastore_type or "").lower())
        if kind is not None:
            return Unreadable(f"is on a {kind} datastore", f"disk on {kind}", _MOVE)
        if self.backings is not None and disk.backing_type not in self.backings:
            backing = disk.backing_type or "unknown backing"
            return Unreadable(
                f"has no flat file ({backing})", f"disk without a flat file ({backing})", _MAKE_FLAT
            )
        if disk.encrypted and not self.reads_encrypted:
            return Unreadable(
                "is encrypted", "encrypted disk", "Decrypt the disk, or leave the VM out for now."
            )
        if (
            disk.has_parent
            and not has_snapshots
            and not disk.is_beside_its_base  # what a removal left: it needs consolidation
            and not self.reads_deltas
        ):
            return Unreadable(
                "is a delta on another disk (linked clone)",
                "linked clone",
                f"{_OVER_NFC}, make it a full clone, or leave the VM out for now.",
            )
        return None


_TABLE = (
    Transport(
        "auto",
        "NFC or datastore files",
        reads_behind_snapshots=True,  # over NFC
        first_of=("nfc", "datastore"),
    ),
    Transport(
        "datastore",
        "the datastore transport",
        reads_behind_snapshots=False,
        place="/folder",
        datastores_without={"vsan": "vSAN", "vsand": "vSAN", "vvol": "vVol"},
        backings=frozenset({"flat"}),
        reads_encrypted=False,
        reads_deltas=False,
    ),
    Transport(
        "nfc",
        "NFC",
        reads_behind_snapshots=True,  # a host serves any link of a chain
        backings=frozenset({"flat"}),
        reads_encrypted=False,
        needs_place=True,
        place="NFC",
    ),
    # Whatever the administrator's command reads; it has its own ways of refusing.
    Transport("nbd", "the NBD command", reads_behind_snapshots=True, needs_place=True, place="NBD"),
)
TRANSPORTS: Mapping[str, Transport] = {transport.code: transport for transport in _TABLE}
