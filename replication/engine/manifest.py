"""What a repository says of itself, so that an empty vmrep can take it up again: a manifest of each
VM whose recovery points are in it, and one of the repository.

A manifest is a file: one line with its format and the digest of the rest, then JSON. Whoever can
write to a repository can write one, so nothing in it is believed: it is bounded, has exactly the
fields below with values of their types (those with a default are left out where they have it), and
`vmrep` compares what it says with the files themselves. The digest tells of damage, not of an
attacker.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TypeVar, cast

from replication.engine.errors import ManifestDamaged

T = TypeVar("T")

FORMAT = 1
MOST_BYTES = 64 << 20
"""Of a manifest: 100,000 images."""
MOST_CHARACTERS = 1 << 20
"""Of one text in it."""
LARGEST_NUMBER = 2**63 - 1
_BEGIN = "vmrep-manifest"
_HEAD = re.compile(rb"vmrep-manifest \d{1,9} ([0-9a-f]{64})\n(.*)\n", re.DOTALL)

Value = str | int | bool | None | list[str]
Specs = Mapping[str, Value]


@dataclasses.dataclass(frozen=True, slots=True)
class VCenterPart:
    """Where a VM comes from. There is no password."""

    name: str
    host: str
    port: int
    username: str
    trust_mode: str
    fingerprint_sha256: str
    transport: str
    nbd_command: str
    instance_uuid: str
    host_uuid: str


@dataclasses.dataclass(frozen=True, slots=True)
class DiskPart:
    """A disk that the VM has, or that images in the repository are of. `number` is its name within
    the manifest, as everywhere below."""

    number: int
    disk_id: str
    device_key: int
    disk_uuid: str | None
    label: str | None
    capacity_bytes: int | None
    vmdk_path: str | None
    datastore: str | None
    backing_type: str | None
    provisioning_type: str | None
    disk_mode: str | None
    sharing: str | None
    controller_type: str | None
    unprotected_reason: str
    accept_unprotected: bool
    tracking_doubt: str
    read_whole_at_point: int | None
    removed_at: datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class AdapterPart:
    """A network adapter that the VM has."""

    adapter_id: str
    device_key: int
    label: str | None
    mac_address: str | None
    network_name: str | None
    adapter_type: str | None
    connected: bool | None
    ip_addresses: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ImagePart:
    """One disk's image in a recovery point. `parent` is the number of the image below."""

    number: int
    disk: int
    parent: int | None
    position: int
    attempt: int
    format: str
    locator: str
    sync_type: str
    capacity_bytes: int
    planned_bytes: int
    plan_note: str
    extent_count: int | None
    transfer_seconds: float
    allocated_bytes: int | None
    change_id: str | None
    previous_change_id: str | None
    snapshot_moref: str
    digest: str
    merged_digest: str
    map_digest: str = ""
    as_committed: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class JobPart:
    """The replication that made a recovery point."""

    id: str
    source_vm_id: str
    source_vm_name: str
    replication_type: str
    trigger: str
    requested_by: str
    requested_sync: str
    total_bytes: int
    attempt: int
    transport: str
    transport_reason: str
    worker_name: str
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime


@dataclasses.dataclass(frozen=True, slots=True)
class SnapshotPart:
    """A snapshot that the VM had besides vmrep's when a recovery point was made."""

    moref: str
    parent_moref: str
    taken_at: datetime | None
    is_current: bool


@dataclasses.dataclass(frozen=True, slots=True)
class HoldPart:
    """A recovery point must stay: it is pinned, or in use."""

    kind: str
    owner: str
    comment: str
    expires_at: datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class RemovalPart:
    """A recovery point is being removed: its images may have been merged in part."""

    why: str
    requested_by: str


