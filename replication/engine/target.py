"""What a repository must be able to do. A directory of qcow2 images is the first kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from replication.engine.chunk_maps import Found
from replication.engine.digests import DigestEntry
from replication.engine.manifest import Head, Manifest
from replication.engine.processes import ProcessIdentity
from replication.engine.tenant import Tenant


class Layer(NamedTuple):
    """An image as its row describes it.

    A *chain* is an image and all images that it is based on: itself first, the root last.
    """

    locator: str
    size_bytes: int
    as_committed: str = ""
    """What its files were when it was committed (`facts.Facts`); empty: they are not compared."""


class SealedImage(NamedTuple):
    """A finished image's use of space."""

    allocated_bytes: int
    """The space that the file takes on the storage now."""
    file_bytes: int
    """The file's length: with holes, it is larger than the space that it takes."""
    as_committed: str = ""
    """What its files are now, by which a later change of them is noticed (`facts.Facts`)."""


class Merged(NamedTuple):
    """An image into which another was merged, and that was found to be right."""

    bytes_compared: int
    """How many bytes were read again and compared, with digests or with the other image."""
    bytes_covered: int
    """How many bytes of the disk have a digest."""
    digest: str
    """Over all entries of its digests, as 32 hex digits."""


class Stretch(NamedTuple):
    """A part of an image that is either known to read as zeroes, or may contain anything."""

    offset: int
    length: int
    zero: bool


class Difference(NamedTuple):
    """What an image says about itself that its row does not say."""

    aspect: str
    """SIZE, PARENT or FORM: of its header. CHANGED, OPENED or DOUBTED: of its files' facts."""
    words: str
    """Completes "the file …"."""


SIZE, PARENT, FORM = "size", "parent", "form"
CHANGED, OPENED, DOUBTED = "changed", "opened", "doubted"
"""A file was written to after the commit; by a program that opened it as an image; a file may have
been: it was copied, renamed or given other rights, none of which changes its content."""


class Stored(NamedTuple):
    """Something that is stored in a repository."""

    name: str
    """The storage's name for it."""
    locator: str
    """The image that it belongs to, if there is one."""
    attempt: int | None
    """The attempt that an unfinished image belongs to."""


class Room(NamedTuple):
    """How full a file system is, without the space reserved for root."""

    device: int
    """Tells whether two repositories share it."""
    free_bytes: int
    total_bytes: int


class ReadConnection(Protocol):
    """One thread's way to an image. Every call raises TargetError when it fails."""

    @property
    def size_bytes(self) -> int:
        """The image's virtual size."""
        ...

    def pread(self, length: int, offset: int) -> bytearray:
        """Exactly ``length`` bytes."""
        ...

    def stretches(self, offset: int, length: int) -> Iterator[Stretch]:
        """Which parts of a range are known to be zero, in order and without a gap."""
        ...

    def close(self) -> None:
        """Give the connection back. Never raises."""
        ...


class Write(NamedTuple):
    """What a range of an image becomes: these bytes or, without any, zeroes."""

    offset: int
    length: int
    data: memoryview | None


class Connection(Protocol):
    """One thread's way to a writable image. Every call raises TargetError when it fails."""

    def pread(self, length: int, offset: int) -> bytearray:
        """Exactly ``length`` bytes."""
        ...

    def write_many(self, writes: Sequence[Write]) -> None:
        """Make all these writes, which do not overlap, in any order."""
        ...

    def close(self) -> None:
        """Give the connection back. Never raises."""
        ...


class ReadableImage(Protocol):
    """An image, with all images that it is based on, open for reading until the block ends."""

    def connect(self) -> ReadConnection:
        """A connection for the calling thread."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class WritableImage(Protocol):
    """An opened image that is being written."""

    @property
    def process(self) -> ProcessIdentity:
        """Who has the image open: nobody may resume it while that process lives."""
        ...

    def connect(self) -> Connection:
        """A connection for the calling thread."""
        ...

    def connect_below(self) -> ReadConnection:
        """A connection to the image that this one is based on, for the calling thread. TargetError
        when it is a root."""
        ...

    def flush(self) -> None:
        """Make all that was acknowledged, on any connection, permanent."""
        ...

    def close(self) -> None:
        """Flush and finish. It may take long."""
        ...

    def kill(self) -> None:
        """Stop at once; what was not flushed may be lost. Never waits for storage."""
        ...


class Digests(Protocol):
    """The digest of every request of a copy; see `engine.digests`."""

    @property
    def bytes_covered(self) -> int:
        """How many of the disk's bytes have a digest."""
        ...

    def add(self, offset: int, length: int, digest: bytes) -> None:
        """Append one entry; offsets ascend."""
        ...

    def flush(self) -> None:
        """Make all entries permanent. May be called while others add."""
        ...

    def digest(self) -> str:
        """One digest over all entries, as 32 hex digits."""
        ...

    def close(self) -> None:
        """A second call does nothing."""
        ...


