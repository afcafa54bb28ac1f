"""One NFC session: its opening in the old framing, then AIO messages, sent and received whole."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from contexts.vsphere.nfc import wire
from contexts.vsphere.nfc.connection import Connection
from contexts.vsphere.nfc.errors import NfcBroken, NfcRefused
from contexts.vsphere.nfc.wire import Aio, Old

PATIENCE_SECONDS = 60.0
_LARGEST_PAYLOAD = 1 << 16
_CLOSING_SECONDS = 1.0


class Message(NamedTuple):
    """The head of a message from the host; extra bytes are still to be received."""

    kind: int
    number: int
    payload: bytes


class Channel:
    """Takes the connection over and closes it. Many threads may send, one at a time receives.

    Every call raises NfcBroken when the connection ends, stalls for `PATIENCE_SECONDS` or carries
    what is not the protocol: then nothing more can be done with it.
    """

    def __init__(self, connection: socket.socket, doing: str) -> None:
        self._connection, self._doing = Connection(connection), doing
        self._sending = threading.Lock()
        self._next_number = 0
        # Whether hosts answer these messages is not known; nothing depends on it.
        self._settings: set[int] = set()
        try:
            self._open()
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> None:
        self._write(wire.handshake() + wire.old(Old.PARAMETERS))
        self._expect_old(Old.PARAMETERS_ANSWER)
        self._write(wire.version())
        answer = self._expect_old(Old.VERSION)
        (self.library_version,) = struct.unpack_from("<I", answer, 4)
        if self.library_version != wire.LIBRARY_VERSION:
            # Whatever goes wrong from here on may come from that: each error says so.
            self._doing += (
                f" (its NFC library has version {self.library_version}; vmrep knows"
                f" {wire.LIBRARY_VERSION})"
            )
        self._write(wire.connection_data(b"read disks") + wire.features() + wire.old(Old.OPEN_AIO))
        self._expect_old(Old.OPEN_AIO)
        number = self.send(Aio.OPEN_SESSION, wire.open_session())
        self.answer_to(number, Aio.OPEN_SESSION, payload_bytes=wire.SESSION.size)
        self._settings.add(self.send(Aio.SOCKET_OPTIONS, bytes(12)))
        self._settings.add(self.send(Aio.RESOURCE_POOL, struct.pack("<I", 1)))

    def close(self) -> None:
        """Close it, in the protocol's way if the connection still works. Never raises."""
        with contextlib.suppress(NfcBroken):
            self.send(Aio.CLOSE_SESSION, struct.pack("<I", 0), seconds=_CLOSING_SECONDS)
            self._write(wire.old(Old.COMPLETE), _CLOSING_SECONDS)
            with contextlib.suppress(OSError, ValueError):
                self._connection.await_end(time.monotonic() + _CLOSING_SECONDS)
        self.abort()
        self._connection.close()

    def abort(self) -> None:
        """A thread that waits for an answer gets NfcBroken; `close` is still due. Never raises."""
        self._connection.abort()

    def send(
        self,
        kind: Aio,
        payload: bytes,
        extra: bytes | memoryview = b"",
        seconds: float | None = None,
    ) -> int:
        """Returns the operation number, which the answer repeats."""
        with self._sending:
            number = self._next_number
            self._next_number += 1
            head = wire.HEADER.pack(wire.MAGIC, kind, len(payload), number)
            self._write(head + payload, seconds)
            if extra:
                self._write(extra, seconds)
        return number

    def send_many(
        self, kind: Aio, payloads: Sequence[bytes], expect: Callable[[range], None]
    ) -> None:
        """Several messages at once. `expect` is called with their operation numbers before any is
        sent, since another thread may receive the answers at once; it may raise."""
        with self._sending:
            numbers = range(self._next_number, self._next_number + len(payloads))
            expect(numbers)
            self._next_number = numbers.stop
            self._write(
                b"".join(
                    wire.HEADER.pack(wire.MAGIC, kind, len(payload), number) + payload
                    for number, payload in zip(numbers, payloads, strict=True)
                )
            )

    def send_more(self, number: int, kind: Aio, payload: bytes, extra: memoryview) -> None:
        """Another piece of an operation that was begun with `send`."""
        with self._sending:
            self._write(wire.HEADER.pack(wire.MAGIC, kind, len(payload), number) + payload)
            self._write(extra)

    def receive(self) -> Message:
        """The next message's header and payload. Raises NfcRefused for an error answer."""
        while True:
            deadline = time.monotonic() + PATIENCE_SECONDS
            head = self.receive_bytes(wire.HEADER.size, deadline)
            magic, kind, size, number = wire.HEADER.unpack(head)
            if magic != wire.MAGIC or size > _LARGEST_PAYLOAD:
                raise NfcBroken(
                    f"{self._doing}: the host sent what is not an NFC message ({head.hex(' ')})."
                )
            payload = self.receive_bytes(size, deadline)
            if number in self._settings:
                self._settings.discard(number)
                continue
            if kind == Aio.ERROR:
                raise self._refusal(payload)
            return Message(kind, number, payload)

    def answer_to(self, number: int, kind: Aio, *, payload_bytes: int) -> bytes:
        """The answer to a message, while nothing else is under way."""
        message = self.receive()
        if (message.number, message.kind) != (number, kind):
            raise NfcBroken(
                f"{self._doing}: message {number} was answered as {message.number}, of type"
                f" {message.kind} instead of {kind}."
            )
        if len(message.payload) != payload_bytes:
            raise NfcBroken(
                f"{self._doing}: an answer of {payload_bytes} bytes was expected, but"
                f" {len(message.payload)} came."
            )
        return message.payload

    def receive_bytes(self, length: int, deadline: float | None = None) -> bytes:
        found = bytearray(length)
        self.receive_into(memoryview(found), deadline)
        return bytes(found)

    def receive_into(self, view: memoryview, deadline: float | None = None) -> None:
        """Fill the whole of `view`; by `deadline` (of time.monotonic), else in the usual time."""
        if deadline is None:
            deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            self._connection.receive_into(view, deadline)
        except (OSError, ValueError) as problem:
            raise self._broken(problem) from problem

    def _write(self, data: bytes | memoryview, seconds: float | None = None) -> None:
        try:
            self._connection.send_all(data, time.monotonic() + (seconds or PATIENCE_SECONDS))
        except (OSError, ValueError) as problem:
            raise self._broken(problem) from problem

    def _broken(self, problem: OSError | ValueError) -> NfcBroken:
        if isinstance(problem, TimeoutError):
            return NfcBroken(
                f"{self._doing}: the host sent nothing for {PATIENCE_SECONDS:g} seconds."
            )
        return NfcBroken(f"{self._doing}: the connection broke ({problem}).")

    def _expect_old(self, kind: Old) -> bytes:
        answer = self.receive_bytes(wire.OLD_BYTES)
        (found,) = struct.unpack_from("<I", answer)
        if found != kind:
            raise NfcRefused(
                f"{self._doing}: the host answers {found} ({answer[4:36].hex(' ')}) where {kind}"
                f" was expected: this version of ESXi may speak another version of NFC."
            )
        return answer

    def _refusal(self, payload: bytes) -> NfcRefused:
        code = struct.unpack_from("<I", payload)[0] if len(payload) >= 4 else None
        return NfcRefused(
            f"{self._doing}: the host refuses it (NFC error {code}). If this continues, see the"
            " host's log (hostd.log, vpxa.log), and whether other products read from it at the same"
            " time: it has memory for about 8 to 10 disks.",
            transient=True,
        )
