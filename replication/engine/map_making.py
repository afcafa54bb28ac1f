"""The chunk map of an image that was copied before there were any, made from what it reads as.

Only the chunks of which its own copy (or what was merged with it) read anything are read: what it
has besides is the image's below. Where digests of requests are kept, they are compared first, so
that what has rotted since is not called right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

import xxhash

from replication.engine.chunk_maps import CHUNK_BYTES, digest_of_chunk
from replication.engine.digests import DigestEntry
from replication.engine.errors import ContentDamaged
from replication.engine.expected import UNKNOWN
from replication.engine.extents import Extent, requests
from replication.engine.target import ReadableImage, ReadConnection


def chunks_of(
    image: ReadableImage,
    entries: Callable[[], Iterable[DigestEntry]],
    size_bytes: int,
    locator: str,
    on_wait: Callable[[], None],
) -> Iterator[tuple[int, bytes]]:
    """Number and digest of each chunk that the image's entries touch, ascending.

    ``entries`` gives them each time it is called. ImageDamaged when one has another digest now.
    ``on_wait`` is called after each read; whatever it raises comes out.
    """
    with closing(image.connect()) as connection:
        for entry in entries():
            if entry.digest != UNKNOWN and digest_in(connection, entry, on_wait) != entry.digest:
                raise ContentDamaged(
                    f"The {entry.length:,} bytes at {entry.offset:,} of {locator} are not those"
                    " that were copied: the file is damaged. Check the storage; a copy of the disk"
                    " in full begins a chain without this file.",
                    locator=locator,
                )
        for number in _numbers(entries()):
            at = number * CHUNK_BYTES
            yield number, digest_of_chunk(connection.pread(min(CHUNK_BYTES, size_bytes - at), at))
            on_wait()


def _numbers(entries: Iterable[DigestEntry]) -> Iterator[int]:
    last = -1
    for entry in entries:
        first = max(last + 1, entry.offset // CHUNK_BYTES)
        end = -(-(entry.offset + entry.length) // CHUNK_BYTES)
        yield from range(first, end)
        last = max(last, end - 1)


def digest_in(
    connection: ReadConnection, entry: DigestEntry, on_wait: Callable[[], None] = lambda: None
) -> bytes:
    """The digest that an entry's bytes have now."""
    hasher = xxhash.xxh3_128()
    for part in requests([Extent(entry.offset, entry.length)]):
        hasher.update(connection.pread(part.length, part.offset))
        on_wait()
    return hasher.digest()
