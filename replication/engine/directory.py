"""A repository in a directory: qcow2 files, made permanent by renaming.

The folder has a marker with the repository's UUID. Without it nothing is read, written or
considered missing: the mount point of an unmounted share looks like an empty repository.
"""

from __future__ import annotations

import os
import re
import socket
import uuid as uuids
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from typing import Self

from replication.engine import chunk_maps, qemu, unfinished
from replication.engine.chunk_maps import ChainMap, ChunkMap, Mapped, digest_of_file
from replication.engine.digests import DigestEntry, DigestMap, digest_of_map, draw_digests
from replication.engine.durable import (
    create_durably,
    fsync_folder,
    make_folders_durably,
    rename_durably,
    unlink_durably,
)
from replication.engine.errors import (
    ImageAltered,
    ImageMissing,
    RepositoryFull,
    TargetError,
    target_errors,
)
from replication.engine.expected import (
    BESIDE,
    MERGED,
    MERGING_MAP,
    UNKNOWN,
    beside,
    entries,
    new_map,
    trusted_map,
)
from replication.engine.expected import DIGESTS as DIGESTS_SUFFIX
from replication.engine.expected import MAP as MAP_SUFFIX
from replication.engine.facts import Facts, changes, facts_of, finish, finish_image, finished
from replication.engine.header import ImageFile, read_image_file
from replication.engine.image import ImageReader, ImageWriter
from replication.engine.layers import differences, look_at, name_below
from replication.engine.manifest import Head, Manifest
from replication.engine.manifest_files import ManifestFiles
from replication.engine.map_making import chunks_of
from replication.engine.marker import MARKER, content_for, room_beside
from replication.engine.merging import Merge
from replication.engine.privacy import require_private
from replication.engine.processes import ProcessIdentity
from replication.engine.regular import is_there, real
from replication.engine.target import (
    Difference,
    Layer,
    Merged,
    Room,
    SealedImage,
    Stored,
)
from replication.engine.tenant import FILE as TENANT
from replication.engine.tenant import Tenant, take_or_see, tenant_of
from replication.engine.unfinished import DIGESTS, IMAGE, MAP, NAMES, SUFFIX

_IS_BESIDE = re.compile(f"(.*?)({BESIDE.pattern})", re.DOTALL)
_UNFINISHED = re.compile(rf"(.+)\.(\d{{1,9}}){re.escape(SUFFIX)}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=~-]{0,199}")


