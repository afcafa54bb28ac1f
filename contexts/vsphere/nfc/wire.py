"""The messages of NFC, byte by byte; everything that may vary between versions of ESXi.

All numbers are little-endian. Measured by observers against vCenter 8.0.1 and lone ESXi 8.0.1 and
8.0.3 hosts; ESXi 7 and 9 are unconfirmed.
"""

from __future__ import annotations

import struct
from enum import IntEnum

# ------------------------------------------------------------ old framing: 264 bytes a message

OLD_BYTES = 264
LIBRARY_VERSION = 11
CLIENT_NAME = b"vmrep"
_FEATURES = 3


class Old(IntEnum):
    """Types of the 264-byte messages."""

    COMPLETE = 4
    PARAMETERS = 33
    PARAMETERS_ANSWER = 36
    HANDSHAKE = 43
    VERSION = 51
    OPEN_AIO = 52
    CONNECTION_DATA = 54
    FEATURES = 55


def old(kind: Old, body: bytes = b"") -> bytes:
    """A message: its type, its fields from offset 4 on, zeroes."""
    return (struct.pack("<I", kind) + body).ljust(OLD_BYTES, b"\0")


def handshake() -> bytes:
    return old(Old.HANDSHAKE, b"PlainText")


def version() -> bytes:
    return old(Old.VERSION, struct.pack("<I", LIBRARY_VERSION))


def connection_data(operation: bytes) -> bytes:
    """With the two names that follow the message bare."""
    lengths = struct.pack("<II", len(CLIENT_NAME), len(operation))
    return old(Old.CONNECTION_DATA, lengths) + CLIENT_NAME + operation


def features() -> bytes:
    return old(Old.FEATURES, struct.pack("<I", _FEATURES))


# ------------------------------------------------------------ AIO framing

MAGIC = 0xA100DA7A
HEADER = struct.Struct("<IIII")
"""Magic, type, payload bytes, operation number. The payload follows, then the extra bytes."""


class Aio(IntEnum):
    """Types of the AIO messages."""

    ERROR = 1
    OPEN_SESSION = 2
    CLOSE_SESSION = 3
    OPEN_FILE = 4
    CLOSE_FILE = 5
    IO = 7
    SOCKET_OPTIONS = 9
    DESCRIPTOR_KEY = 11
    ALLOCATED_BLOCKS = 13
    RESOURCE_POOL = 22


BUFFER_BYTES = 2 << 20
"""The largest piece of data in one answer: 64 KiB to 2 MiB; 16 MiB is refused."""
BUFFER_COUNT = 4

SESSION = struct.Struct("<IIII")
_OPEN = struct.Struct("<I12xII36x")
OPENED = struct.Struct("<8xQII4xQI20x")
"""Handle, type, flags, capacity in bytes, sector size in bytes."""
_TO_READ, _TO_WRITE, _A_DISK = 0x1E, 0x1A, 2
_IO = struct.Struct("<QQQQIII")
PIECE = struct.Struct("<QQQIIIII")
"""Handle or 0, direction, offset of the request, its length, place of this piece within it, length
of the piece, its bytes on the wire, 0. The data follows, not counted in the payload."""
_BLOCKS = struct.Struct("<QQQQQQ")
BLOCKS_BYTES = _BLOCKS.size
_KEY = struct.Struct("<QII")
KEY_BYTES = _KEY.size

READ, WRITE = 1, 0


def open_session() -> bytes:
    return SESSION.pack(0, BUFFER_BYTES, BUFFER_COUNT, 0)


def open_file(path: bytes, *, writable: bool) -> bytes:
    """The path itself follows as extra bytes."""
    return _OPEN.pack(len(path), _A_DISK, _TO_WRITE if writable else _TO_READ)


def read(handle: int, offset: int, length: int) -> bytes:
    return _IO.pack(handle, READ, offset, length, length, length, 0)


def write_piece(handle: int, offset: int, total: int, place: int, length: int) -> bytes:
    """One piece of a write; the data follows."""
    return PIECE.pack(handle, WRITE, offset, total, place, length, length, 0)


def allocated_blocks(handle: int, chunk_bytes: int, first_chunk: int, chunks: int) -> bytes:
    return _BLOCKS.pack(handle, 0, chunk_bytes, first_chunk * chunk_bytes, chunks, 0)


def bitmap_bytes(chunks: int) -> int:
    """A bit a chunk, padded to whole words of 4 bytes."""
    return -(-chunks // 32) * 4


def descriptor_key(handle: int, name: bytes) -> bytes:
    """The name itself follows as extra bytes."""
    return _KEY.pack(handle, len(name), 0)
