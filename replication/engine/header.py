"""A qcow2 image's header, read without a process: cheap enough for every image.

A header can lead anywhere on this machine: to a backing file, to an external data file. So it is
read here, and compared with what is known about the image, before any program opens the image.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from replication.engine.errors import ImageDamaged, target_errors
from replication.engine.regular import open_regular

# magic, version, backing name's offset and length, cluster bits, virtual size, encryption,
# entries and offset of the level 1 table (qemu's docs/interop/qcow2.txt)
_HEADER = struct.Struct(">4sIQIIQIIQ")
# after them: how many internal snapshots there are (at 60); of version 3, incompatible features (at
# 72) and the header's length (at 100)
_SNAPSHOTS_AT = 60
_FEATURES_AT, _LENGTH_AT, _V3_BYTES = 72, 100, 104
_MAGIC = b"QFI\xfb"
_LONGEST_NAME = 1023
_MOST_EXTENSIONS = 64
_LONGEST_EXTENSION = 1 << 16
_MOST_SHOWN = 200

_BACKING_FORMAT, _FEATURE_NAMES, _DATA_FILE = 0xE2792ACA, 0x6803F857, 0x44415441
_CORRUPT, _EXTERNAL_DATA = 1 << 1, 1 << 2


class Header(NamedTuple):
    """What an image says about itself."""

    size_bytes: int
    backing: str | None
    """The backing file as written there, not resolved; anything but plain text is escaped."""
    backing_format: str | None
    oddities: tuple[str, ...]
    """Everything that vmrep's images never are, in words that complete "the file …"."""


class ImageFile(NamedTuple):
    """A file whose header was read. It is kept open so that no other file can get its inode.
    Whoever is given one closes it."""

    path: Path
    held: IO[bytes]
    header: Header

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode: they tell the file from another that was put in its place."""
        facts = os.fstat(self.held.fileno())
        return facts.st_dev, facts.st_ino

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self.held.close()


def read_image_file(path: Path) -> ImageFile:
    """Read a file's header.

    Raises ImageDamaged when this is not a qcow2 image or a part of its header lies beyond its end,
    TargetError when it cannot be read or is not an ordinary file (a link, a pipe, a device). The
    image's other tables and its data are not read.
    """
    with target_errors(f"reading the header of {path}"):
        file = open_regular(path)
        try:
            return ImageFile(path, file, _header(file, path, os.fstat(file.fileno()).st_size))
        except BaseException:
            file.close()
            raise


def _header(file: IO[bytes], path: Path, length: int) -> Header:
    start = file.read(_HEADER.size)
    if len(start) < _HEADER.size or start[:4] != _MAGIC:
        raise ImageDamaged(f"{path} is not a qcow2 image: its header is missing.")
    _, version, name_at, name_length, _, size_bytes, encryption, entries, table_at = _HEADER.unpack(
        start
    )
    if table_at + 8 * entries > length:
        raise ImageDamaged(f"{path} is cut short: it ends at {length} bytes, before its tables.")
    if name_at and name_length > _LONGEST_NAME:
        raise ImageDamaged(f"{path} names a backing file with {name_length} characters.")
    backing = _text(_at(file, path, name_at, name_length)) if name_at else None
    if version != 3:
        return Header(size_bytes, backing, None, (f"is of qcow2 version {version}, not 3",))
    extensions = dict(_extensions(file, path))
    backing_format = extensions.pop(_BACKING_FORMAT, None)
    return Header(
        size_bytes,
        backing,
        None if backing_format is None else shown(_text(backing_format)),
        (
            *_odd_features(int.from_bytes(_at(file, path, _FEATURES_AT, 8)), extensions),
            *(("is encrypted",) if encryption else ()),
            *_internal_snapshots(int.from_bytes(_at(file, path, _SNAPSHOTS_AT, 4))),
        ),
    )


def _extensions(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    """Type and content of each extension; they follow the header, one after the other."""
    at = int.from_bytes(_at(file, path, _LENGTH_AT, 4))
    if at < _V3_BYTES:
        raise ImageDamaged(f"{path} has a header of only {at} bytes.")
    for _ in range(_MOST_EXTENSIONS):
        kind, length = struct.unpack(">II", _at(file, path, at, 8))
        if not kind:
            return
        if length > _LONGEST_EXTENSION:
            break
        yield kind, _at(file, path, at + 8, length)
        at += 8 + -(-length // 8) * 8
    raise ImageDamaged(f"{path} has a header that does not end.")


def _odd_features(features: int, extensions: dict[int, bytes]) -> Iterator[str]:
    data_file = extensions.pop(_DATA_FILE, None)
    extensions.pop(_FEATURE_NAMES, None)
    if features & _EXTERNAL_DATA or data_file is not None:
        where = shown(_text(data_file or b"")) or "without a name"
        yield f"keeps its data in another file ({where})"
    if features & _CORRUPT:
        yield "is marked as corrupt"
    if other := features & ~(_EXTERNAL_DATA | _CORRUPT):
        yield f"uses the features {other:#x}, which vmrep does not use"
    for kind in extensions:
        yield f"has the header extension {kind:#x}, which vmrep does not write"


def _internal_snapshots(count: int) -> Iterator[str]:
    """Whoever made one may have written to the image, and can take it back to then."""
    if count:
        yield f"holds internal snapshots ({count}), which vmrep does not make"


def shown(text: str) -> str:
    """As much of a header's text as an error message has room for."""
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def _text(raw: bytes) -> str:
    """A header may contain any bytes: what cannot be printed, sent or stored becomes an escape."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in raw.decode("utf-8", "backslashreplace")
    )


def _at(file: IO[bytes], path: Path, offset: int, length: int) -> bytes:
    """That part of the file: all of it, or ImageDamaged."""
    end = os.fstat(file.fileno()).st_size
    if offset + length > end:
        raise ImageDamaged(f"{path} has a header that leads to {offset}, beyond its end at {end}.")
    return os.pread(file.fileno(), length, offset)
