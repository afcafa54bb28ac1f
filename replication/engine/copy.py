"""Copying a disk's planned extents from a source into an image, over several connections."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from replication.engine.chunk_maps import CHUNK_BYTES, digest_of_chunk
from replication.engine.digests import digest_of
from replication.engine.errors import ContentDamaged, CopyStopped, EngineError, ImageDamaged
from replication.engine.extents import (
    REQUEST_BYTES,
    Extent,
    bytes_below,
    pieces,
    requests,
    require_normalised,
    total_bytes,
)
from replication.engine.sources.base import Read, Source
from replication.engine.target import (
    ChunkDigests,
    ChunksBelow,
    Connection,
    Digests,
    ReadConnection,
    WritableImage,
    Write,
)
from replication.engine.throttle import Throttle

CONNECTIONS = 4
"""At once for one disk: threads with blocking calls, each with a connection to either side."""

UNIT_BYTES = 64 << 10
"""Zeroes and differences are looked for in units of a qcow2 cluster: finer would save no space."""

WINDOW = 1024
"""How many requests may be begun beyond the lowest unfinished one. So a slow request eventually
holds up the others, but memory stays bounded, and so does the work that a crash can cost."""

_ZERO = bytes(UNIT_BYTES)


class CopyResult(NamedTuple):
    """What one run did. ``bytes_read`` is the sum of the other three."""

    bytes_read: int
    bytes_written: int
    bytes_zero: int
    bytes_same: int


class _Kind(Enum):
    DATA = "data"
    ZERO = "zero"
    SAME = "same"


@dataclass(slots=True)
class _Piece:
    """What is being worked on: whole chunks in one request, or all extents of a part of one."""

    extents: tuple[Extent, ...]
    done: bool = False
    digests: Sequence[bytes] = ()
    chunks: Sequence[tuple[int, bytes]] = ()

    @property
    def offset(self) -> int:
        return self.extents[0].offset

    @property
    def is_part(self) -> bool:
        """Of one chunk."""
        first = self.extents[0]
        return len(self.extents) > 1 or first.length < CHUNK_BYTES


class DiskCopy:
    """One disk's copy. ``run`` makes it; other threads may call everything else meanwhile.

    ``plan`` is as ``normalise`` returns it; an earlier run has copied and checkpointed what is
    below ``start_offset``. With ``compare`` the image is read first, and only what differs is
    written. A connection is given ``requests_together`` requests at once if they have no more than
    ``request_bytes`` together: small extents. ``digests``, when given, must have been opened at
    ``start_offset`` (else ImageDamaged). ``throttle`` says how fast it reads.

    ``chunks``, when given, gets the digest of each chunk of which anything is read, as the disk has
    it afterwards. What is not read of such a chunk comes from the image below, where it is compared
    with ``below``, the map of that image's chain (None: there is no image below), first: damage is
    raised as ImageDamaged, and never becomes a digest. With ``compare``, a chunk that is as
    ``below`` says is not read from the image. ``chunks`` must have been opened at ``start_offset``.
    """

    def __init__(
        self,
        source: Source,
        image: WritableImage,
        plan: Sequence[Extent],
        *,
        start_offset: int = 0,
        compare: bool = False,
        connections: int = CONNECTIONS,
        requests_together: int = 1,
        request_bytes: int = REQUEST_BYTES,
        digests: Digests | None = None,
        chunks: ChunkDigests | None = None,
        below: ChunksBelow | None = None,
        stop: threading.Event | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        require_normalised(plan)
        self._source, self._image = source, image
        self._compare, self._connections = compare, connections
        self._requests_together = requests_together
        self._request_bytes, self._digests = request_bytes, digests
        self._chunks, self._below = chunks, below
        self._most_bytes = max(request_bytes, CHUNK_BYTES if chunks is not None else 0)
        self._stop = stop or threading.Event()
        self._throttle = throttle or Throttle()
        self._end = max(start_offset, plan[-1].end if plan else 0)
        self._bytes_before = bytes_below(plan, start_offset)
        self._bytes_to_read = total_bytes(plan) - self._bytes_before
        if digests is not None and digests.bytes_covered != self._bytes_before:
            raise ImageDamaged(
                f"The digests cover {digests.bytes_covered} bytes, but {self._bytes_before} "
                f"were copied below the checkpoint at {start_offset}: copy the disk again."
            )
        size_bytes = self._end if chunks is None else chunks.size_bytes
        self._size_bytes = size_bytes
        if chunks is not None and plan:
            # Not the plan's end: within a chunk, it would say that this chunk is still to be read.
            self._end = max(self._end, size_bytes)
        self._pieces: Iterator[tuple[Extent, ...]]
        if chunks is None:
            self._pieces = ((each,) for each in requests(plan, start_offset, request_bytes))
        else:
            self._pieces = pieces(plan, CHUNK_BYTES, size_bytes, start_offset, request_bytes)
        # Everything below is guarded by this lock.
        self._changed = threading.Condition()
        self._next = next(self._pieces, None)
        self._window: deque[_Piece] = deque()
        self._bytes = dict.fromkeys(_Kind, 0)
        self._failure: BaseException | None = None
        self._halted = False

    def run(self) -> CopyResult:
        """Copy all that is left and return what was done in this run.

        The first failure of any connection stops the others and is raised: SourceError,
        TargetError, or whatever the source's ``connect`` raises. CopyStopped when the stop event
        was set before the end. Nothing is flushed: ``checkpoint`` or the image's ``close`` does
        that.
        """
        with ThreadPoolExecutor(self._connections, thread_name_prefix="copy") as pool:
            try:
                wait(
                    [pool.submit(copy_context().run, self._work) for _ in range(self._connections)]
                )
            finally:
                self._halt(None)  # even if this thread is interrupted: the pool waits for all
        with self._changed:
            if self._failure is not None:
                raise self._failure
            if self._next is not None or self._window:
                raise CopyStopped(f"The copy was stopped at {self._low_water()}.")
            result = CopyResult(
                sum(self._bytes.values()),
                self._bytes[_Kind.DATA],
                self._bytes[_Kind.ZERO],
                self._bytes[_Kind.SAME],
            )
        if result.bytes_read != self._bytes_to_read:
            raise EngineError(
                f"{result.bytes_read} bytes were copied instead of {self._bytes_to_read}."
            )
        return result

    @property
    def bytes_done(self) -> int:
        """Finished bytes of the plan, including earlier runs, whatever order they came in."""
        with self._changed:
            return self._bytes_before + sum(self._bytes.values())

    def low_water(self) -> int:
        """The lowest unfinished offset: every byte of the plan below it is in the image."""
        with self._changed:
            return self._low_water()

    def checkpoint(self) -> int:
        """Make what is done so far permanent; return the offset that a later run may start at.

        The offset is noted first and covers what was finished *then*; what finishes during the
        flush may or may not be permanent. After a failure the last returned offset stays valid.
        """
        offset = self.low_water()
        self._image.flush()
        for kept in (self._digests, self._chunks):
            if kept is not None:
                kept.flush()
        return offset

    def _low_water(self) -> int:
        if self._window:
            return self._window[0].offset
        return self._end if self._next is None else self._next[0].offset

    def _work(self) -> None:
        """One thread: a connection to either side, one load of requests after the other."""
        try:
            taken = self._take()
            if not taken:  # fewer requests than threads: spare the connections
                return
            with (
                closing(self._source.connect()) as reader,
                closing(self._image.connect()) as image,
                closing(_Rest(self._image, self._below)) as rest,
            ):
                buffer = memoryview(bytearray(min(self._most_bytes, self._bytes_to_read)))
                while taken:
                    reads = _cut(buffer, taken)
                    for at in range(0, len(reads), self._requests_together):
                        some = reads[at : at + self._requests_together]
                        self._throttle.read(reader, some, self._is_over)
                    self._digest(taken, reads, rest)
                    self._finish(taken, self._write(image, reads))
                    taken = self._take()
        except BaseException as failure:
            self._halt(failure)
            raise

    def _write(self, image: Connection, reads: Sequence[Read]) -> dict[_Kind, int]:
        """Write the requests' bytes to the image; count them by what had to be done."""
        counts = dict.fromkeys(_Kind, 0)
        writes: list[Write] = []
        for read in reads:
            for offset, view in self._unlike(read, counts):
                old = image.pread(len(view), offset) if self._compare else None
                for kind, start, end in _runs(view, offset, old):
                    counts[kind] += end - start
                    if kind is not _Kind.SAME:
                        data = view[start:end] if kind is _Kind.DATA else None
                        writes.append(Write(offset + start, end - start, data))
        image.write_many(writes)
        return counts

    def _unlike(self, read: Read, counts: dict[_Kind, int]) -> Iterator[Read]:
        """What has to be written or read from the image: when all is compared, only the chunks that
        are not as the map of the image below says. The others are counted."""
        if not self._compare or self._below is None or read.offset % CHUNK_BYTES:
            yield read
            return
        for number, chunk in self._chunks_of(read):
            if digest_of_chunk(chunk.view) == self._below.lookup(number):
                counts[_Kind.SAME] += len(chunk.view)
            else:
                yield chunk

    def _chunks_of(self, read: Read) -> Iterator[tuple[int, Read]]:
        """Of whole chunks."""
        for at in range(0, len(read.view), CHUNK_BYTES):
            chunk = Read(read.offset + at, read.view[at : at + CHUNK_BYTES])
            yield chunk.offset // CHUNK_BYTES, chunk

    def _digest(self, taken: Sequence[_Piece], reads: Sequence[Read], rest: _Rest) -> None:
        """The digests of the pieces, whose reads follow one another."""
        at = 0
        for piece in taken:
            own = reads[at : at + len(piece.extents)]
            at += len(own)
            if self._digests is not None:
                piece.digests = [digest_of(read.view) for read in own]
            if self._chunks is None:
                continue
            number = piece.offset // CHUNK_BYTES
            length = min(CHUNK_BYTES, self._size_bytes - number * CHUNK_BYTES)
            if piece.is_part and sum(len(read.view) for read in own) < length:
                whole = rest.chunk(number, length)
                for offset, view in own:
                    start = offset - number * CHUNK_BYTES
                    whole[start : start + len(view)] = view
                piece.chunks = [(number, digest_of_chunk(whole))]
            elif piece.is_part:
                joined = b"".join(read.view for read in own)
                piece.chunks = [(number, digest_of_chunk(joined))]
            else:
                piece.chunks = [
                    (each, digest_of_chunk(chunk.view)) for each, chunk in self._chunks_of(own[0])
                ]

    def _is_over(self) -> bool:
        return self._halted or self._stop.is_set()

    def _take(self) -> list[_Piece]:
        """The next requests; none when there are no more or the copy must end."""
        with self._changed:
            while True:
                if self._next is None or self._is_over():
                    return []
                if len(self._window) < WINDOW:
                    break
                self._changed.wait()  # the lowest request's thread will finish it, or fail
            taken: list[_Piece] = []
            room = self._request_bytes
            while self._next is not None and len(taken) < self._requests_together:
                room -= total_bytes(self._next)
                if taken and (room < 0 or len(self._window) == WINDOW):
                    break
                taken.append(_Piece(self._next))
                self._window.append(taken[-1])
                self._next = next(self._pieces, None)
            return taken

    def _finish(self, taken: Sequence[_Piece], counts: dict[_Kind, int]) -> None:
        """Note that the requests' bytes are in the image, and raise the low-water mark."""
        with self._changed:
            for piece in taken:
                piece.done = True
            for kind, count in counts.items():
                self._bytes[kind] += count
            while self._window and self._window[0].done:
                # The digests first: the low-water mark must not pass a request without one.
                lowest = self._window[0]
                if self._digests is not None:
                    for extent, digest in zip(lowest.extents, lowest.digests, strict=True):
                        self._digests.add(*extent, digest)
                if self._chunks is not None:
                    for number, digest in lowest.chunks:
                        self._chunks.add(number, digest)
                self._window.popleft()
            self._changed.notify_all()

    def _halt(self, failure: BaseException | None) -> None:
        with self._changed:
            self._halted = True
            self._failure = self._failure or failure
            self._changed.notify_all()


