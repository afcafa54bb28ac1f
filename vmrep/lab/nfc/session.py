"""One NFC session, from the host's side: opening, then messages until the client closes it."""

from __future__ import annotations

import random
import socket
import ssl
import struct

from vmrep.lab.control.injection import FAULT, Rule
from vmrep.lab.disks.disk import Disk
from vmrep.lab.nfc.files import Refusal, open_disk
from vmrep.lab.nfc.lies import CLOSE_FAULT, HUGE_BYTES, OPEN_FAULT, READ_FAULT
from vmrep.lab.nfc.tickets import LIBRARY_VERSION, Ticket
from vmrep.lab.world.objects import World

OLD_BYTES = 264
MAGIC = 0xA100DA7A
SECTOR = 512
MOST_BUFFER_BYTES = 2 << 20
LEAST_BUFFER_BYTES = 64 << 10
MOST_REQUEST_BYTES = 64 << 20
IDLE_SECONDS = 300.0
STALL_SECONDS = 3600.0
NOTHING = memoryview(b"")

_HEADER = struct.Struct("<IIII")
_PIECE = struct.Struct("<QQQIIIII")
_HEAD_BYTES = _HEADER.size + _PIECE.size

ERROR, OPEN_SESSION, CLOSE_SESSION, OPEN_FILE, CLOSE_FILE = 1, 2, 3, 4, 5
IO, SOCKET_OPTIONS, DESCRIPTOR_KEY, ALLOCATED_BLOCKS, RESOURCE_POOL = 7, 9, 11, 13, 22

_SIZES = {
    OPEN_SESSION: 16,
    CLOSE_SESSION: 4,
    OPEN_FILE: 60,
    CLOSE_FILE: 8,
    IO: 44,
    SOCKET_OPTIONS: 12,
    DESCRIPTOR_KEY: 16,
    ALLOCATED_BLOCKS: 48,
    RESOURCE_POOL: 4,
}


class _Ended(Exception):
    """The connection is over: the client closed it, or did what a host does not forgive."""


