"""Reading an image back, whole, and comparing each chunk with the digest that it must have."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from contextvars import copy_context
from queue import SimpleQueue
from typing import NamedTuple

from replication.engine.chunk_maps import CHUNK_BYTES, ZERO, digest_of_chunk
from replication.engine.errors import TargetError
from replication.engine.extents import REQUEST_BYTES
from replication.engine.target import ReadableImage, ReadConnection

CONNECTIONS = 4
AHEAD = 16
"""How many requests are under way or wait to be compared: memory stays bounded."""
WINDOW_BYTES = 1 << 30
"""For so much of the disk at once it is asked what is known to be zero."""

_CHUNKS = REQUEST_BYTES // CHUNK_BYTES


class Wrong(NamedTuple):
    """A chunk of a disk that is not as it must be."""

    offset: int
    length: int
    why: str
    """Completes "the bytes there …"."""


class Progress(NamedTuple):
    """All below `offset` was compared; the rest tells of what was since the last one."""

    offset: int
    bytes_read: int
    wrong: Sequence[Wrong]


class _Part(NamedTuple):
    """Chunks that follow one another, with the digests that they must have."""

    first: int
    expected: Sequence[bytes]
    is_zero: bool
    """The image itself knows that they read as zeroes."""


def read_back(
    image: ReadableImage,
    known: Iterable[tuple[int, bytes]],
    size_bytes: int,
    *,
    start_offset: int = 0,
    bytes_per_second: float | None = None,
) -> Generator[Progress]:
    """Compare all from `start_offset` (where a chunk begins) on, in order.

    ``known``: numbers of chunks, ascending, with their digests, from that chunk on. A chunk without
    one must be zero. Whoever has enough closes the iterator. What cannot be read is `Wrong`, too;
    TargetError when nothing can be read any more.
    """
    parts = _parts(image, known, size_bytes, start_offset)
    pace = _Pace(bytes_per_second)
    with ExitStack() as opened:
        connections: SimpleQueue[ReadConnection] = SimpleQueue()
        for _ in range(CONNECTIONS):
            connections.put(opened.enter_context(closing(image.connect())))
        pool = opened.enter_context(ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="verify"))
        opened.callback(pool.shutdown, cancel_futures=True)

        def compared(part: _Part) -> Progress:
            connection = connections.get()
            try:
                return _compared(image, connection, part, size_bytes)
            finally:
                connections.put(connection)

        waiting: deque[Future[Progress]] = deque()
        for part in parts:
            if part.is_zero:
                waiting.append(_done(_without_reading(part, size_bytes)))
            else:
                pace.wait(len(part.expected) * CHUNK_BYTES)
                waiting.append(pool.submit(copy_context().run, compared, part))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def wrong_chunks(
    image: ReadableImage, known: Iterable[tuple[int, bytes]], size_bytes: int
) -> list[Wrong]:
    """Those of the chunks, given with the digests that they must have, that are not as they must
    be. Only these are read."""
    found: list[Wrong] = []
    with closing(image.connect()) as connection:
        for number, digest in known:
            part = _Part(number, [digest], is_zero=False)
            found += _compared(image, connection, part, size_bytes).wrong
    return found


def _done(progress: Progress) -> Future[Progress]:
    future: Future[Progress] = Future()
    future.set_result(progress)
    return future


class _Pace:
    """Keeps reads below a rate, evenly."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._rate = bytes_per_second
        self._free_at = time.monotonic()

    def wait(self, count: int) -> None:
        if not self._rate:
            return
        now = time.monotonic()
        if self._free_at > now:
            time.sleep(self._free_at - now)
        self._free_at = max(self._free_at, now) + count / self._rate


# --- What is to be compared ---------------------------------------------------------------------


def _parts(
    image: ReadableImage, known: Iterable[tuple[int, bytes]], size_bytes: int, start_offset: int
) -> Iterator[_Part]:
    expected = _Expected(known)
    with closing(image.connect()) as connection:
        if connection.size_bytes != size_bytes:
            raise TargetError(
                f"The image has {connection.size_bytes} bytes, not the {size_bytes} of its row."
            )
        for offset in range(start_offset, size_bytes, WINDOW_BYTES):
            length = min(WINDOW_BYTES - offset % WINDOW_BYTES, size_bytes - offset)
            for first, end, is_zero in _runs(connection, offset, length, size_bytes):
                # What is known to be zero costs nothing, so little of it is worth a part.
                most = end - first if is_zero else _CHUNKS
                for at in range(first, end, most):
                    to = min(at + most, end)
                    if is_zero:
                        yield from expected.nonzero(at, to)
                    else:
                        yield _Part(at, expected.between(at, to), is_zero=False)