class _Rest:
    """One thread's way to what a copy does not read of a chunk: the image below."""

    def __init__(self, image: WritableImage, below: ChunksBelow | None) -> None:
        self._image, self._below = image, below
        self._connection: ReadConnection | None = None

    def chunk(self, number: int, length: int) -> bytearray:
        """A chunk as the image below has it. ImageDamaged unless it is as that image's map says."""
        whole = bytearray(length)
        if self._below is None:
            return whole
        if self._connection is None:
            self._connection = self._image.connect_below()
        offset = number * CHUNK_BYTES
        # A disk that has grown is zero beyond its former end.
        there = min(length, max(0, self._connection.size_bytes - offset))
        if there:
            whole[:there] = self._connection.pread(there, offset)
        must = self._below.find(number)
        if digest_of_chunk(memoryview(whole)[:there]) != must.digest:
            raise ContentDamaged(
                f"The {there:,} bytes at {offset:,} of {must.locator or 'the image below'} are not"
                " those that were copied: the file is damaged. Check the storage; a copy of the"
                " disk in full begins a chain without this file.",
                locator=must.locator,
            )
        return whole

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _cut(buffer: memoryview, taken: Sequence[_Piece]) -> list[Read]:
    """Where the bytes of each extent go: one after the other."""
    reads, at = [], 0
    for piece in taken:
        for offset, length in piece.extents:
            reads.append(Read(offset, buffer[at : at + length]))
            at += length
    return reads


def _runs(view: memoryview, offset: int, old: bytearray | None) -> Iterator[tuple[_Kind, int, int]]:
    """Cut a request's bytes into runs ``(kind, start, end)`` of units that are treated the same."""
    run: tuple[_Kind, int, int] | None = None
    for kind, start, end in _units(view, offset, old):
        if run is not None and run[0] is kind:
            run = (kind, run[1], end)
            continue
        if run is not None:
            yield run
        run = (kind, start, end)
    if run is not None:
        yield run


def _units(
    view: memoryview, offset: int, old: bytearray | None
) -> Iterator[tuple[_Kind, int, int]]:
    start = 0
    while start < len(view):
        end = min(len(view), start + UNIT_BYTES - (offset + start) % UNIT_BYTES)
        unit = view[start:end]
        # startswith compares buffers with memcmp; == on a memoryview is 60 times slower (measured).
        if old is not None and old.startswith(unit, start):
            yield _Kind.SAME, start, end
        elif _ZERO.startswith(unit):
            yield _Kind.ZERO, start, end
        else:
            yield _Kind.DATA, start, end
        start = end