class NfcSession:
    """Serves one connection, in the calling thread."""

    def __init__(
        self, connection: socket.socket, world: World, ticket: Ticket, *, full: bool
    ) -> None:
        connection.settimeout(IDLE_SECONDS)
        self._connection, self._world, self._ticket, self._full = connection, world, ticket, full
        self.closed_cleanly = False
        self._expected_number = 0
        self._buffer_bytes, self._buffer = 0, NOTHING
        self._disk: Disk | None = None
        self._layer = 0
        self._handle = 0
        # How answers are cut and the order in which pieces come: the same each time.
        self._chance = random.Random(f"{ticket.vm}")  # noqa: S311  # no secret

    def serve(self) -> None:
        try:
            self._old_framing()
            while self._message():
                pass
            self._old(4)  # complete
            self.closed_cleanly = self._is_at_the_end()
        except _Ended:
            return

    # ------------------------------------------------------------ old framing

    def _old_framing(self) -> None:
        hello = self._old(43)
        if not hello.startswith(b"PlainText\0"):
            raise _Ended
        self._old(33)
        self._answer_old(36, at=16, value=1)
        if struct.unpack_from("<I", self._old(51)) == (0,):
            raise _Ended
        self._answer_old(51, at=4, value=LIBRARY_VERSION)
        client, operation = struct.unpack_from("<II", self._old(54))
        if client > 256 or operation > 256:
            raise _Ended
        self._receive(client + operation)
        self._old(55)
        self._old(52)
        self._answer_old(52)

    def _is_at_the_end(self) -> bool:
        """Whether the client waits for the host to close the connection: one that closes it first
        may have what it sent last thrown away."""
        self._connection.settimeout(0.02)
        try:
            return bool(self._connection.recv(1))
        except TimeoutError:
            return True
        except OSError:
            return False

    def _old(self, kind: int) -> bytes:
        message = self._receive(OLD_BYTES)
        if struct.unpack_from("<I", message)[0] != kind:
            raise _Ended
        return message[4:]

    def _answer_old(self, kind: int, at: int = 4, value: int = 0) -> None:
        answer = bytearray(OLD_BYTES)
        struct.pack_into("<I", answer, 0, kind)
        struct.pack_into("<I", answer, at, value)
        self._connection.sendall(answer)

    # ------------------------------------------------------------ AIO

    def _message(self) -> bool:
        """Serve one message; False after the last one."""
        magic, kind, size, number = _HEADER.unpack(self._receive(_HEADER.size))
        more_of_a_write = kind == IO and number == self._expected_number - 1
        if magic != MAGIC or _SIZES.get(kind) != size:
            raise _Ended
        if number != self._expected_number and not more_of_a_write:
            raise _Ended
        self._expected_number = number + 1
        payload = self._receive(size)
        if kind == OPEN_SESSION:
            self._open_session(number, payload)
        elif not self._buffer_bytes:
            raise _Ended  # nothing is allowed before the session is open
        elif kind in (SOCKET_OPTIONS, RESOURCE_POOL):
            if self._chance.random() < 0.5:  # whether a real host answers these is not known
                self._answer(kind, number, bytes(size))
        elif kind == OPEN_FILE:
            self._open_file(number, payload)
        elif kind == CLOSE_SESSION:
            return False
        else:
            self._on_disk(kind, number, payload)
        return True

    def _on_disk(self, kind: int, number: int, payload: bytes) -> None:
        """Messages that need an open disk."""
        handle = struct.unpack_from("<Q", payload)[0]
        if self._disk is None or handle != self._handle:
            if kind == DESCRIPTOR_KEY:
                self._receive(struct.unpack_from("<I", payload, 8)[0] & 0xFFF)
            self._error(number, 6)
        elif kind == IO:
            self._input_output(self._disk, number, payload)
        elif kind == ALLOCATED_BLOCKS:
            self._allocated(self._disk, number, payload)
        elif kind == DESCRIPTOR_KEY:
            self._descriptor_key(self._disk, number, payload)
        else:
            self._disk = None
            self._answer(CLOSE_FILE, number, bytes(8))
            while self._world.injection.take(CLOSE_FAULT, FAULT):
                self._answer(CLOSE_FILE, number, bytes(8))

    def _open_session(self, number: int, payload: bytes) -> None:
        _, buffer_bytes, count, _ = struct.unpack("<IIII", payload)
        fits = LEAST_BUFFER_BYTES <= buffer_bytes <= MOST_BUFFER_BYTES and 1 <= count <= 4
        if not fits or self._full:
            self._error(number, 13 if self._full else 22)
            raise _Ended
        self._buffer_bytes = buffer_bytes
        # One for the whole session: a new one for each piece costs as much as filling it.
        self._buffer = memoryview(bytearray(_HEAD_BYTES + buffer_bytes))
        self._answer(OPEN_SESSION, number, bytes(16))

    def _open_file(self, number: int, payload: bytes) -> None:
        length, kind, flags = struct.unpack("<I12xII36x", payload)
        if not 0 < length <= 4096:
            raise _Ended
        path = self._receive(length)
        rule = self._world.injection.take(OPEN_FAULT, FAULT)
        lie = rule.fault if rule is not None else ""
        if rule is not None and lie not in ("resized", "sectors"):
            self._misbehave(rule, number)
            return
        try:
            if kind != 2 or flags not in (0x1E, 0x1A):
                raise Refusal(22)
            writable = flags == 0x1A
            self._disk, self._layer = open_disk(self._world, self._ticket, path, writable=writable)
        except Refusal as refusal:
            self._error(number, refusal.code)
            return
        self._handle = self._chance.getrandbits(48) | 1
        size_bytes = self._disk.chain.capacity_bytes + (SECTOR if lie == "resized" else 0)
        sector_bytes = 8 * SECTOR if lie == "sectors" else SECTOR
        opened = struct.pack("<8xQII4xQI20x", self._handle, kind, flags, size_bytes, sector_bytes)
        self._answer(OPEN_FILE, number, opened)

    # ------------------------------------------------------------ reading and writing

    def _input_output(self, disk: Disk, number: int, payload: bytes) -> None:
        _, how, offset, length = struct.unpack_from("<QQQQ", payload)
        if how & 0xFFFFFFFF == 0:
            self._write(disk, number, payload)
            return
        inside = offset + length <= disk.chain.capacity_bytes
        if offset % SECTOR or length % SECTOR or not 0 < length <= MOST_REQUEST_BYTES or not inside:
            self._error(number, 22)
            return
        rule = self._world.injection.take(READ_FAULT, FAULT)
        for place, size in self._cut(length):
            data = self._buffer[_HEAD_BYTES : _HEAD_BYTES + size]
            disk.read_into(data, offset + place, self._layer)
            if rule is not None:
                self._misbehave(rule, number, offset, length, place, data)
                rule = None
                continue
            self._piece(number, offset, length, place, size)

    def _cut(self, length: int) -> list[tuple[int, int]]:
        """Pieces `(place, bytes)` of at most a buffer, now and then smaller, in any order."""
        pieces, at = [], 0
        while at < length:
            size = min(self._buffer_bytes, length - at)
            if size > 2 * SECTOR and self._chance.random() < 0.1:
                size = self._chance.randrange(1, size // SECTOR) * SECTOR
            pieces.append((at, size))
            at += size
        self._chance.shuffle(pieces)
        return pieces

    def _piece(self, number: int, offset: int, total: int, place: int, size: int) -> None:
        """What the buffer holds, behind its head: together they go out in one call."""
        _HEADER.pack_into(self._buffer, 0, MAGIC, IO, _PIECE.size, number)
        fields = (0, 1, offset, total, place, size, size, 0)
        _PIECE.pack_into(self._buffer, _HEADER.size, *fields)
        self._connection.sendall(self._buffer[: _HEAD_BYTES + size])
        self._world.meters.serve("nfc", size)

    def _write(self, disk: Disk, number: int, payload: bytes) -> None:
        _, _, offset, total, place, length, on_wire, _ = _PIECE.unpack(payload)
        if length > self._buffer_bytes or on_wire != length:
            raise _Ended
        data = self._receive(length)
        inside = offset + total <= disk.chain.capacity_bytes and place + length <= total
        if not self._ticket.writable or offset % SECTOR or length % SECTOR or not inside:
            self._error(number, 0x0B)
            return
        disk.write(offset + place, data)
        if place + length == total:
            self._answer(IO, number, _PIECE.pack(0, 0, offset, total, 0, total, 0, 0))

    def _allocated(self, disk: Disk, number: int, payload: bytes) -> None:
        _, _, chunk, start, count, _ = struct.unpack("<QQQQQQ", payload)
        end = start + chunk * count
        if not chunk or chunk % SECTOR or start % chunk or end > disk.chain.capacity_bytes + chunk:
            self._error(number, 22)
            return
        bits = bytearray(-(-count // 32) * 4)
        for first, last in disk.allocated(self._layer):
            low = max(first, start) // chunk
            high = -(-min(last, end) // chunk)
            for index in range(low - start // chunk, high - start // chunk):
                bits[index // 8] |= 1 << index % 8
        self._answer(ALLOCATED_BLOCKS, number, payload, bytes(bits))

    def _descriptor_key(self, disk: Disk, number: int, payload: bytes) -> None:
        length = struct.unpack_from("<I", payload, 8)[0]
        if not 0 < length <= 255:
            raise _Ended
        name = self._receive(length).decode("latin-1")
        value = self._descriptor(disk).get(name, "").encode()
        head = struct.pack("<QII", self._handle, length, len(value))
        self._answer(DESCRIPTOR_KEY, number, head, value)

    def _descriptor(self, disk: Disk) -> dict[str, str]:
        vm = self._world.objects.get(self._ticket.vm)
        record = getattr(vm, "record", None)
        device = record.config.disk(disk.chain.key) if record is not None else None
        return {"adapterType": "lsilogic", "uuid": device.uuid if device else ""}

    # ------------------------------------------------------------ misbehaving

    def _misbehave(
        self,
        rule: Rule,
        number: int,
        offset: int = 0,
        total: int = 0,
        place: int = 0,
        data: memoryview = NOTHING,
    ) -> None:
        """Do wrong what the control surface asked for (`lies.FAULTS`)."""
        size, kind = len(data), rule.fault
        if kind == "stall":
            # Until the client gives up, or the lab stops.
            self._connection.settimeout(STALL_SECONDS)
            self._receive(1)
        if kind == "close":
            raise _Ended
        if kind == "error" or not size:
            self._error(number, 5)
            return
        while kind == "empty":  # until the client closes the connection
            self._piece(number, offset, total, place, 0)
        if kind == "twice":
            self._piece(number, offset, total, place, size)
        head = _PIECE.pack(
            0,
            (2 << 32 | 1) if kind == "compressed" else 1,
            offset + (SECTOR if kind == "wrong_offset" else 0),
            total,
            place + (SECTOR if kind == "wrong_place" else 0),
            size - (SECTOR if kind == "short" else -SECTOR if kind == "long" else 0),
            size // 2 if kind == "compressed" else size,
            0,
        )
        magic = MAGIC ^ 1 if kind == "wrong_magic" else MAGIC
        number += 1000 if kind == "wrong_number" else 0
        payload_bytes = HUGE_BYTES if kind == "huge" else len(head)
        self._connection.sendall(_HEADER.pack(magic, IO, payload_bytes, number) + head)
        if kind == "close_notify":
            self._connection.sendall(data[: size // 2])
            assert isinstance(self._connection, ssl.SSLSocket)  # noqa: S101  only TLS has it
            self._connection.unwrap().sendall(data[size // 2 :])
            raise _Ended
        self._connection.sendall(data)

    # ------------------------------------------------------------ bytes

    def _error(self, number: int, code: int) -> None:
        self._answer(ERROR, number, struct.pack("<II", code, 0))

    def _answer(self, kind: int, number: int, payload: bytes, extra: bytes = b"") -> None:
        head = _HEADER.pack(MAGIC, kind, len(payload), number)
        self._connection.sendall(head + payload + extra)

    def _receive(self, length: int) -> bytes:
        found = bytearray(length)
        view, done = memoryview(found), 0
        while done < length:
            count = self._connection.recv_into(view[done:])
            if not count:
                raise _Ended
            done += count
        return bytes(found)
