"""The digest of every chunk of a disk as of an image's point, kept in a file next to the image.

File format, version 2, little-endian: ``_HEADER`` (magic, bytes of a chunk, bytes of the disk),
then records of 24 bytes: the chunk's number (u64) and the XXH3-128 digest of its bytes on the disk
*as of that point*, in ascending order. The digest of a chunk of zeroes is `ZERO`. What a root has
no record for is zero; what an overlay has none for is as in the image below. So the maps of a
chain, laid over one another, tell of every byte of the disk, and each grows only with what its own
copy read.

The file's own digest is in the database, in the row of its image: a map that has another one is not
believed in any of its records.
"""

from __future__ import annotations

import mmap
import os
import random
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import xxhash

from replication.engine.durable import fsync_folder, fsync_open_file
from replication.engine.errors import EngineError, ImageDamaged, TargetError, target_errors
from replication.engine.regular import open_regular

CHUNK_BYTES = 256 << 10
ZERO = bytes(16)

_HEADER = struct.Struct("<16sQQ")
_MAGIC = b"vmrep chunks\x00\x00\x00\x02"
_RECORD = struct.Struct("<Q16s")
_ZEROES = bytes(CHUNK_BYTES)


def digest_of_chunk(data: bytes | bytearray | memoryview) -> bytes:
    """`ZERO` for a chunk of zeroes, else its XXH3-128 digest (16 bytes): it finds damage, but does
    not protect from an attacker."""
    return ZERO if _ZEROES.startswith(data) else xxhash.xxh3_128_digest(data)