class DirectoryRepository:
    """The repository with that UUID in the folder ``root``. Safe to use from several threads."""

    def __init__(self, root: Path, uuid: str) -> None:
        self.root = root.absolute()
        self.uuid = str(uuids.UUID(uuid))

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.root)

    @classmethod
    def initialise(cls, root: Path, uuid: str) -> Self:
        """Mark a folder as the repository with that UUID, and make the folder if necessary.

        Doing it again is fine. Raises RepositoryUnavailable when the folder is marked as another
        repository, even if that happens at the same time.
        """
        repository = cls(root, uuid)
        with target_errors(f"preparing the repository {repository.root}"):
            make_folders_durably(repository.root)
            require_private(repository.root)
            with suppress(FileExistsError):
                create_durably(repository.root / MARKER, content_for(repository.uuid))
        repository.check()
        return repository

    def check(self) -> None:
        """Raise RepositoryUnavailable unless the folder is this repository, and only ours."""
        self.room()

    def room(self) -> Room:
        """How full the repository's file system is. Raises as `check` does."""
        require_private(self.root)
        return room_beside(self.root / MARKER, self.uuid)

    def try_writing(self) -> Room:
        """Write, sync and remove a small file, because reading may work where writing is refused or
        hangs. A full file system passes: `room` tells that. Raises as `check` does, and
        TargetError."""
        room = self.room()
        path = self.root / f".vmrep-trial-{socket.gethostname()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        with suppress(RepositoryFull), target_errors(f"trying to write to {self.root}"):
            descriptor = os.open(path, flags, 0o600)
            try:
                os.write(descriptor, b"vmrep tries whether it can write here\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
                path.unlink(missing_ok=True)
        return room

    def retire(self) -> None:
        """Remove the marker: the folder is no longer a repository. Nothing else is touched."""
        self.check()
        with target_errors(f"removing the marker of {self.root}"):
            unlink_durably(self.root / TENANT, self.root / MARKER)

    def create(
        self, chain: Sequence[Layer], *, may_begin: Callable[[], None] = lambda: None
    ) -> None:
        """Make an empty image of that virtual size: a new chain's root, or an overlay on the rest.

        An unfinished image has its own folder. A worker that was paused must not make a file that
        nobody would find again: once the folder exists, ``may_begin`` is called, which raises when
        this worker's time has passed. Before that it has made at most a folder; after that
        `discard` finds the folder, and nothing can be made in a removed one.

        TargetError when an image of that name exists, a parent is missing, or the size is smaller
        than the parent's: a smaller overlay silently turns zeroes into old data at the next merge.
        A failure leaves no file behind.
        """
        image, below = chain[0], chain[1:]
        place = self._place(image.locator)
        for file in self._looked_at(below):
            file.close()
        if below and image.size_bytes < below[0].size_bytes:
            raise TargetError(
                f"{image.locator} would have {image.size_bytes} bytes, fewer than its parent "
                f"{below[0].locator} ({below[0].size_bytes}): a disk that shrank needs a new chain."
            )
        with target_errors(f"creating {place}"):
            make_folders_durably(place.parent, below=self.root)
            unfinished.remove_abandoned(place.parent)
            unfinished.make(place)
        try:
            self.check()  # what was made may be below the mount point of a share that has gone
            may_begin()
            qemu.create(place / IMAGE, image.size_bytes, name_below(chain))
            with target_errors(f"creating {place}"):
                (place / IMAGE).chmod(0o600)
                fsync_folder(place)
        except BaseException:
            unfinished.empty(place)
            raise

    def open(self, chain: Sequence[Layer]) -> ImageWriter:
        """Start writing to the chain's first image, which is unfinished; close it before ``seal``.

        Raises ImageAltered when a header is not what the chain says, before anything is opened.
        """
        return ImageWriter(self._looked_at(chain))

    def open_readonly(self, chain: Sequence[Layer], *, past_the_cache: bool = False) -> ImageReader:
        """Open the chain's first image, together with all its parents, for reading.

        Raises as `open` does.
        """
        return ImageReader(self._looked_at(chain), past_the_cache=past_the_cache)

    def open_digests(self, temporary: str, resume_offset: int = 0) -> DigestMap:
        """The digest map of an unfinished image, new or resumed."""
        self._place(temporary)
        return DigestMap(self.digest_path(temporary), resume_offset)

    def open_chunks(self, temporary: str, size_bytes: int, resume_offset: int = 0) -> ChunkMap:
        """The chunk map of an unfinished image, new or resumed."""
        return ChunkMap(self._place(temporary) / MAP, size_bytes, resume_offset)

    def chunk_map(self, chain: Sequence[Layer], digests: Sequence[str]) -> ChainMap:
        """What the chain's first image must read as, by the chunk maps of all its images."""
        return ChainMap(
            [
                Mapped(beside(self.path(layer.locator), MAP_SUFFIX), digest, layer.locator)
                for layer, digest in reversed(list(zip(chain, digests, strict=True)))
            ]
        )

    def seal(self, temporary: str, final: str) -> SealedImage:
        """Check a closed image and make it permanent under its final name, with its digest map.
        From then on nobody is to write to it.

        Can be called again after a crash at any point of an earlier call. Raises ImageDamaged when
        the check finds corruption, TargetError when the image is still open, when both names are
        in use, or when they are in different folders (the parent's relative name would break).
        """
        place, destination = self._place(temporary), self.path(final)
        source = place / IMAGE
        if place.parent != destination.parent or place == destination:
            raise TargetError(f"{temporary} cannot become {final}: they must be in one folder.")
        with target_errors(f"looking for {final}"):
            is_new = source.exists()
            if is_new and destination.exists() and not source.samefile(destination):
                raise TargetError(f"{final} already exists and is never replaced by {temporary}.")
        present = source if is_new else self._existing(final)
        _check(present)
        with target_errors(f"sealing {final}"):
            finish_image(present)
            if present == source:
                rename_durably(source, destination)
            else:  # an earlier call was cut off, perhaps before it synced its rename
                fsync_folder(destination.parent)
            if (place / DIGESTS).exists():
                finish(place / DIGESTS)
                rename_durably(place / DIGESTS, self.digest_path(final))
            if (place / MAP).exists():
                finish(place / MAP)
                rename_durably(place / MAP, beside(destination, MAP_SUFFIX))
            unfinished.remove(place)
            return finished(destination)

    def discard(self, locator: str) -> None:
        """Remove an image and its digest map, permanently; what is gone is fine.

        The caller knows that no image in use has it as its parent. Once this returns, nothing can
        be made under a temporary locator, except by a call of `create` that may begin.
        """
        path = self.path(locator)
        with target_errors(f"removing {locator}"):
            unfinished.remove_abandoned(path.parent)
            if path.is_dir():
                unfinished.empty(path)
                return
            unlink_durably(path)
            names = path.parent.glob(f"{path.name}.*")
            others = [it for it in names if BESIDE.fullmatch(it.name.removeprefix(path.name))]
            unlink_durably(beside(path, DIGESTS_SUFFIX), *others)

    def exists(self, locator: str) -> bool:
        """Whether there is such an image."""
        path = self._file(locator)
        with target_errors(f"looking for {path}"):
            return path.is_file()

    def differences(self, chain: Sequence[Layer]) -> list[Difference]:
        """What the header of the chain's first image says that its row does not, and in what its
        files are not as they were committed.

        ImageMissing when there is no such file, ImageDamaged when it is not an image.
        """
        path, known = self._existing(chain[0].locator), Facts.from_text(chain[0].as_committed)
        with closing(read_image_file(path)) as file:
            found = list(differences(chain, file))
        if known is not None and not found:  # otherwise it goes without saying
            with target_errors(f"comparing {path} with what was committed"):
                found += changes(path, known)
        return found

    def facts(self, locator: str) -> str:
        """What the files of a finished image are now; see `facts`."""
        path = self._existing(locator)
        with target_errors(f"looking at {path}"):
            return facts_of(path).text()

    def check_image(self, locator: str, *, on_wait: Callable[[], None] | None = None) -> None:
        """Have qemu-img check the structure of a closed image. Raises ImageDamaged."""
        _check(self._existing(locator), on_wait)

    def digest(self, locator: str) -> str | None:
        """The digest over all entries of an image's digest map; None when it has none.

        ImageDamaged when the map is broken.
        """
        return _digest(self.digest_path(locator))

    def merged_digest(self, locator: str) -> str | None:
        """The digest over all that is known of an image since another was merged with it."""
        path = self.path(locator)
        return _digest(beside(path, MERGED))

    def map_digest(self, locator: str) -> str | None:
        """The digest of an image's chunk map; None when it has none."""
        path = beside(self.path(locator), MAP_SUFFIX)
        with target_errors(f"reading the chunk map {path}"):
            return digest_of_file(path) if is_there(path) else None

    def make_map(self, chain: Sequence[Layer], digest: str, *, on_wait: Callable[[], None]) -> str:
        """Make the chunk map of an image that was copied before there were any."""
        image = chain[0]
        path = self._existing(image.locator)
        new = new_map(path, MERGING_MAP)
        with target_errors(f"making the chunk map of {path}"):
            known = trusted_map(path, digest)
            try:
                with self.open_readonly(chain) as opened:
                    found = chunks_of(
                        opened,
                        lambda: entries(known, image.size_bytes),
                        image.size_bytes,
                        image.locator,
                        on_wait,
                    )
                    made = chunk_maps.write(new, image.size_bytes, found)
                self._existing(image.locator)
                finish(new)
                rename_durably(new, beside(path, MAP_SUFFIX))
            finally:
                new.unlink(missing_ok=True)
        return made

    def sample_digests(
        self, locator: str, most: int, *, of_merged: bool = False
    ) -> list[DigestEntry]:
        """Some entries of an image's digest map, drawn at random; none when it has no map."""
        path = beside(self.path(locator), MERGED) if of_merged else self.digest_path(locator)
        with target_errors(f"reading the digest map {path}"):
            drawn = draw_digests(path, most) if is_there(path) else []
        return [entry for entry in drawn if entry.digest != UNKNOWN]

    def check_child(
        self, chain: Sequence[Layer], digest: str, *, on_wait: Callable[[float], None]
    ) -> None:
        """See `merging.Merge.check_child`."""
        self._merge(chain).check_child(digest, on_wait)

    def expect(self, chain: Sequence[Layer], digests: tuple[str, str]) -> None:
        """See `merging.Merge.expect`."""
        self._merge(chain).expect(digests)

    def expect_map(self, chain: Sequence[Layer], digests: tuple[str, str]) -> str:
        """See `merging.Merge.expect_map`."""
        return self._merge(chain).expect_map(digests)

    def merge(
        self,
        chain: Sequence[Layer],
        *,
        on_start: Callable[[ProcessIdentity], None],
        on_wait: Callable[[float], None],
    ) -> None:
        """See `merging.Merge.run`."""
        self._merge(chain).run(on_start, on_wait)

    def check_merged(self, chain: Sequence[Layer], *, on_wait: Callable[[float], None]) -> Merged:
        """See `merging.Merge.check`."""
        return self._merge(chain).check(on_wait)

    def take_name(self, chain: Sequence[Layer]) -> SealedImage:
        """See `merging.Merge.take_name`."""
        return self._merge(chain).take_name()

    def stored(self) -> Iterator[Stored]:
        """All files, and the empty places of unfinished images, by their relative names, without
        following links.

        Hidden names, `lost+found` and the marker are left out: vmrep gives no such names to images.
        """
        for folder, below, files in os.walk(self.root):
            if not below and not files and folder.endswith(SUFFIX):
                yield _stored(os.path.relpath(folder, self.root))
            below[:] = sorted(name for name in below if is_looked_at(name))
            for file in sorted(files):
                name = os.path.relpath(os.path.join(folder, file), self.root)  # noqa: PTH118
                if is_looked_at(file) and name not in (MARKER, f"{MARKER}.new"):
                    yield _stored(name)

    def still_stored(self, names: Sequence[str]) -> list[str]:
        """Those of the names that still exist, as any kind of file."""
        with target_errors(f"looking for files in {self.root}"):
            return [name for name in names if is_there(self.root / name)]

    def manifest_version(self, folder: str) -> int:
        """The highest version of the manifests in a folder; 0 without any."""
        return self._manifests(folder).version()

    def manifest_head(self, folder: str) -> Head:
        """See `manifest_files.ManifestFiles.head`."""
        return self._manifests(folder).head()

    def tenant(self) -> Tenant | None:
        """See `tenant.tenant_of`."""
        self.check()
        return tenant_of(self.root)

    def take(self, wanted: Tenant, *, over: bool = False) -> Tenant:
        """See `tenant.take_or_see`."""
        self.check()
        return take_or_see(self.root, wanted, over=over)

    def read_manifest(self, folder: str) -> Manifest | None:
        """The newest manifest in a folder, if it is this repository's. Raises ManifestDamaged."""
        return self._manifests(folder).read(self.uuid)

    def write_manifest(self, folder: str, manifest: Manifest) -> None:
        """See `manifest_files.ManifestFiles.write`."""
        self._manifests(folder).write(manifest)

    def remove_manifests(self, folder: str, up_to: int) -> None:
        """Remove those of that version and lower ones."""
        self._manifests(folder).remove(up_to)

    def manifest_folders(self) -> Iterator[str]:
        """The folders in which VMs are, and that have a manifest, without following links."""
        self.check()
        with target_errors(f"reading {self.root}"):
            with os.scandir(self.root) as entries:
                names = sorted(it.name for it in entries if it.is_dir(follow_symlinks=False))
            yield from (
                name
                for name in names
                if _PART.fullmatch(name) and ManifestFiles(self.root / name).version()
            )

    def _manifests(self, folder: str) -> ManifestFiles:
        if not folder:
            self.check()
            return ManifestFiles(self.root)
        return ManifestFiles(self.path(f"{folder}/manifest").parent)

    def digest_path(self, locator: str) -> Path:
        """Where the digest map of an image is kept; it moves with the image at ``seal``."""
        path = self.path(locator)
        if locator.endswith(SUFFIX):
            return path / DIGESTS
        return beside(path, DIGESTS_SUFFIX)

    def path(self, locator: str) -> Path:
        """Where a locator (a relative path of plain names inside the repository) leads: a file, or
        the folder of an unfinished image.

        Raises TargetError for any other text, RepositoryUnavailable when this is not the
        repository, so that nothing else of this class works without the marker either.
        """
        self.check()
        parts = locator.split("/")
        if (
            not all(_PART.fullmatch(part) for part in parts)
            or _IS_BESIDE.fullmatch(parts[-1])
            or parts[0].startswith(MARKER)
        ):
            raise TargetError(f"{locator!r} is not a name for an image in a repository.")
        path = self.root / PurePosixPath(*parts)
        folder = real(self.root).joinpath(*parts[:-1])
        with target_errors(f"looking for {path}"):
            is_led_away = path.is_symlink() or real(path.parent) != folder
        if is_led_away:
            raise TargetError(f"{locator!r} leads through a symbolic link, which is refused.")
        return path

    def _merge(self, chain: Sequence[Layer]) -> Merge:
        return Merge(chain, self.path)

    def _place(self, temporary: str) -> Path:
        """The folder of an unfinished image."""
        path = self.path(temporary)
        if not temporary.endswith(SUFFIX):
            raise TargetError(f"{temporary!r} is not a name for an unfinished image.")
        return path

    def _file(self, locator: str) -> Path:
        path = self.path(locator)
        return path / IMAGE if locator.endswith(SUFFIX) else path

    def _existing(self, locator: str) -> Path:
        path = self._file(locator)
        with target_errors(f"looking for {path}"):
            is_missing = not is_there(path)
        if is_missing:
            self.check()  # unmounted since `path` looked: then nothing is known to be missing
            raise ImageMissing(
                f"The image {locator} is missing: the file {path} does not exist.",
                locator=locator,
            )
        return path

    def _looked_at(self, chain: Sequence[Layer]) -> list[ImageFile]:
        """The files of a chain, each with a header that says what its row says. ImageAltered."""
        return look_at(chain, self._existing)


def _digest(path: Path) -> str | None:
    """The digest over all entries of a digest map; None when there is no such file."""
    with target_errors(f"reading the digest map {path}"):
        return digest_of_map(path) if is_there(path) else None


def _check(path: Path, on_wait: Callable[[], None] | None = None) -> None:
    """The check opens the data file that the header names, so the header is checked first."""
    with closing(read_image_file(path)) as file:
        oddities = file.header.oddities
    if oddities:
        raise ImageAltered(f"{path} is not what vmrep wrote: it {', and '.join(oddities)}.")
    qemu.check(path, None if on_wait is None else lambda _: on_wait())


def is_looked_at(name: str) -> bool:
    """Whether a file or folder of that name may be vmrep's: it gives none of the others."""
    return not name.startswith(".") and name != "lost+found"


def _stored(name: str) -> Stored:
    """The image that a file belongs to, and the attempt of an unfinished one."""
    home, _, file = name.rpartition("/")
    if file in NAMES and home.endswith(SUFFIX):
        name_of_image = home
    else:
        belongs = _IS_BESIDE.fullmatch(name)
        name_of_image = belongs[1] if belongs else name
    found = _UNFINISHED.fullmatch(name_of_image)
    if found:
        return Stored(name, found[1], int(found[2]))
    return Stored(name, name_of_image, None)