class ChunkDigests(Protocol):
    """The digest of every chunk that a copy touches; see `engine.chunk_maps`."""

    @property
    def size_bytes(self) -> int:
        """Of the disk."""
        ...

    def add(self, number: int, digest: bytes) -> None:
        """Append one record; numbers ascend."""
        ...

    def flush(self) -> None:
        """Make all records permanent. May be called while others are added."""
        ...

    def digest(self) -> str:
        """Of the whole map, as 32 hex digits."""
        ...

    def close(self) -> None:
        """A second call does nothing."""
        ...


class ChunksBelow(Protocol):
    """What an image must read as, by the chunk maps of its chain; see `engine.chunk_maps`."""

    def find(self, number: int) -> Found:
        """What a chunk must be, and which image holds it."""
        ...

    def lookup(self, number: int) -> bytes:
        """A chunk's digest, or `chunk_maps.ZERO`."""
        ...

    @property
    def count(self) -> int:
        """How many records the maps have."""
        ...

    def draw(self, most: int) -> list[tuple[int, bytes]]:
        """Up to ``most`` chunks that any map has, drawn at random, each with its digest."""
        ...

    def records(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Number and digest of every chunk that any map of the chain has, ascending, from that
        chunk on. All others are zero."""
        ...

    def close(self) -> None:
        """A second call does nothing."""
        ...


class Target(Protocol):
    """Storage for images, which are named by locators: opaque text, kept in the database.

    Every call raises TargetError when it fails, RepositoryUnavailable when the storage is missing
    or is not the intended one.
    """

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    def check(self) -> None:
        """Raise RepositoryUnavailable unless the storage is available."""
        ...

    def room(self) -> Room:
        """How full it is. Raises as `check` does."""
        ...

    def try_writing(self) -> Room:
        """Write and remove something small: reading may work where writing hangs or is refused."""
        ...

    def retire(self) -> None:
        """Stop it from being a repository. Nothing in it is touched."""
        ...

    def create(
        self, chain: Sequence[Layer], *, may_begin: Callable[[], None] = lambda: None
    ) -> None:
        """Make an empty image: the first of the chain, which has a temporary locator.

        ``may_begin`` is called once there is a place for it. If it raises, or if `discard` removes
        the place meanwhile, nothing is made: no image comes too late.
        """
        ...

    def open(self, chain: Sequence[Layer]) -> WritableImage:
        """Begin or resume writing the chain's first image.

        ImageAltered when an image of the chain is not what its row says.
        """
        ...

    def open_readonly(
        self, chain: Sequence[Layer], *, past_the_cache: bool = False
    ) -> ReadableImage:
        """Open the chain's first image for reading. Raises as `open` does. ``past_the_cache``: what
        is read comes from the storage itself, where it can."""
        ...

    def open_digests(self, temporary: str, resume_offset: int = 0) -> Digests:
        """The digests of an image that is being written: new, or continued at an offset."""
        ...

    def open_chunks(self, temporary: str, size_bytes: int, resume_offset: int = 0) -> ChunkDigests:
        """The chunk map of an image that is being written: new, or continued at an offset."""
        ...

    def chunk_map(self, chain: Sequence[Layer], digests: Sequence[str]) -> ChunksBelow:
        """What the chain's first image must read as. ``digests``: of each image's map, as its row
        has it. ImageDamaged names the image whose map is another one. To be closed."""
        ...

    def seal(self, temporary: str, final: str) -> SealedImage:
        """Make a closed image permanent under its final name, with its digests."""
        ...

    def discard(self, locator: str) -> None:
        """Remove an image with its digests; one that is gone is fine."""
        ...

    def exists(self, locator: str) -> bool:
        """Whether there is such an image."""
        ...

    def differences(self, chain: Sequence[Layer]) -> list[Difference]:
        """What the chain's first image says about itself that its row does not say, and in what its
        files are not as they were committed.

        Only the first image is checked. Raises ImageMissing, ImageDamaged.
        """
        ...

    def facts(self, locator: str) -> str:
        """What a finished image's files are now: what `SealedImage.as_committed` is of them."""
        ...

    def check_image(self, locator: str, *, on_wait: Callable[[], None] | None = None) -> None:
        """Check a closed image's structure. Raises ImageDamaged. ``on_wait`` is called every
        second; whatever it raises ends the check and comes out of this call."""
        ...

    def digest(self, locator: str) -> str | None:
        """The digest over all entries of an image's digests; None when there are none."""
        ...

    def sample_digests(
        self, locator: str, most: int, *, of_merged: bool = False
    ) -> list[DigestEntry]:
        """Some entries of an image's digests, drawn at random, in random order, each once.

        None where there are no digests. However many there are, only these are read. `of_merged`:
        of all that is known of it since another was merged with it. Raises ImageDamaged.
        """
        ...

    def merged_digest(self, locator: str) -> str | None:
        """The digest over all entries of what an image must read as since another was merged with
        it; None if none was."""
        ...

    def map_digest(self, locator: str) -> str | None:
        """The digest of an image's chunk map; None if it has none."""
        ...

    def make_map(self, chain: Sequence[Layer], digest: str, *, on_wait: Callable[[], None]) -> str:
        """Make the chunk map of the chain's first image, which has none, and return its digest.

        ``digest`` is the one over all entries of its digests that was recorded: they tell what has
        to be read, and what it must be. Entries that give another one are not used: then all of the
        disk is read. ImageDamaged names the image. ``on_wait`` is called often; whatever it raises
        comes out, and there is no map.
        """
        ...

    # Removing an image whose child stays. The chain is the child, the image, and what that is based
    # on. Each of the five steps can be repeated until the merged image takes part in another merge.

    def check_child(
        self, chain: Sequence[Layer], digest: str, *, on_wait: Callable[[float], None]
    ) -> None:
        """Before anything is changed: check that the child reads as its digests say. What has none
        is not read.

        ``digest`` is the one over all entries that was recorded for it: entries that give another
        one are not used. ImageDamaged names the child. ``on_wait`` as for `merge`.
        """
        ...

    def expect(self, chain: Sequence[Layer], digests: tuple[str, str]) -> None:
        """First: note what the merged image must read as, from the digests of the two.

        ``digests`` are the digests over all entries that were recorded for the two: entries that
        give another one are not used.
        """
        ...

    def expect_map(self, chain: Sequence[Layer], digests: tuple[str, str]) -> str:
        """Then: note the chunk map that the merged image must have. ``digests`` are those of the
        maps of the two; returns its own. Empty when one of the two has none."""
        ...

    def merge(
        self,
        chain: Sequence[Layer],
        *,
        on_start: Callable[[ProcessIdentity], None],
        on_wait: Callable[[float], None],
    ) -> None:
        """Second: write what the child holds into the image below, permanently. Then that image
        reads as the child does, which is not changed.

        ``on_start`` is told which process writes. ``on_wait`` is called every second with the share
        that is done (0 to 1); whatever it raises ends that process and comes out of this call.
        RepositoryFull and any other failure may leave a part written: the child reads as before.
        """
        ...

    def check_merged(self, chain: Sequence[Layer], *, on_wait: Callable[[float], None]) -> Merged:
        """Third: check the structure of the merged image, and read again what was merged into it
        and a sample of the rest.

        ImageDamaged names the image that is not as it must be. ``on_wait`` as for `merge`.
        """
        ...

    def take_name(self, chain: Sequence[Layer]) -> SealedImage:
        """Last: let the merged image have the child's name, in whose place it comes.

        The image that was to be removed is gone then; only its digests are left, for `discard`.
        """
        ...

    def stored(self) -> Iterator[Stored]:
        """Everything that is stored there under names that this kind of storage gives."""
        ...

    def still_stored(self, names: Sequence[str]) -> list[str]:
        """Which of these names, reported by `stored`, still exist."""
        ...

    # What is needed to take the repository up again without a database: a manifest for each VM, in
    # the folder that the locators of its images begin with, and one of the repository (folder "").

    def manifest_version(self, folder: str) -> int:
        """The highest version of the manifests in a folder; 0 without any."""
        ...

    def manifest_head(self, folder: str) -> Head:
        """The highest version and the digest of its file, which `read_manifest` may refuse."""
        ...

    def tenant(self) -> Tenant | None:
        """Which installation of vmrep uses the repository; None if none has taken it."""
        ...

    def take(self, wanted: Tenant, *, over: bool = False) -> Tenant:
        """Take the repository for an installation if none has it, or `over` from the one that has.
        Returns whose it is now."""
        ...

    def read_manifest(self, folder: str) -> Manifest | None:
        """The newest manifest in a folder; None without any. Raises ManifestDamaged."""
        ...

    def write_manifest(self, folder: str, manifest: Manifest) -> None:
        """Make a manifest permanent, and remove those of lower versions. A reader sees it whole or
        not at all. A folder that is missing is not made (TargetError)."""
        ...

    def remove_manifests(self, folder: str, up_to: int) -> None:
        """Remove those of that version and lower ones."""
        ...

    def manifest_folders(self) -> Iterator[str]:
        """The folders of VMs that have a manifest."""
        ...
