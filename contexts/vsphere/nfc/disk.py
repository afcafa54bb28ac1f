"""One disk, opened over one NFC session."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from contexts.vsphere.names import may_be_same_disk
from contexts.vsphere.nfc import authd, wire
from contexts.vsphere.nfc.channel import Channel, Message
from contexts.vsphere.nfc.errors import NfcBroken, NfcError, NfcRefused
from contexts.vsphere.nfc.tickets import Ticket
from contexts.vsphere.nfc.wire import Aio
from contexts.vsphere.texts import MOST_IDENTIFIER, cut

_KEY_LIMIT_BYTES = 4096
_PIECES_LIMIT = 4096


Read = tuple[int, memoryview]
"""An offset on the disk, and where the bytes from there on go."""


class _Reading:
    """What one thread reads: it is over when all its requests are answered."""

    def __init__(self, requests: int, lock: threading.Lock) -> None:
        self.unanswered = requests
        self.changed = threading.Condition(lock)


@dataclass(slots=True)
class _Request:
    """A read that is under way: where its bytes go, and which have come."""

    reading: _Reading
    offset: int
    view: memoryview
    came: list[tuple[int, int]] = field(default_factory=list)
    came_bytes: int = 0

    @property
    def done(self) -> bool:
        return self.came_bytes == len(self.view)

    def overlaps(self, place: int, length: int) -> bool:
        return any(place < end and start < place + length for start, end in self.came)


class NfcDisk:
    """A disk as of one link of its chain. `path` is the snapshot's backing, "[datastore] x/y.vmdk";
    `disk_uuid`, where it is known, must be the one in its descriptor.

    Reads may be made by several threads at once, over the one connection: requests go out
    together, and one of the threads that wait receives for all, until its own are answered. Only
    the thread whose last answer came is woken. After the first failure every call raises it: a new
    connection needs a new ticket.
    """

    def __init__(
        self,
        ticket: Ticket,
        path: str,
        capacity_bytes: int,
        doing: str,
        *,
        disk_uuid: str | None = None,
        writable: bool = False,
    ) -> None:
        self._doing = f"{doing} over NFC from {ticket.host}"
        # Everything below is guarded by this lock.
        self._lock = threading.Lock()
        self._requests: dict[int, _Request] = {}
        self._waiting: dict[_Reading, None] = {}  # for answers; the first has waited longest
        self._receiving = False
        self._rested = threading.Condition(self._lock)
        self._failure: NfcError | None = None
        self._channel = Channel(authd.connect(ticket, doing), self._doing)
        try:
            self._handle = self._open(path, capacity_bytes, writable=writable)
            if disk_uuid is not None:
                self._require_same_disk(path, disk_uuid)
        except BaseException:
            self._channel.close()
            raise
        self.capacity_bytes = capacity_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, path: str, capacity_bytes: int, *, writable: bool) -> int:
        name = path.encode()
        number = self._channel.send(
            Aio.OPEN_FILE, wire.open_file(name, writable=writable), extra=name
        )
        answer = self._channel.answer_to(number, Aio.OPEN_FILE, payload_bytes=wire.OPENED.size)
        handle, _, _, size_bytes, self.sector_bytes = wire.OPENED.unpack(answer)
        if size_bytes != capacity_bytes:
            raise NfcRefused(
                f"{self._doing}: {path} has {size_bytes} bytes, not the {capacity_bytes} of the"
                " plan. Was the disk resized just now?",
                transient=True,
            )
        if self.sector_bytes not in (512, 4096):
            raise NfcRefused(f"{self._doing}: {path} has sectors of {self.sector_bytes} bytes.")
        return int(handle)

    def _require_same_disk(self, path: str, disk_uuid: str) -> None:
        found = self.descriptor_key("uuid")
        if not may_be_same_disk(found, disk_uuid):
            shown = cut(found or "", MOST_IDENTIFIER)
            raise NfcRefused(
                f"{self._doing}: {path} is another disk (UUID {shown}, not {disk_uuid}). It was"
                " replaced outside vSphere: register the VM again."
            )

    def _require_whole_sectors(self, offset: int, length: int) -> None:
        if offset % self.sector_bytes or length % self.sector_bytes:
            raise NfcRefused(
                f"{self._doing}: {length} bytes at {offset} are not made of the disk's sectors of"
                f" {self.sector_bytes} bytes. Read it over another transport."
            )

    def close(self) -> None:
        """Close file and session. Never raises."""
        if self._failure is None:
            with contextlib.suppress(NfcError):
                self._channel.send(Aio.CLOSE_FILE, self._handle.to_bytes(8, "little"))
        else:
            self._channel.abort()
            self._await_rest()
        self._channel.close()

    def abort(self) -> None:
        """End it at once, whatever other threads wait for: their calls raise NfcBroken."""
        self._channel.abort()
        self._fail(NfcBroken(f"{self._doing}: it was stopped.", transient=False))

    # ---------------------------------------------------------------- reading

    def read_into(self, offset: int, view: memoryview) -> bool:
        """`read_many` of one range; whether it was read."""
        return not self.read_many([(offset, view)])

    def read_many(self, reads: Sequence[Read]) -> list[Read]:
        """Fill each view with the bytes from its offset on, all in whole sectors.

        When the connection fails transiently in mid-request, the reads that were not answered in
        whole are returned: nothing in their views is to be believed, since only a request is whose
        pieces all fit together. Other failures are raised. Either way nothing is written into any
        view any more.
        """
        for offset, view in reads:
            self._require_whole_sectors(offset, len(view))
        reading = _Reading(len(reads), self._lock)
        requests = [_Request(reading, offset, view) for offset, view in reads]

        def expect(numbers: range) -> None:
            with self._lock:
                self._raise_failure()
                self._requests.update(zip(numbers, requests, strict=True))

        asking = [wire.read(self._handle, offset, len(view)) for offset, view in reads]
        try:
            self._channel.send_many(Aio.IO, asking, expect)
            self._await(reading)
        except NfcError as failure:
            self._fail(failure)
            self._await_rest()
            if not failure.transient:
                raise
        return [(it.offset, it.view) for it in requests if not it.done]

    @property
    def failure(self) -> NfcError | None:
        """Why the connection can no longer be used."""
        return self._failure

    def _await(self, reading: _Reading) -> None:
        """Receive, or let another thread receive, until all requests are answered."""
        with self._lock:
            self._waiting[reading] = None
            while self._receiving and reading.unanswered and self._failure is None:
                reading.changed.wait()
            self._waiting.pop(reading, None)
            if not reading.unanswered:
                return
            self._raise_failure()
            self._receiving = True
        try:
            while reading.unanswered:
                self._take(self._channel.receive())
        except BaseException as problem:
            # At once: what comes next must not be taken for an answer by the next thread.
            words = f"{self._doing}: receiving was interrupted."
            self._fail(problem if isinstance(problem, NfcError) else NfcBroken(words))
            raise
        finally:
            with self._lock:
                self._receiving = False
                self._rested.notify_all()
                for longest in self._waiting:
                    longest.changed.notify()  # it receives from now on
                    break

    def _await_rest(self) -> None:
        """Wait until no thread receives any more: it might be filling one of our views. After a
        failure none begins."""
        with self._lock:
            while self._receiving:
                self._rested.wait()

    def _take(self, message: Message) -> None:
        """One piece of an answer, put where it belongs."""
        with self._lock:
            request = self._requests.get(message.number)
        if request is None or message.kind != Aio.IO or len(message.payload) != wire.PIECE.size:
            raise NfcBroken(
                f"{self._doing}: the host answers {message.number} (type {message.kind},"
                f" {len(message.payload)} bytes) without having been asked."
            )
        _, _, offset, total, place, length, on_wire, _ = wire.PIECE.unpack(message.payload)
        wrong = _wrong_piece(request, offset, total, place, length, on_wire)
        if wrong:
            raise NfcBroken(f"{self._doing}: a piece of the disk at {request.offset} {wrong}.")
        self._channel.receive_into(request.view[place : place + length])
        request.came.append((place, place + length))
        request.came_bytes += length
        if request.done:
            self._note_answered(message.number, request.reading)

    def _note_answered(self, number: int, reading: _Reading) -> None:
        with self._lock:
            del self._requests[number]
            reading.unanswered -= 1
            if not reading.unanswered:
                self._waiting.pop(reading, None)  # it has nothing more to receive
                reading.changed.notify()

    def _fail(self, failure: NfcError) -> None:
        with self._lock:
            self._failure = self._failure or failure
            self._channel.abort()
            for reading in self._waiting:
                reading.changed.notify()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # ---------------------------------------------------------------- the rest

    def write(self, offset: int, data: memoryview) -> None:
        """Write whole sectors; returns when the host has acknowledged all of it."""
        self._require_whole_sectors(offset, len(data))
        number: int | None = None
        for place in range(0, len(data), wire.BUFFER_BYTES):
            piece = data[place : place + wire.BUFFER_BYTES]
            head = wire.write_piece(self._handle, offset, len(data), place, len(piece))
            if number is None:
                number = self._channel.send(Aio.IO, head, extra=piece)
            else:
                self._channel.send_more(number, Aio.IO, head, piece)
        if number is not None:
            self._channel.answer_to(number, Aio.IO, payload_bytes=wire.PIECE.size)

    def allocated(self, chunk_bytes: int, first_chunk: int, chunks: int) -> bytes:
        """A bitmap of `chunks` chunks, least significant bit first; 1 means allocated.

        Stale on a disk that was written through this connection.
        """
        ask = wire.allocated_blocks(self._handle, chunk_bytes, first_chunk, chunks)
        number = self._channel.send(Aio.ALLOCATED_BLOCKS, ask)
        self._channel.answer_to(number, Aio.ALLOCATED_BLOCKS, payload_bytes=wire.BLOCKS_BYTES)
        return self._channel.receive_bytes(wire.bitmap_bytes(chunks))

    def descriptor_key(self, name: str) -> str | None:
        """A value of the disk's descriptor, without "ddb." ("uuid"); None: it is not there."""
        key = name.encode("ascii")
        ask = wire.descriptor_key(self._handle, key)
        number = self._channel.send(Aio.DESCRIPTOR_KEY, ask, extra=key)
        answer = self._channel.answer_to(number, Aio.DESCRIPTOR_KEY, payload_bytes=wire.KEY_BYTES)
        length = int.from_bytes(answer[12:16], "little")
        if length > _KEY_LIMIT_BYTES:
            raise NfcBroken(f"{self._doing}: the value of {name} has {length} bytes.")
        value = self._channel.receive_bytes(length)
        return value.rstrip(b"\0").decode("utf-8", errors="replace") if length else None


def _wrong_piece(
    request: _Request, offset: int, total: int, place: int, length: int, on_wire: int
) -> str:
    """Why a piece cannot be right, in words; empty when it is as it must be."""
    if offset != request.offset or total != len(request.view):
        return f"belongs to {total} bytes at {offset}"
    if not 0 < length <= total - place:
        return f"of {length} bytes lies at {place} of {total}"
    if on_wire != length:
        return "is compressed, which was not asked for"
    if request.overlaps(place, length):
        return f"at {place} came twice"
    if len(request.came) >= _PIECES_LIMIT:
        return "comes in too many parts"
    return ""
