"""A source and a target that are nothing but memory: what `Source` and `Target` promise, in short.

They keep the engine's walls honest: whatever holds a `Target` or a `Source` works with these, too.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import xxhash

from replication.engine.chunk_maps import CHUNK_BYTES, ZERO, Found, chunks_below, digest_of_chunk
from replication.engine.digests import DigestEntry, digest_of
from replication.engine.errors import (
    ImageAltered,
    ImageDamaged,
    ImageMissing,
    RepositoryUnavailable,
    SourceError,
    TargetError,
)
from replication.engine.expected import UNKNOWN
from replication.engine.manifest import Head, Manifest, encode, file_digest
from replication.engine.processes import ProcessIdentity, this_boot_id
from replication.engine.sources.base import Reader
from replication.engine.target import (
    PARENT,
    SIZE,
    Difference,
    Layer,
    Merged,
    Room,
    SealedImage,
    Stored,
    Stretch,
    Write,
)
from replication.engine.tenant import Tenant


class MemorySource(Reader):
    """A disk's content. It fails once so many bytes were read, if it is told to."""

    def __init__(self, content: bytes, fails_after_bytes: int | None = None) -> None:
        self.content = content
        self.fails_after_bytes = fails_after_bytes
        self.bytes_read = 0
        self._lock = threading.Lock()

    def connect(self) -> MemorySource:
        return self

    def read_into(self, offset: int, view: memoryview) -> None:
        with self._lock:
            limit = self.fails_after_bytes
            if limit is not None and self.bytes_read + len(view) > limit:
                raise SourceError("The memory is tired.", transient=True)
            self.bytes_read += len(view)
        view[:] = self.content[offset : offset + len(view)]

    def close(self) -> None:
        pass

    def abort(self) -> None:
        """No read of it waits for anything."""


@dataclass
class _Image:
    content: bytearray
    parent: str | None
    digests: list[tuple[int, int, bytes]] = field(default_factory=list)
    open: bool = False
    merged: list[tuple[int, int, bytes]] | None = None
    """All that is known of it since another was merged with it."""
    merging: list[tuple[int, int, bytes]] | None = None
    map: dict[int, bytes] = field(default_factory=dict)
    merging_map: dict[int, bytes] | None = None


