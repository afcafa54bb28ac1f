"""Files of a datastore over HTTPS (/folder): finding the file that holds a disk's bytes.

The URL is described in "Programming Guide for vSphere Web Services SDK", HTTP access to datastores:
https://<host>/folder/<path>?dcPath=<datacenter path>&dsName=<datastore>.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http.client import HTTPResponse
from urllib.parse import quote

from contexts.vsphere import descriptors, paths
from contexts.vsphere.descriptors import Descriptor, Extent, NotADescriptor
from contexts.vsphere.errors import (
    ConnectionLost,
    DatastoreReadFailed,
    DiskNotReadable,
    DiskReplaced,
    ObjectGone,
    PrivilegeMissing,
    SessionExpired,
    VSphereError,
)
from contexts.vsphere.faults import translating
from contexts.vsphere.inventory import place_of_datastore, places_above
from contexts.vsphere.names import may_be_same_disk, parent_of
from contexts.vsphere.records import DiskRecord
from contexts.vsphere.session import Session
from contexts.vsphere.texts import cut

_PROBE_BYTES = 512
_MOST_SHOWN = 200
_SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class DatastoreFolder:
    """A folder on a datastore; names as in vSphere. `datacenter_path` is None where it is unknown:
    the server then takes the only datacenter that it has."""

    datastore: str
    parts: tuple[str, ...]
    datacenter_path: str | None

    def target(self, file_name: str) -> str:
        """Path and query of a file's URL, every part encoded, ready for a request line."""
        return self._at("/".join(quote(part, safe="") for part in (*self.parts, file_name)))

    @property
    def datastore_target(self) -> str:
        """The same for the datastore's own list of files."""
        return self._at("")

    def _at(self, path: str) -> str:
        datacenter = self.datacenter_path
        where = f"dcPath={quote(datacenter, safe='')}&" if datacenter else ""
        return f"/folder/{path}?{where}dsName={quote(self.datastore, safe='')}"

    def __str__(self) -> str:
        inside = f" in the datacenter “{self.datacenter_path}”" if self.datacenter_path else ""
        return f"the datastore “{self.datastore}”{inside}"


@dataclass(frozen=True, slots=True)
class DatastoreFile:
    """A file that holds exactly a disk's bytes. `target` is as in `DatastoreFolder`."""

    target: str
    size_bytes: int
    folder: DatastoreFolder


def datacenter_path(session: Session, vm_moref: str) -> str | None:
    """The dcPath of a VM: its datacenter with the folders above, names as in vSphere.

    "ha-datacenter" on a lone ESXi. None when the account may not see all of it.
    """
    vm, places = places_above(session, f"Reading where {vm_moref} is", vm_moref)
    return places.place(None, parent_of(vm.properties)).datacenter_path


def locate(session: Session, disk: DiskRecord, datacenter_path: str | None) -> DatastoreFile:
    """The file with the bytes of a snapshot's disk: its descriptor is read and understood.

    `datacenter_path`: the VM's; it is used when the account does not see that of the disk's
    datastore. Only a single flat extent of exactly the disk's size is accepted, in a descriptor
    that bears the disk's UUID or no UUID at all. Raises DiskNotReadable for any other format
    (delta, sparse, raw mapping, several files), DiskReplaced, DatastoreReadFailed, ObjectGone,
    PrivilegeMissing, ConnectionLost.
    """
    doing = f"Reading the descriptor of {disk.label or disk.device_key} ({disk.vmdk_path})"
    folder, file_name = _folder(session, disk, datacenter_path)
    body = _get(session, folder.target(file_name), doing, folder=folder)
    try:
        descriptor = descriptors.read(body)
    except NotADescriptor as problem:
        raise DiskNotReadable(
            f"{doing}: the file {problem}. Convert the disk (storage vMotion or a clone): that"
            " writes a new one."
        ) from problem
    extent = _flat_extent(descriptor, disk, doing)
    _require_same_disk(descriptor, disk, doing)
    return DatastoreFile(folder.target(extent), disk.capacity_bytes, folder)


def probe(session: Session, file: DatastoreFile) -> None:
    """Read the file's first sector: some estates refuse the file of a running VM.

    Raises as `locate` does when the bytes cannot be read, or the file has another size.
    """
    doing = f"Trying to read {file.target}"
    body = _get(session, file.target, doing, folder=file.folder, whole_of=file.size_bytes)
    if len(body) != min(_PROBE_BYTES, file.size_bytes):
        raise DatastoreReadFailed(
            f"{doing}: {len(body)} bytes came instead of {_PROBE_BYTES}.", status=206
        )


# ------------------------------------------------------------------ names and URLs


def _folder(
    session: Session, disk: DiskRecord, datacenter_path: str | None
) -> tuple[DatastoreFolder, str]:
    """The folder with the disk's files, and its descriptor's name."""
    name, path = disk.datastore, datacenter_path
    if disk.datastore_moref is not None:
        doing = f"Reading where the datastore of {disk.label or disk.device_key} is"
        place = place_of_datastore(session, doing, disk.datastore_moref)
        if place is not None:
            name, path = place.name, place.datacenter_path or datacenter_path
    found = paths.split(disk.vmdk_path, name)
    parts = found[1].split("/") if found else []
    if not found or any(part in ("", ".", "..") for part in parts):
        raise DiskNotReadable(
            f"{disk.label or disk.device_key}: the datastore transport cannot read its file name "
            f"{disk.vmdk_path!r}."
        )
    return DatastoreFolder(found[0], tuple(parts[:-1]), path), parts[-1]


