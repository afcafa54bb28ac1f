"""Types of datastores: what each is called, and which files of a VM it gives over HTTPS.

Estates differ in which files of a running VM they refuse. Unless a scenario says otherwise, a
datastore is as strict as the strictest that has been reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DatastoreType:
    """What a datastore of this type is, and does.

    - `shown`: `summary.type`.
    - `held`: of a running VM's disk, which files are refused with HTTP 500: its whole chain, only
      the file that the guest writes into, or none.
    - `objects`: disks are objects with a URL of this scheme, not files; only descriptors are.
    - `delta_format`, `delta_extent`: how a snapshot's disk is written, in the API and in its
      descriptor (`createType` and the extent's type)."""

    shown: str
    held: Literal["chain", "current", "nothing"]
    objects: str = ""
    delta_format: str = "seSparseFormat"
    delta_extent: tuple[str, str] = ("seSparse", "SESPARSE")


TYPES = {
    # Version 6: "Device or resource busy", even for the parents of a snapshot.
    "vmfs": DatastoreType("VMFS", held="chain"),
    # Estates where hosts serve the parents of a snapshot.
    "vmfs_lenient": DatastoreType("VMFS", held="current"),
    "nfs": DatastoreType("NFS", held="nothing"),
    "vsan": DatastoreType(
        "vsan",
        held="chain",
        objects="vsan",
        delta_format="vsanSparseFormat",
        delta_extent=("vsanSparse", "VSANSPARSE"),
    ),
    "vvol": DatastoreType(
        "VVOL",
        held="chain",
        objects="vvol",
        delta_format="nativeFormat",
        delta_extent=("vmfs", "VMFS"),
    ),
}