def _runs(
    connection: ReadConnection, offset: int, length: int, size_bytes: int
) -> Iterator[tuple[int, int, bool]]:
    """Chunks from one number to before another, and whether all of them are known to be zero."""
    at, end = offset // CHUNK_BYTES, -(-(offset + length) // CHUNK_BYTES)
    for zero_from, zero_to in _zeroes(connection, offset, length):
        first = -(-zero_from // CHUNK_BYTES)
        last = end if zero_to == size_bytes else zero_to // CHUNK_BYTES
        if first >= last:
            continue
        if at < first:
            yield at, first, False
        yield first, last, True
        at = last
    if at < end:
        yield at, end, False


def _zeroes(connection: ReadConnection, offset: int, length: int) -> Iterator[tuple[int, int]]:
    """Where the image knows that it reads as zeroes: neighbours are one."""
    begun: int | None = None
    for at, _, is_zero in connection.stretches(offset, length):
        if is_zero and begun is None:
            begun = at
        elif not is_zero and begun is not None:
            yield begun, at
            begun = None
    if begun is not None:
        yield begun, offset + length


class _Expected:
    """The digests that chunks must have, asked for in order."""

    def __init__(self, known: Iterable[tuple[int, bytes]]) -> None:
        self._known = iter(known)
        self._next = next(self._known, None)

    def between(self, first: int, end: int) -> list[bytes]:
        found = [ZERO] * (end - first)
        for number, digest in self._taken(end):
            if number >= first:
                found[number - first] = digest
        return found

    def nonzero(self, first: int, end: int) -> Iterator[_Part]:
        """Parts without reading: chunk by chunk only where something else than zero is expected."""
        at = first
        for number, digest in self._taken(end):
            if digest != ZERO and number >= first:
                if at < number:
                    yield _Part(at, _Zeroes(number - at), is_zero=True)
                yield _Part(number, [digest], is_zero=True)
                at = number + 1
        if at < end:
            yield _Part(at, _Zeroes(end - at), is_zero=True)

    def _taken(self, end: int) -> Iterator[tuple[int, bytes]]:
        while self._next is not None and self._next[0] < end:
            yield self._next
            self._next = next(self._known, None)


class _Zeroes(Sequence[bytes]):
    """As many `ZERO`s, however many, without memory."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: object) -> bytes:  # type: ignore[override]
        return ZERO


# --- Comparing ----------------------------------------------------------------------------------


def _end(part: _Part, size_bytes: int) -> int:
    return min((part.first + len(part.expected)) * CHUNK_BYTES, size_bytes)


def _without_reading(part: _Part, size_bytes: int) -> Progress:
    end = _end(part, size_bytes)
    if isinstance(part.expected, _Zeroes):
        return Progress(end, 0, [])
    offset = part.first * CHUNK_BYTES
    return Progress(
        end, 0, [Wrong(offset, end - offset, "are gone: the file says that they are 0")]
    )


def _compared(
    image: ReadableImage, connection: ReadConnection, part: _Part, size_bytes: int
) -> Progress:
    offset, end = part.first * CHUNK_BYTES, _end(part, size_bytes)
    try:
        data = memoryview(connection.pread(end - offset, offset))
    except TargetError:
        wrong = list(_chunk_by_chunk(image, part, size_bytes))
    else:
        wrong = []
        for number, digest in enumerate(part.expected):
            chunk = data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
            if digest_of_chunk(chunk) != digest:
                wrong.append(_differs(offset + number * CHUNK_BYTES, len(chunk)))
    return Progress(end, end - offset, wrong)


def _chunk_by_chunk(image: ReadableImage, part: _Part, size_bytes: int) -> Iterator[Wrong]:
    """After an error: which of the chunks cannot be read. A new connection shows that anything can
    be read at all: without it TargetError is raised."""
    for number, digest in enumerate(part.expected, part.first):
        offset = number * CHUNK_BYTES
        length = min(CHUNK_BYTES, size_bytes - offset)
        with closing(image.connect()) as connection:
            try:
                chunk = memoryview(connection.pread(length, offset))
            except TargetError as problem:
                yield Wrong(offset, length, f"cannot be read: {problem}")
                continue
        if digest_of_chunk(chunk) != digest:
            yield _differs(offset, length)


def _differs(offset: int, length: int) -> Wrong:
    return Wrong(offset, length, "are not those that were copied")