class MemoryTarget:
    """A repository in a dictionary. What was not flushed is lost when a writer is killed."""

    place = "memory"

    def __init__(self) -> None:
        self.images: dict[str, _Image | None] = {}
        self.manifests: dict[str, Manifest] = {}
        self.taken_by: Tenant | None = None
        self.there = True

    def check(self) -> None:
        if not self.there:
            raise RepositoryUnavailable("The memory is gone.")

    def room(self) -> Room:
        self.check()
        return Room(device=-1, free_bytes=1 << 40, total_bytes=1 << 40)

    def try_writing(self) -> Room:
        return self.room()

    def retire(self) -> None:
        self.check()
        self.there = False

    def manifest_version(self, folder: str) -> int:
        self.check()
        return self.manifests[folder].version if folder in self.manifests else 0

    def manifest_head(self, folder: str) -> Head:
        self.check()
        if folder not in self.manifests:
            return Head(0, "")
        manifest = self.manifests[folder]
        return Head(manifest.version, file_digest(encode(manifest)))

    def tenant(self) -> Tenant | None:
        return self.taken_by

    def take(self, wanted: Tenant, *, over: bool = False) -> Tenant:
        if over or self.taken_by is None:
            self.taken_by = wanted
        return self.taken_by

    def read_manifest(self, folder: str) -> Manifest | None:
        self.check()
        return self.manifests.get(folder)

    def write_manifest(self, folder: str, manifest: Manifest) -> None:
        if self.manifest_version(folder) < manifest.version:
            self.manifests[folder] = manifest

    def remove_manifests(self, folder: str, up_to: int) -> None:
        if self.manifest_version(folder) <= up_to:
            self.manifests.pop(folder, None)

    def manifest_folders(self) -> Iterator[str]:
        self.check()
        return iter([folder for folder in self.manifests if folder])

    def create(
        self, chain: Sequence[Layer], *, may_begin: Callable[[], None] = lambda: None
    ) -> None:
        image, below = chain[0], chain[1:]
        self.check()
        if image.locator in self.images:
            raise TargetError(f"{image.locator} exists.")
        content = bytearray(image.size_bytes)
        if below:
            self._require(below)
            parent = self._image(below[0].locator).content
            if len(parent) > len(content):
                raise TargetError("The disk shrank.")
            content[: len(parent)] = parent
        self.images[image.locator] = None  # a place, and nothing in it
        try:
            may_begin()
        except BaseException:
            self.images.pop(image.locator, None)
            raise
        if image.locator not in self.images:
            raise TargetError(f"{image.locator} was taken away.")
        self.images[image.locator] = _Image(content, below[0].locator if below else None)

    def open(self, chain: Sequence[Layer]) -> MemoryImage:
        self._require(chain)
        below = self._image(chain[1].locator).content if len(chain) > 1 else None
        return MemoryImage(self._image(chain[0].locator), below)

    def open_readonly(
        self, chain: Sequence[Layer], *, past_the_cache: bool = False
    ) -> MemoryReader:
        self._require(chain)
        return MemoryReader(self._image(chain[0].locator).content)

    def open_digests(self, temporary: str, resume_offset: int = 0) -> MemoryDigests:
        return MemoryDigests(self._image(temporary).digests, resume_offset)

    def open_chunks(self, temporary: str, size_bytes: int, resume_offset: int = 0) -> MemoryChunks:
        image = self._image(temporary)
        first_dropped = chunks_below(resume_offset, size_bytes)
        image.map = {at: digest for at, digest in image.map.items() if at < first_dropped}
        return MemoryChunks([(temporary, image.map)], size_bytes)

    def chunk_map(self, chain: Sequence[Layer], digests: Sequence[str]) -> MemoryChunks:
        maps = [(layer.locator, self._image(layer.locator).map) for layer in chain]
        for (locator, one), digest in zip(maps, digests, strict=True):
            if _over_map(one) != digest:
                raise ImageDamaged("Its map is another one.", locator=locator)
        return MemoryChunks(maps, chain[0].size_bytes)

    def map_digest(self, locator: str) -> str | None:
        return _over_map(self._image(locator).map)

    def make_map(self, chain: Sequence[Layer], digest: str, *, on_wait: Callable[[], None]) -> str:
        image = self._image(chain[0].locator)
        for offset, length, expected in image.digests:
            if digest_of(image.content[offset : offset + length]) != expected:
                raise ImageDamaged("It is damaged.", locator=chain[0].locator)
            for number in range(offset // CHUNK_BYTES, -(-(offset + length) // CHUNK_BYTES)):
                at = number * CHUNK_BYTES
                image.map[number] = digest_of_chunk(image.content[at : at + CHUNK_BYTES])
                on_wait()
        return _over_map(image.map)

    def seal(self, temporary: str, final: str) -> SealedImage:
        self.check()
        if temporary in self.images and final in self.images:
            raise TargetError(f"{final} is never replaced.")
        if temporary in self.images:
            if self._image(temporary).open:
                raise TargetError(f"{temporary} is open.")
            self.images[final] = self.images.pop(temporary)
        size_bytes = len(self._image(final).content)
        return SealedImage(size_bytes, size_bytes)

    def discard(self, locator: str) -> None:
        self.check()
        self.images.pop(locator, None)

    def exists(self, locator: str) -> bool:
        self.check()
        return self.images.get(locator) is not None

    def differences(self, chain: Sequence[Layer]) -> list[Difference]:
        image = self._image(chain[0].locator)
        found = []
        if len(image.content) != chain[0].size_bytes:
            found.append(Difference(SIZE, f"is a disk of {len(image.content)} bytes"))
        if image.parent != (chain[1].locator if len(chain) > 1 else None):
            found.append(Difference(PARENT, f"is based on {image.parent}"))
        return found

    def check_image(self, locator: str, *, on_wait: Callable[[], None] | None = None) -> None:
        self._image(locator)

    def digest(self, locator: str) -> str | None:
        return _over_all(self._image(locator).digests)

    def sample_digests(
        self, locator: str, most: int, *, of_merged: bool = False
    ) -> list[DigestEntry]:
        image = self._image(locator)
        entries = (image.merged or []) if of_merged else image.digests
        drawn = random.sample(entries, min(most, len(entries)))
        return [entry for entry in map(DigestEntry._make, drawn) if entry.digest != UNKNOWN]

    def merged_digest(self, locator: str) -> str | None:
        merged = self._image(locator).merged
        return None if merged is None else _over_all(merged)

    def check_child(
        self, chain: Sequence[Layer], digest: str, *, on_wait: Callable[[float], None]
    ) -> None:
        child = self._image(chain[0].locator)
        known = child.digests if child.merged is None else child.merged
        on_wait(0.0)
        for offset, length, expected in known if _over_all(known) == digest else ():
            if digest_of(child.content[offset : offset + length]) != expected:
                raise ImageDamaged("It is damaged.", locator=chain[0].locator)

    def expect(self, chain: Sequence[Layer], digests: tuple[str, str]) -> None:
        child, removed = (self._image(layer.locator) for layer in chain[:2])
        known = [
            (image.digests if image.merged is None else image.merged) for image in (child, removed)
        ]
        upper, lower = known if _over_all(known[0]) == digests[0] else ([], [])
        if _over_all(lower) != digests[1]:
            lower = []
        touched = [
            low for low in lower if any(low[0] < e[0] + e[1] and e[0] < sum(low[:2]) for e in upper)
        ]
        child.merging = sorted([*upper, *(low for low in lower if low not in touched)])

    def expect_map(self, chain: Sequence[Layer], digests: tuple[str, str]) -> str:
        child, removed = (self._image(layer.locator) for layer in chain[:2])
        if not all(digests):
            return ""
        child.merging_map = removed.map | child.map
        return _over_map(child.merging_map)

    def merge(
        self,
        chain: Sequence[Layer],
        *,
        on_start: Callable[[ProcessIdentity], None],
        on_wait: Callable[[float], None],
    ) -> None:
        child, removed = (self._image(layer.locator) for layer in chain[:2])
        if child.merging is None:
            raise ImageMissing("Nobody said what to expect.")
        on_start(ProcessIdentity(1, 0, this_boot_id()))
        on_wait(0.0)
        removed.content[:] = child.content

    def check_merged(self, chain: Sequence[Layer], *, on_wait: Callable[[float], None]) -> Merged:
        child, removed = (self._image(layer.locator) for layer in chain[:2])
        if child.merging is None or len(removed.content) != len(child.content):
            raise TargetError("It is not merged.")
        on_wait(0.0)
        for offset, length, digest in child.merging:
            if digest_of(removed.content[offset : offset + length]) != digest:
                raise ImageDamaged("It is damaged.", locator=chain[1].locator)
        covered = sum(length for _, length, _ in child.merging)
        return Merged(covered, covered, _over_all(child.merging))

    def take_name(self, chain: Sequence[Layer]) -> SealedImage:
        child = self._image(chain[0].locator)
        removed = self.images.pop(chain[1].locator, None)
        if removed is not None:
            if child.merging is None:
                raise ImageMissing("Nobody said what to expect.")
            child.content, child.parent = removed.content, removed.parent
            child.merged, child.merging = child.merging, None
            child.map, child.merging_map = child.merging_map or child.map, None
        elif child.merged is None:
            raise ImageMissing(f"{chain[1].locator} is missing.")
        return SealedImage(len(child.content), len(child.content))

    def stored(self) -> Iterator[Stored]:
        for name in list(self.images):
            yield Stored(name, name, None)

    def still_stored(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.images]

    def _image(self, locator: str) -> _Image:
        self.check()
        image = self.images.get(locator)
        if image is None:
            raise ImageMissing(f"{locator} is missing.", locator=locator)
        return image

    def _require(self, chain: Sequence[Layer]) -> None:
        for number in range(len(chain)):
            if found := self.differences(chain[number:]):
                locator = chain[number].locator
                raise ImageAltered(f"{locator} {found[0].words}", locator=locator)


class MemoryImage:
    """A writable image: a copy of the content, which a flush puts back."""

    def __init__(self, image: _Image, below: bytearray | None) -> None:
        self._image, self._below = image, below
        self._content = bytearray(image.content)
        self._lock = threading.Lock()
        image.open = True
        # Of no process: nobody has to wait for its end.
        self.process = ProcessIdentity(1, 0, this_boot_id())

    def connect(self) -> MemoryImage:
        if not self._image.open:
            raise TargetError("The image is closed.")
        return self

    def pread(self, length: int, offset: int) -> bytearray:
        with self._lock:
            return self._content[offset : offset + length]

    def write_many(self, writes: Sequence[Write]) -> None:
        with self._lock:
            for offset, length, data in writes:
                self._content[offset : offset + length] = bytes(length) if data is None else data

    def connect_below(self) -> MemoryReader:
        if self._below is None:
            raise TargetError("It is based on nothing.")
        return MemoryReader(self._below)

    def flush(self) -> None:
        with self._lock:
            self._image.content[:] = self._content

    def close(self) -> None:
        """Of a connection or of the image: what was acknowledged is flushed either way."""
        self.flush()
        self._image.open = False

    def kill(self) -> None:
        self._image.open = False


class MemoryReader:
    def __init__(self, content: bytearray) -> None:
        self._content = content

    @property
    def size_bytes(self) -> int:
        return len(self._content)

    def connect(self) -> MemoryReader:
        return self

    def pread(self, length: int, offset: int) -> bytearray:
        return self._content[offset : offset + length]

    def stretches(self, offset: int, length: int) -> Iterator[Stretch]:
        yield Stretch(offset, length, False)

    def close(self) -> None:
        pass

    def __enter__(self) -> MemoryReader:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class MemoryDigests:
    def __init__(self, entries: list[tuple[int, int, bytes]], resume_offset: int) -> None:
        entries[:] = [entry for entry in entries if entry[0] < resume_offset]
        if any(offset + length > resume_offset for offset, length, _ in entries):
            raise ImageDamaged("There is an entry across the offset.")
        self._entries = entries

    @property
    def bytes_covered(self) -> int:
        return sum(length for _, length, _ in self._entries)

    def add(self, offset: int, length: int, digest: bytes) -> None:
        self._entries.append((offset, length, digest))

    def flush(self) -> None:
        pass

    def digest(self) -> str:
        return _over_all(self._entries)

    def close(self) -> None:
        pass


class MemoryChunks:
    """One map that is being written, or those of a chain, the image's own first."""

    def __init__(self, maps: list[tuple[str, dict[int, bytes]]], size_bytes: int) -> None:
        self._maps, self.size_bytes = maps, size_bytes

    def add(self, number: int, digest: bytes) -> None:
        self._maps[0][1][number] = digest

    def flush(self) -> None:
        pass

    def digest(self) -> str:
        return _over_map(self._maps[0][1])

    def find(self, number: int) -> Found:
        for locator, one in self._maps:
            if number in one:
                return Found(one[number], locator)
        return Found(ZERO, "")

    def lookup(self, number: int) -> bytes:
        return self.find(number).digest

    @property
    def count(self) -> int:
        return sum(len(one) for _, one in self._maps)

    def draw(self, most: int) -> list[tuple[int, bytes]]:
        known = list(self.records())
        return random.sample(known, min(most, len(known)))

    def records(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        numbers = sorted({number for _, one in self._maps for number in one})
        yield from ((number, self.lookup(number)) for number in numbers if number >= start)

    def close(self) -> None:
        pass


def _over_map(records: dict[int, bytes]) -> str:
    hasher = xxhash.xxh3_128()
    for number, digest in sorted(records.items()):
        hasher.update(number.to_bytes(8, "little") + digest)
    return hasher.hexdigest()


def _over_all(entries: list[tuple[int, int, bytes]]) -> str:
    hasher = xxhash.xxh3_128()
    for offset, length, digest in entries:
        hasher.update(offset.to_bytes(8, "little") + length.to_bytes(8, "little") + digest)
    return hasher.hexdigest()