def chunks_below(offset: int, size_bytes: int) -> int:
    """How many chunks of a disk of that size end at or below the offset: a short last one ends with
    the disk."""
    return -(-size_bytes // CHUNK_BYTES) if offset >= size_bytes else offset // CHUNK_BYTES


class Mapped(NamedTuple):
    """A map file with the digest that its image's row has."""

    path: Path
    digest: str
    locator: str


class Found(NamedTuple):
    """What a chain has for a chunk. `locator`: of the image that holds it; empty: none does, so it
    is zero."""

    digest: bytes
    locator: str


class _Map:
    def __init__(self, mapped: Mapped) -> None:
        self.locator = mapped.locator
        self.size_bytes = 0
        doing = f"reading the chunk map {mapped.path}"
        with _presence(mapped), target_errors(doing), open_regular(mapped.path) as f:
            length = os.fstat(f.fileno()).st_size
            if length < _HEADER.size or (length - _HEADER.size) % _RECORD.size:
                raise _damaged(mapped, "it is not whole")
            self._data = mmap.mmap(f.fileno(), length, prot=mmap.PROT_READ)
        if xxhash.xxh3_128_hexdigest(self._data) != mapped.digest:
            raise _damaged(mapped, "its digest is not the one that was recorded")
        magic, chunk_bytes, self.size_bytes = _HEADER.unpack_from(self._data)
        if magic != _MAGIC or chunk_bytes != CHUNK_BYTES:
            raise _damaged(mapped, "this version cannot read it")
        self.count = (length - _HEADER.size) // _RECORD.size

    def record(self, at: int) -> tuple[int, bytes]:
        number, digest = _RECORD.unpack_from(self._data, _HEADER.size + at * _RECORD.size)
        return number, digest

    def first_from(self, number: int) -> int:
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.record(middle)[0] < number:
                low = middle + 1
            else:
                high = middle
        return low

    def records(self, start: int) -> Iterator[tuple[int, bytes]]:
        for at in range(self.first_from(start), self.count):
            yield self.record(at)

    def ranked(self, rank: int, start: int) -> Iterator[tuple[int, int, bytes]]:
        for number, digest in self.records(start):
            yield number, rank, digest

    def close(self) -> None:
        self._data.close()


@contextmanager
def _presence(mapped: Mapped) -> Iterator[None]:
    """A map that is missing is a damage of its image."""
    try:
        yield
    except TargetError as problem:
        if isinstance(problem.__cause__, FileNotFoundError):
            raise _damaged(mapped, "it is missing") from problem
        raise


def _damaged(mapped: Mapped, why: str) -> ImageDamaged:
    return ImageDamaged(f"{mapped.path} is damaged: {why}.", locator=mapped.locator)


class ChainMap:
    """The maps of a chain, root first, as one. Safe to use from several threads until it is closed.

    Reads each file once, to compare its digest; its memory is the page cache's. ImageDamaged names
    the image whose map is not the one that was recorded.
    """

    def __init__(self, maps: Sequence[Mapped]) -> None:
        with ExitStack() as opened:
            self._maps = []
            for mapped in maps:
                one = _Map(mapped)
                opened.callback(one.close)
                self._maps.append(one)
            self._opened = opened.pop_all()

    def find(self, number: int) -> Found:
        """What the chunk must be, and which image holds it."""
        for one in reversed(self._maps):
            at = one.first_from(number)
            if at < one.count:
                found, digest = one.record(at)
                if found == number:
                    return Found(digest, one.locator)
        return Found(ZERO, "")

    def lookup(self, number: int) -> bytes:
        """The chunk's digest, or `ZERO`."""
        return self.find(number).digest

    def records(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Number and digest of every chunk that any map has, ascending, from that chunk on."""
        ranked = [one.ranked(-rank, start) for rank, one in enumerate(self._maps)]
        last = -1
        for number, _, digest in merge(*ranked):
            if number != last:
                last = number
                yield number, digest

    @property
    def count(self) -> int:
        """How many records the maps have: at most so many chunks are not as they were created."""
        return sum(one.count for one in self._maps)

    def draw(self, most: int) -> list[tuple[int, bytes]]:
        """Up to ``most`` chunks that any map has, drawn at random, in random order, each with its
        digest. Takes as long as that many look-ups, however many records there are."""
        found: dict[int, bytes] = {}
        weights = [one.count for one in self._maps]
        for _ in range(4 * most if any(weights) else 0):
            if len(found) == most:
                break
            (one,) = random.choices(self._maps, weights)  # noqa: S311  which is no secret
            number, digest = one.record(random.randrange(one.count))  # noqa: S311
            if number not in found and self.find(number) == (digest, one.locator):
                found[number] = digest  # of a newer map, if that has it, too
        return list(found.items())

    def close(self) -> None:
        """A second call does nothing."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class ChunkMap:
    """The map of one image while its disk is being copied.

    ``resume_offset`` 0 begins a new map. Any other value, at which a chunk or a part of one begins,
    continues the one at ``path``: records of that chunk and of those above it are dropped, and so
    is a last record that a crash left incomplete. At the disk's end all records are kept.
    ImageDamaged when there is no such map, or when it is of another disk.
    """

    def __init__(self, path: Path, size_bytes: int, resume_offset: int = 0) -> None:
        self.path, self.size_bytes = path, size_bytes
        self.count = 0
        self._last = -1
        with target_errors(f"opening the chunk map {path}"):
            how = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
            if not resume_offset:
                path.unlink(missing_ok=True)
                how |= os.O_CREAT | os.O_EXCL
            try:
                self._file = os.fdopen(os.open(path, how, 0o600), "r+b")
            except FileNotFoundError as error:
                raise ImageDamaged(
                    f"{path} is missing: the disk has to be copied again."
                ) from error
            try:
                if resume_offset:
                    self._keep(chunks_below(resume_offset, size_bytes))
                else:
                    self._file.write(_HEADER.pack(_MAGIC, CHUNK_BYTES, size_bytes))
                    self._file.flush()
                    fsync_folder(path.parent)
            except BaseException:
                self._file.close()
                raise

    def _keep(self, first_dropped: int) -> None:
        header = self._file.read(_HEADER.size)
        if header != _HEADER.pack(_MAGIC, CHUNK_BYTES, self.size_bytes):
            raise ImageDamaged(f"{self.path} is not the map of this disk: copy the disk again.")
        while len(record := self._file.read(_RECORD.size)) == _RECORD.size:
            number, _ = _RECORD.unpack(record)
            if number >= first_dropped:
                break
            if number <= self._last:
                raise ImageDamaged(f"{self.path} is broken at chunk {number}: copy the disk again.")
            self.count, self._last = self.count + 1, number
        end = _HEADER.size + self.count * _RECORD.size
        self._file.seek(end)
        self._file.truncate(end)

    def add(self, number: int, digest: bytes) -> None:
        """Append one record. Only one thread may do so; numbers ascend (EngineError)."""
        if number <= self._last or len(digest) != len(ZERO):
            raise EngineError(f"The digest of chunk {number} is out of order.")
        with target_errors(f"writing the chunk map {self.path}"):
            self._file.write(_RECORD.pack(number, digest))
        self.count, self._last = self.count + 1, number

    def flush(self) -> None:
        """Make all records added so far permanent. May be called while others are added."""
        with target_errors(f"flushing the chunk map {self.path}"):
            fsync_open_file(self._file)

    def digest(self) -> str:
        """The digest of the whole file, as 32 hex digits, for its image's row."""
        with target_errors(f"reading the chunk map {self.path}"):
            self._file.flush()
            return digest_of_file(self.path)

    def close(self) -> None:
        """A second call does nothing."""
        with target_errors(f"closing the chunk map {self.path}"):
            self._file.close()


def digest_of_file(path: Path) -> str:
    """The XXH3-128 digest of a map's bytes, as 32 hex digits."""
    hasher = xxhash.xxh3_128()
    with open_regular(path) as file:
        while part := file.read(1 << 20):
            hasher.update(part)
    return hasher.hexdigest()


def merged(upper: Mapped, lower: Mapped) -> Iterator[tuple[int, bytes]]:
    """The records of a map over those of another: of an image into which the upper one's was
    merged. ImageDamaged when one of the two is not as recorded."""
    with ChainMap([lower, upper]) as both:
        yield from both.records()


def write(path: Path, size_bytes: int, records: Iterable[tuple[int, bytes]]) -> str:
    """Write a whole map, durably, in place of any at `path`; returns its digest."""
    written = ChunkMap(path, size_bytes)
    try:
        for number, digest in records:
            written.add(number, digest)
        written.flush()
        return written.digest()
    finally:
        written.close()
