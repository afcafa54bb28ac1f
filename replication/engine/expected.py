"""What a merged image must read as, from the digest maps of the two that were merged.

Beside the digests of what an image's own copy read (``.digests``), ``.merged`` tells of all that
the image holds since another one was merged with it. While that is under way it lies beside the
other one, as ``.merging``. The format is that of `digests`, with one addition: the digest `UNKNOWN`
says that the image holds these bytes, but that nobody knows which. Without such entries the next
merge would believe that the image below still shows there.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from replication.engine.digests import DigestEntry, digest_of_map, read_digests
from replication.engine.errors import ImageDamaged
from replication.engine.extents import Extent, requests
from replication.engine.regular import is_there

DIGESTS, MERGED, MERGING = ".digests", ".merged", ".merging"
MAP, MERGING_MAP = ".map", ".merging-map"

KEPT = (DIGESTS, MERGED, MAP)
"""What belongs to a committed image as long as it is there."""

BESIDE = re.compile(r"\.digests|\.merged|\.map|\.merging(-map)?(\.[0-9a-f]{32})?")
"""What is kept beside an image, under its name and one of these; the last one is a map that is
being written. Whoever writes one has a name of its own, so that nobody who comes late changes, or
takes for finished, what another one writes."""

UNKNOWN = bytes(16)

CLUSTER_BYTES = 64 << 10
"""Of the images that qemu-img makes unless told otherwise."""

SAMPLE_ENTRIES = 16
"""How much of what was not merged is read again, in requests of a copy: 64 MiB."""


def beside(image: Path, suffix: str) -> Path:
    """The file that belongs to an image and is kept in its folder."""
    return image.with_name(image.name + suffix)


def new_map(image: Path, suffix: str = MERGING) -> Path:
    """Where to write the map that is to become the image's `MERGING`, or its `MERGING_MAP`."""
    return beside(image, f"{suffix}.{uuid4().hex}")


def map_of(image: Path) -> Path:
    """The map that tells most about a finished image; it need not exist."""
    merged = beside(image, MERGED)
    return merged if is_there(merged) else beside(image, DIGESTS)


def trusted_map(image: Path, digest: str) -> Path | None:
    """The map of an image, if its entries have that digest."""
    path = map_of(image)
    if not digest or not is_there(path):
        return None
    try:
        return path if digest_of_map(path) == digest else None
    except ImageDamaged:
        return None


def entries(path: Path | None, size_bytes: int) -> Iterator[DigestEntry]:
    """Those of an image's map; without one, that nothing is known of it. Raises as `read_digests`
    does."""
    if path is None:
        return iter([DigestEntry(0, size_bytes, UNKNOWN)])
    return read_digests(path)


def together(upper: Iterable[DigestEntry], lower: Iterable[DigestEntry]) -> Iterator[DigestEntry]:
    """All entries of ``upper``, and what they leave of ``lower``, ascending. What is left of an
    entry that is half covered is `UNKNOWN`."""
    above = iter(upper)
    top = next(above, None)
    covered = 0
    for entry in lower:
        offset, end = max(entry.offset, covered), entry.offset + entry.length
        while top is not None and top.offset < end:
            if offset < top.offset:
                yield DigestEntry(offset, top.offset - offset, UNKNOWN)
            yield top
            covered = top.offset + top.length
            offset, top = max(offset, covered), next(above, None)
        if offset == entry.offset:
            yield entry
        elif offset < end:
            yield DigestEntry(offset, end - offset, UNKNOWN)
    if top is not None:
        yield top
    yield from above


class Part(NamedTuple):
    """A part of a merged image that is to be read again."""

    entry: DigestEntry
    """If it is `UNKNOWN`, the part can only be compared with the child."""
    is_merged: bool
    """Whether the child holds it."""


class Expectation:
    """What is to be read again of a merged image of ``size_bytes``.

    ``path``: its map; ``child``: the map of what was merged into it. All that the two have in
    common is compared, with the clusters around it, and `SAMPLE_ENTRIES` of the others, drawn at
    random. If nothing at all is known, everything is compared.
    """

    def __init__(self, path: Path, child: Path, size_bytes: int) -> None:
        self._path, self._size_bytes = path, size_bytes
        nothing = DigestEntry(0, size_bytes, UNKNOWN)
        self._compares_all = next(read_digests(path), None) == nothing
        # A child whose map cannot be trusted may have one that cannot be read.
        is_used = is_there(child) and not self._compares_all
        self._child = child if is_used else None
        others = covered = 0
        for entry, is_merged in self._entries():
            is_known = entry.digest != UNKNOWN
            covered += entry.length * is_known
            others += is_known and not is_merged
        self.bytes_covered = covered
        self._drawn = set(random.sample(range(others), min(SAMPLE_ENTRIES, others)))
        self.bytes_to_compare = sum(part.entry.length for part in self.to_compare())

    @property
    def digest(self) -> str:
        """The digest over all entries of the map."""
        return digest_of_map(self._path)

    def to_compare(self) -> Iterator[Part]:
        """About ascending; the same at each call."""
        number = merged_to = 0
        for entry, is_merged in self._entries():
            is_known = entry.digest != UNKNOWN
            if is_merged or self._compares_all:
                yield from _unknown(self._padding(merged_to, entry.offset))
                merged_to = entry.offset + entry.length
                yield from [Part(entry, True)] if is_known else _unknown([Extent(*entry[:2])])
            elif is_known:
                if number in self._drawn:
                    yield Part(entry, False)
                number += 1
        yield from _unknown(self._padding(merged_to, self._size_bytes))

    def _padding(self, start: int, end: int) -> list[Extent]:
        """What lies in one cluster with what was merged before, or with what comes after: the child
        holds whole clusters, and the digests end where its copy did."""
        first = min(end, -(-start // CLUSTER_BYTES) * CLUSTER_BYTES)
        last = max(first, end // CLUSTER_BYTES * CLUSTER_BYTES) if end < self._size_bytes else end
        return [Extent(at, to - at) for at, to in ((start, first), (last, end)) if at < to]

    def _entries(self) -> Iterator[tuple[DigestEntry, bool]]:
        """Each entry, and whether the child has it."""
        theirs = iter(()) if self._child is None else read_digests(self._child)
        child = next(theirs, None)
        for entry in read_digests(self._path):
            while child is not None and child.offset < entry.offset:
                child = next(theirs, None)
            yield entry, child == entry


def _unknown(extents: list[Extent]) -> Iterator[Part]:
    for part in requests(extents):
        yield Part(DigestEntry(*part, UNKNOWN), True)