# ------------------------------------------------------------------ the descriptor


def _flat_extent(descriptor: Descriptor, disk: DiskRecord, doing: str) -> str:
    """The name of the one flat extent, beside the descriptor."""
    if descriptor.has_parent:
        raise DiskNotReadable(
            f"{doing}: the disk is a delta on another disk (snapshot or linked clone), and the "
            "datastore transport cannot combine them. Remove the snapshots, or make a full clone."
        )
    extents = descriptor.extents
    if len(extents) != 1 or extents[0].kind not in ("VMFS", "FLAT"):
        kinds = cut(", ".join(extent.kind for extent in extents), _MOST_SHOWN) or "none"
        raise DiskNotReadable(
            f"{doing}: its extents are: {kinds}. The datastore transport only reads disks with a "
            "single flat file: convert the disk (storage vMotion or a clone)."
        )
    return _checked_name(extents[0], disk, doing)


def _require_same_disk(descriptor: Descriptor, disk: DiskRecord, doing: str) -> None:
    for said in descriptor.uuids:
        if not may_be_same_disk(said, disk.disk_uuid):
            raise DiskReplaced(
                f"{doing}: it is the descriptor of another disk (UUID {cut(said, _MOST_SHOWN)}, not"
                f" {disk.disk_uuid}). vmrep will look for it again; if this continues, the file was"
                " replaced outside vSphere: register the VM again, so that vSphere knows its"
                " disks."
            )


def _checked_name(extent: Extent, disk: DiskRecord, doing: str) -> str:
    size_bytes, name = extent.sectors * _SECTOR_BYTES, extent.file_name
    if "/" in name or "\0" in name or name in ("", ".", "..") or extent.offset_sectors:
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


def _get(
    session: Session,
    target: str,
    doing: str,
    *,
    folder: DatastoreFolder,
    whole_of: int | None = None,
) -> bytes:
    """A small file, or with `whole_of` (its size) its first sector. Asks again once after a 401."""
    ask = partial(_get_once, session, target, doing, whole_of)
    try:
        try:
            return ask()
        except SessionExpired:
            session.renew()
        return ask()
    except SessionExpired as problem:
        raise missing_right(session, folder, doing, 401) from problem
    except _Refused as refused:
        raise _lasting(session, folder, doing, refused) from refused


class _Refused(Exception):
    """HTTP 403 or 404, which mean different things in different places."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def _lasting(
    session: Session, folder: DatastoreFolder, doing: str, refused: _Refused
) -> VSphereError:
    if refused.status == 403:
        return missing_right(session, folder, doing, 403)
    try:
        _get_once(session, folder.datastore_target, doing, None, only_whether=True)
    except _Refused as problem:
        if problem.status == 404:
            return DatastoreReadFailed(
                f"{doing}: {session.endpoint.host} serves no files of {folder} over HTTPS (HTTP"
                " 404), so it is not only this disk that is missing. vSAN and vVols have no files:"
                " use the transport NFC. If the datacenter or the datastore was renamed just now,"
                " replicate again.",
                status=404,
            )
    except VSphereError:
        # What it says about the datastore does not help; what it said about the file counts.
        pass
    return ObjectGone(f"{doing}: the file does not exist (HTTP 404). Was the VM moved?")


def missing_right(
    session: Session, folder: DatastoreFolder, doing: str, status: int
) -> PrivilegeMissing:
    """vSphere asks for a login, even a valid one, where the account lacks a right."""
    return PrivilegeMissing(
        f"{doing}: {session.endpoint.username} is logged in, but may not read files of {folder}"
        f" (HTTP {status}). Give its role Datastore.Browse and Datastore.FileManagement (“Low level"
        " file operations”) on this datastore, and read access on its datacenter; the password is"
        " right.",
        privilege="Datastore.Browse, Datastore.FileManagement",
    )


def _get_once(
    session: Session,
    target: str,
    doing: str,
    whole_of: int | None,
    *,
    only_whether: bool = False,
) -> bytes:
    """Raises SessionExpired for 401, _Refused for 403 and 404. With `only_whether` the answer is
    not read."""
    headers = session.cookie_headers()
    if whole_of is not None:
        headers["Range"] = f"bytes=0-{min(_PROBE_BYTES, whole_of) - 1}"
    connection = session.https_connection()
    with translating(doing):
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            _check(answer, doing, whole_of)
            if only_whether:
                return b""
            limit = descriptors.MOST_BYTES if whole_of is None else _PROBE_BYTES
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
    if status in (403, 404):
        raise _Refused(status)
    if 300 <= status < 400:
        raise DatastoreReadFailed(
            f"{doing}: the server redirects elsewhere (HTTP {status}), and vmrep does not follow "
            "redirects. Add the host itself as a vCenter, and replicate the VM from there.",
            status=status,
        )
    if status != (200 if whole_of is None else 206):
        raise DatastoreReadFailed(
            f"{doing}: the server answers HTTP {status}. Hosts may refuse the files of running VMs"
            " over HTTPS, above all on VMFS. NFC reads them: choose the transport NFC or auto for"
            " this vCenter, or replicate the VM while it is off.",
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
