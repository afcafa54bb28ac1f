"""Whether a VM's devices, which are most of what there is to read, have to be read again."""

from __future__ import annotations

import hashlib

from contexts.vsphere.names import Places
from contexts.vsphere.pages import Found
from contexts.vsphere.records import SnapshotRecord

# With one of these unknown, nothing tells that the devices are the same.
_TELL_OF_DEVICES = (
    "config.changeVersion",
    "config.instanceUuid",
    "config.files.vmPathName",
    "runtime.powerState",
)
_MAY_TELL_OF_DEVICES = (
    "summary.config.numVirtualDisks",
    "summary.config.numEthernetCards",
    "config.changeTrackingEnabled",
    "config.template",
    "config.version",
    "runtime.connectionState",
    "runtime.consolidationNeeded",
    "runtime.host",
)


def devices_version(
    found: Found, places: Places, snapshots: tuple[SnapshotRecord, ...]
) -> str | None:
    """A name for the state of a VM's devices, without reading them.

    vSphere changes `config.changeVersion` with the configuration. vmrep does not rely on that
    alone: the name also has what is known without the devices and mostly changes with them, and
    the names of datastores and networks, which are part of the devices and may change while the
    VM stays as it is. None, which is never the same, if vSphere does not deliver the version or
    one of `_TELL_OF_DEVICES`.
    """
    read = found.properties
    if not read.get("config.changeVersion") or any(path not in read for path in _TELL_OF_DEVICES):
        return None
    around = [ref._moId for path in ("datastore", "network") for ref in read.get(path) or ()]
    told = [
        found.moref,
        *(str(read[path]) for path in _TELL_OF_DEVICES),
        *((moref, places.names.get(moref), places.datastore_types.get(moref)) for moref in around),
        *(snapshot.moref for snapshot in snapshots),
        *(str(read.get(path)) for path in _MAY_TELL_OF_DEVICES),
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()
