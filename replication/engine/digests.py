"""The digest of every request of a copy, kept in a file next to the image.

File format, version 1: the 16 bytes of ``HEADER``, then records of 32 bytes, little-endian: offset
(u64), length (u64), XXH3-128 digest (16 bytes). Records are only ever appended, in ascending order
and without overlap, so that reading them needs no sorting and no memory.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import xxhash

from replication.engine.durable import fsync_folder, fsync_open_file
from replication.engine.errors import EngineError, ImageDamaged, target_errors
from replication.engine.regular import open_regular

HEADER = b"vmrep digests\x00\x00\x01"
_RECORD = struct.Struct("<QQ16s")
_CHUNK_BYTES = 4096 * _RECORD.size


def digest_of(data: bytes | bytearray | memoryview) -> bytes:
    """The XXH3-128 digest (16 bytes): it finds damage, but does not protect from an attacker."""
    return xxhash.xxh3_128_digest(data)


class DigestEntry(NamedTuple):
    """One request's bytes on the disk, and their digest."""

    offset: int
    length: int
    digest: bytes


class DigestMap:
    """The digests of one image while it is being written.

    ``resume_offset`` 0 begins a new map. Any other value continues the one at ``path``: what is at
    or above that offset is dropped, and so is a last record that a crash left incomplete.
    ImageDamaged when there is no such map, or it is broken below the offset.
    """

    def __init__(self, path: Path, resume_offset: int = 0) -> None:
        self.path = path
        self.bytes_covered = 0
        self._end = 0
        with target_errors(f"opening the digest map {path}"):
            how = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
            if resume_offset:
                kept_bytes = self._keep(resume_offset)
            else:
                path.unlink(missing_ok=True)
                how |= os.O_CREAT | os.O_EXCL
            self._file = os.fdopen(os.open(path, how, 0o600), "ab")
            if resume_offset:
                self._file.truncate(kept_bytes)
            else:
                self._file.write(HEADER)
                self._file.flush()
                fsync_folder(path.parent)

    def _keep(self, resume_offset: int) -> int:
        """How much of the file stays."""
        if not self.path.exists():
            raise ImageDamaged(f"{self.path} is missing: the disk has to be copied again.")
        kept = 0
        for entry in read_digests(self.path):
            if entry.offset >= resume_offset:
                break
            kept += 1
            self.bytes_covered += entry.length
            self._end = entry.offset + entry.length
        if self._end > resume_offset:
            raise ImageDamaged(
                f"{self.path} has an entry across {resume_offset}, so that is not a checkpoint of "
                "it: the disk has to be copied again."
            )
        return len(HEADER) + kept * _RECORD.size

    def add(self, offset: int, length: int, digest: bytes) -> None:
        """Append one entry. Only one thread may do so; offsets must ascend (EngineError)."""
        if offset < self._end or length <= 0 or len(digest) != 16:
            raise EngineError(f"The digest of {length} bytes at {offset} is out of order.")
        with target_errors(f"writing the digest map {self.path}"):
            self._file.write(_RECORD.pack(offset, length, digest))
        self._end = offset + length
        self.bytes_covered += length

    def flush(self) -> None:
        """Make all entries added so far permanent. May be called while others add."""
        with target_errors(f"flushing the digest map {self.path}"):
            fsync_open_file(self._file)

    def digest(self) -> str:
        """One digest over all entries in the order of their offsets, as 32 hex digits.

        Two copies have the same digest when the same requests brought the same bytes.
        """
        with target_errors(f"reading the digest map {self.path}"):
            self._file.flush()
            return digest_of_map(self.path)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with target_errors(f"closing the digest map {self.path}"):
            self._file.close()

    def __enter__(self) -> DigestMap:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def digest_of_map(path: Path) -> str:
    """One digest over all entries of a map, as `DigestMap.digest` makes it."""
    hasher = xxhash.xxh3_128()
    for entry in read_digests(path):
        hasher.update(_RECORD.pack(*entry))
    return hasher.hexdigest()


def draw_digests(path: Path, most: int) -> list[DigestEntry]:
    """Up to ``most`` entries of a digest map, drawn at random, in random order. Only these are
    read. Raises ImageDamaged."""
    with open_regular(path) as file:
        if file.read(len(HEADER)) != HEADER:
            raise ImageDamaged(f"{path} is not a digest map that this version can read.")
        count = (os.fstat(file.fileno()).st_size - len(HEADER)) // _RECORD.size
        found = []
        for number in random.sample(range(count), min(most, count)):
            file.seek(len(HEADER) + number * _RECORD.size)
            found.append(DigestEntry(*_RECORD.unpack(file.read(_RECORD.size))))
        return found


def read_digests(path: Path) -> Iterator[DigestEntry]:
    """The entries of a digest map in ascending order.

    Ends silently before an incomplete last record; any other fault raises ImageDamaged.
    """
    with open_regular(path) as file:
        if file.read(len(HEADER)) != HEADER:
            raise ImageDamaged(f"{path} is not a digest map that this version can read.")
        end = 0
        while chunk := file.read(_CHUNK_BYTES):
            whole = len(chunk) - len(chunk) % _RECORD.size
            for values in _RECORD.iter_unpack(chunk[:whole]):
                entry = DigestEntry(*values)
                if entry.offset < end or not entry.length:
                    raise ImageDamaged(f"{path} is broken at the entry for {entry.offset}.")
                end = entry.offset + entry.length
                yield entry
