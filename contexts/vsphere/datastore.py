"""Files of a datastore over HTTPS (/folder): finding the file that holds a disk's bytes.

The URL is described in "Programming Guide for vSphere Web Services SDK", HTTP access to datastores:
https://<host>/folder/<path>?dcPath=<datacenter path>&dsName=<datastore>.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import quote

from contexts.vsphere.errors import (
    ConnectionLost,
    DatastoreReadFailed,
    DiskNotReadable,
    DiskReplaced,
    ObjectGone,
    PrivilegeMissing,
    SessionExpired,
)
from contexts.vsphere.faults import translating
from contexts.vsphere.inventory import places_above
from contexts.vsphere.names import may_be_same_disk, parent_of
from contexts.vsphere.records import DiskRecord
from contexts.vsphere.session import Session
from contexts.vsphere.texts import cut

_DESCRIPTOR_LIMIT_BYTES = 64 << 10
_PROBE_BYTES = 512
_MOST_SHOWN = 200
_SECTOR_BYTES = 512
_EXTENT = re.compile(r'^\s*(RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)"(?:\s+(\d+))?)?')
_DISK_UUID = re.compile(r'^\s*ddb\.uuid\s*=\s*"([^"]*)"', flags=re.MULTILINE)
_NO_PARENT = "ffffffff"


@dataclass(frozen=True, slots=True)
class DatastoreFile:
    """A file that holds exactly a disk's bytes.

    `target` is path and query of its URL, every part encoded, ready for a request line.
    """

    target: str
    size_bytes: int


def datacenter_path(session: Session, vm_moref: str) -> str | None:
    """The dcPath of a VM: its datacenter with the folders above, names as in vSphere.

    "ha-datacenter" on a lone ESXi. None when the account may not see all of it.
    """
    vm, places = places_above(session, f"Reading where {vm_moref} is", vm_moref)
    return places.place(None, parent_of(vm.properties)).datacenter_path


def locate(session: Session, disk: DiskRecord, datacenter_path: str | None) -> DatastoreFile:
    """The file with the bytes of a snapshot's disk: its descriptor is read and understood.

    Only a single flat extent of exactly the disk's size is accepted, in a descriptor that bears the
    disk's UUID or no UUID at all. Raises DiskNotReadable for any other format (delta, sparse, raw
    mapping, several files), DiskReplaced, DatastoreReadFailed, ObjectGone, PrivilegeMissing,
    ConnectionLost.
    """
    doing = f"Reading the descriptor of {disk.label or disk.device_key} ({disk.vmdk_path})"
    datastore, parts = _split(disk)
    body = _get(session, _target(datastore, parts, datacenter_path), doing)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DiskNotReadable(f"{doing}: it is not a text file in UTF-8.") from error
    name = _flat_extent(text, disk, doing)
    _require_same_disk(text, disk, doing)
    return DatastoreFile(
        _target(datastore, [*parts[:-1], name], datacenter_path), disk.capacity_bytes
    )


def probe(session: Session, file: DatastoreFile) -> None:
    """Read the file's first sector: some estates refuse the file of a running VM.

    Raises as `locate` does when the bytes cannot be read, or the file has another size.
    """
    doing = f"Trying to read {file.target}"
    body = _get(session, file.target, doing, whole_of=file.size_bytes)
    if len(body) != min(_PROBE_BYTES, file.size_bytes):
        raise DatastoreReadFailed(
            f"{doing}: {len(body)} bytes came instead of {_PROBE_BYTES}.", status=206
        )


# ------------------------------------------------------------------ names and URLs


def _split(disk: DiskRecord) -> tuple[str, list[str]]:
    """Datastore and path parts of "[datastore] folder/name.vmdk"."""
    found = re.fullmatch(r"\[([^\]]+)\]\s*(.+)", disk.vmdk_path or "", flags=re.DOTALL)
    parts = found[2].split("/") if found else []
    if not found or any(part in ("", ".", "..") for part in parts):
        raise DiskNotReadable(
            f"{disk.label or disk.device_key}: the datastore transport cannot read its file name "
            f"{disk.vmdk_path!r}."
        )
    return found[1], parts


def _target(datastore: str, parts: list[str], datacenter_path: str | None) -> str:
    path = "/".join(quote(part, safe="") for part in parts)
    where = f"dcPath={quote(datacenter_path, safe='')}&" if datacenter_path else ""
    return f"/folder/{path}?{where}dsName={quote(datastore, safe='')}"


# ------------------------------------------------------------------ the descriptor


def _flat_extent(text: str, disk: DiskRecord, doing: str) -> str:
    """The name of the one flat extent, beside the descriptor."""
    if not text.lstrip().startswith("# Disk DescriptorFile"):
        raise DiskNotReadable(f"{doing}: it is not a disk descriptor.")
    parent = re.search(r'^\s*parentCID\s*=\s*"?([0-9A-Fa-f]+)', text, flags=re.MULTILINE)
    if parent and parent[1].lower() != _NO_PARENT:
        raise DiskNotReadable(
            f"{doing}: the disk is a delta on another disk (snapshot or linked clone), and the "
            "datastore transport cannot combine them. Remove the snapshots, or make a full clone."
        )
    extents = [found for line in text.splitlines() if (found := _EXTENT.match(line))]
    if len(extents) != 1 or extents[0][3].upper() not in ("VMFS", "FLAT"):
        kinds = cut(", ".join(extent[3] for extent in extents), _MOST_SHOWN) or "none"
        raise DiskNotReadable(
            f"{doing}: its extents are: {kinds}. The datastore transport only reads disks with a "
            "single flat file: convert the disk (storage vMotion or a clone)."
        )
    return _checked_name(extents[0], disk, doing)


def _require_same_disk(text: str, disk: DiskRecord, doing: str) -> None:
    said = _DISK_UUID.search(text)
    if not may_be_same_disk(said[1] if said else None, disk.disk_uuid):
        raise DiskReplaced(
            f"{doing}: it is the descriptor of another disk (UUID "
            f"{cut(said[1], _MOST_SHOWN) if said else ''}, not {disk.disk_uuid}). vmrep will look"
            " for it again; if this continues, the file was replaced outside vSphere: register"
            " the VM again, so that vSphere knows its disks."
        )


def _checked_name(extent: re.Match[str], disk: DiskRecord, doing: str) -> str:
    size_bytes, name, offset = int(extent[2]) * _SECTOR_BYTES, extent[4] or "", extent[5]
    if "/" in name or name in ("", ".", "..") or int(offset or 0):
        raise DiskNotReadable(
            f"{doing}: its extent {cut(name, _MOST_SHOWN)!r} is not a file beside it."
        )
    if size_bytes != disk.capacity_bytes:
        raise DiskNotReadable(
            f"{doing}: its file has {size_bytes} bytes, but the disk {disk.capacity_bytes}. Was it "
            "resized just now? Try again."
        )
    return name


# ------------------------------------------------------------------ HTTP


def _get(session: Session, target: str, doing: str, whole_of: int | None = None) -> bytes:
    """A small file, or with `whole_of` (its size) its first sector. Asks again once after a 401."""
    try:
        return _get_once(session, target, doing, whole_of)
    except SessionExpired:
        session.renew()
        return _get_once(session, target, doing, whole_of)


def _get_once(session: Session, target: str, doing: str, whole_of: int | None) -> bytes:
    headers = session.cookie_headers()
    if whole_of is not None:
        headers["Range"] = f"bytes=0-{min(_PROBE_BYTES, whole_of) - 1}"
    connection = session.https_connection()
    with translating(doing):
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            _check(answer, doing, whole_of)
            limit = _DESCRIPTOR_LIMIT_BYTES if whole_of is None else _PROBE_BYTES
            body = answer.read(limit + 1)
            if answer.length and len(body) <= limit:
                raise ConnectionLost(f"{doing}: the answer was cut off. vmrep will retry.")
        finally:
            connection.close()
    if len(body) > limit:
        raise DiskNotReadable(f"{doing}: it is over {limit} bytes, so it is not a descriptor.")
    return body


def _check(answer: HTTPResponse, doing: str, whole_of: int | None) -> None:
    status = answer.status
    if status == 401:
        raise SessionExpired(f"{doing}: the server did not accept the login (HTTP 401).")
    if status == 403:
        raise PrivilegeMissing(
            f"{doing}: the account may not read files of this datastore (HTTP 403). Give its role "
            "Datastore.Browse and Datastore.FileManagement on the datastore.",
            privilege="Datastore.FileManagement",
        )
    if status == 404:
        raise ObjectGone(f"{doing}: the file does not exist (HTTP 404). Was the VM moved?")
    if 300 <= status < 400:
        raise DatastoreReadFailed(
            f"{doing}: the server redirects elsewhere (HTTP {status}), and vmrep does not follow "
            "redirects. Add the host itself as a vCenter, and replicate the VM from there.",
            status=status,
        )
    if status != (200 if whole_of is None else 206):
        raise DatastoreReadFailed(
            f"{doing}: the server answers HTTP {status}. Some estates refuse the files of running "
            "VMs over HTTPS: add the VM's ESXi host itself as a vCenter, and replicate from there.",
            status=status,
            transient=status in (429, 502, 503, 504),
        )
    if whole_of is not None:
        _check_size(answer, doing, whole_of)


def _check_size(answer: HTTPResponse, doing: str, whole_of: int) -> None:
    total = (answer.getheader("Content-Range") or "").rpartition("/")[2]
    if total != str(whole_of):
        found = total[:20] or "an unknown number of"
        raise DatastoreReadFailed(
            f"{doing}: the file has {found} bytes instead of {whole_of}.",
            status=answer.status,
        )