@dataclasses.dataclass(frozen=True, slots=True)
class PointPart:
    """A recovery point, with an image of each of its disks."""

    number: int
    consistent_at: datetime
    quiesced: bool
    comment: str
    source_moref: str
    snapshot_taken_at: datetime | None
    source_booted_at: datetime | None
    snapshots_known: bool | None
    job: JobPart
    removal: RemovalPart | None
    snapshots: tuple[SnapshotPart, ...]
    holds: tuple[HoldPart, ...]
    images: tuple[ImagePart, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class VmPart:
    """A VM under management, or formerly so, and its recovery points here: in the order in which
    they were committed, which is that of their numbers. `is_kept_here`: whether its next one comes
    here, too."""

    context_id: str
    instance_uuid: str
    is_managed: bool
    is_kept_here: bool
    rpo_target_seconds: int | None
    vcenter: VCenterPart
    specs: Specs
    disks: tuple[DiskPart, ...]
    adapters: tuple[AdapterPart, ...]
    points: tuple[PointPart, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class RepositoryPart:
    """The repository itself."""

    name: str
    reserve_bytes: int | None


Content = VmPart | RepositoryPart


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """What the highest manifest in a folder is known by: its version (0 without any), and the
    digest that its file begins with (empty if it is damaged)."""

    version: int
    digest: str


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """`version` grows with each change of the content; `repository` is its UUID, so that no
    manifest is taken for another repository's."""

    version: int
    repository: str
    written_by: str
    written_at: datetime
    vm: VmPart | None
    of_repository: RepositoryPart | None


def digest_of(content: Content) -> str:
    """The SHA-256 digest of a content: another one means that something of it changed."""
    return hashlib.sha256(_json(content)).hexdigest()


def encode(manifest: Manifest) -> bytes:
    """The manifest's file. ManifestDamaged if it would be larger than a reader accepts."""
    body = _json(manifest)
    if len(body) > MOST_BYTES:
        raise ManifestDamaged(
            f"The manifest would have {len(body):,} bytes, more than a reader takes."
        )
    return f"{_BEGIN} {FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body + b"\n"


def file_digest(content: bytes) -> str:
    """The digest of all that a manifest's file says, which it begins with. When it was written is
    part of it, so that no two writers give the same. Empty if it is damaged, or no manifest."""
    found = _HEAD.fullmatch(content)
    if not found or hashlib.sha256(found[2]).hexdigest() != found[1].decode():
        return ""
    return found[1].decode()


def decode(content: bytes, name: str) -> Manifest:
    """The manifest in a file's content. `name` names it in ManifestDamaged."""
    first, _, rest = content.partition(b"\n")
    words = first.decode("utf-8", "replace").split(" ")
    if len(content) > MOST_BYTES or len(words) != 3 or words[0] != _BEGIN:
        raise ManifestDamaged(f"{name} is no manifest of vmrep.")
    if words[1] != str(FORMAT):
        raise ManifestDamaged(
            f"{name} has the format {words[1][:20]!r}; this version of vmrep reads {FORMAT}."
        )
    body = rest.removesuffix(b"\n")
    if hashlib.sha256(body).hexdigest() != words[2]:
        raise ManifestDamaged(f"{name} is damaged: its digest is not that of its content.")
    try:
        found = json.loads(body, parse_constant=_refuse, object_pairs_hook=_once)
        return cast(Manifest, _read(Manifest, found, "manifest"))
    except (ValueError, TypeError, OverflowError, RecursionError) as problem:
        raise ManifestDamaged(f"{name} is not what vmrep writes: {problem}") from problem


def _json(value: object) -> bytes:
    return json.dumps(_plain(value), separators=(",", ":"), sort_keys=True).encode()


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # What older versions did not have is left out where it says nothing: the digest of what
        # they wrote, and of the rows that it was made of, stays the same.
        defaults = _defaults(type(value))
        said = {name: getattr(value, name) for name in _hints(type(value))}
        return {
            name: _plain(each)
            for name, each in said.items()
            if name not in defaults or each != defaults[name]
        }
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return value


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field occurs twice")
    return found


@cache
def _hints(kind: type) -> dict[str, object]:
    return typing.get_type_hints(kind)


@cache
def _defaults(kind: type) -> dict[str, object]:
    return {
        field.name: field.default
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING
    }


def _read(kind: object, value: object, at: str) -> object:
    """The value as that type. ValueError names the field (`at`) that is not of its type."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _record(kind, value, at)
    if kind == Specs:
        return _specs(value, at)
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        return _read(next(it for it in typing.get_args(kind) if it is not type(None)), value, at)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{at} is no list")
        each = typing.get_args(kind)[0]
        return tuple(_read(each, it, f"{at}[{number}]") for number, it in enumerate(value))
    return _simple(kind, value, at)


def _record(kind: type, value: object, at: str) -> object:
    hints = _hints(kind)
    needed = hints.keys() - _defaults(kind).keys()
    if not isinstance(value, dict) or not needed <= value.keys() <= hints.keys():
        raise ValueError(f"{at} does not have exactly the fields {', '.join(hints)}")
    return kind(**{name: _read(hints[name], it, f"{at}.{name}") for name, it in value.items()})


def _simple(kind: object, value: object, at: str) -> object:
    if kind is datetime and isinstance(value, str) and len(value) < 40:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(f"{at} is a time without a time zone")
        return moment.astimezone(UTC)
    if kind is float and type(value) in (int, float):
        return float(cast(float, value))
    if kind is str and isinstance(value, str):
        return _text(value, at)
    if kind is int and type(value) is int and abs(value) <= LARGEST_NUMBER:
        return value
    if kind is bool and isinstance(value, bool):
        return value
    raise ValueError(f"{at} has no value of its type")


def _text(value: str, at: str) -> str:
    if len(value) > MOST_CHARACTERS or "\0" in value:
        raise ValueError(f"{at} is no text that can be kept")
    value.encode()  # raises for what no database stores
    return value


def _specs(value: object, at: str) -> Specs:
    if not isinstance(value, dict):
        raise ValueError(f"{at} has no fields")
    return {name: _spec(each, f"{at}.{name}") for name, each in value.items()}


def _spec(value: object, at: str) -> Value:
    if isinstance(value, list):
        return [cast(str, _simple(str, each, at)) for each in value]
    if value is None or isinstance(value, bool):
        return value
    return cast(Value, _simple(int if type(value) is int else str, value, at))
