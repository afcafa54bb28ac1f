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
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Self

from replication.engine import qemu, unfinished
from replication.engine.digests import DigestEntry, DigestMap, digest_of_map, draw_digests
from replication.engine.durable import (
    create_durably,
    fsync_file,
    fsync_folder,
    make_folders_durably,
    rename_durably,
    unlink_durably,
)
from replication.engine.errors import (
    ImageAltered,
    ImageDamaged,
    ImageMissing,
    RepositoryFull,
    TargetError,
    target_errors,
)
from replication.engine.header import ImageFile, read_image_file, shown
from replication.engine.image import ImageReader, ImageWriter
from replication.engine.marker import MARKER, content_for, room_beside
from replication.engine.privacy import require_private
from replication.engine.regular import real
from replication.engine.target import (
    FORM,
    PARENT,
    SIZE,
    Difference,
    Layer,
    Room,
    SealedImage,
    Stored,
)
from replication.engine.unfinished import DIGESTS, IMAGE, SUFFIX

DIGESTS_SUFFIX = ".digests"
_FORMAT = "qcow2"
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
            unlink_durably(self.root / MARKER)

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
            make_folders_durably(place.parent)
            unfinished.remove_abandoned(place.parent)
            unfinished.make(place)
        try:
            may_begin()
            qemu.create(place / IMAGE, image.size_bytes, _name_below(chain))
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

    def open_readonly(self, chain: Sequence[Layer]) -> ImageReader:
        """Open the chain's first image, together with all its parents, for reading.

        Raises as `open` does.
        """
        return ImageReader(self._looked_at(chain))

    def open_digests(self, temporary: str, resume_offset: int = 0) -> DigestMap:
        """The digest map of an unfinished image, new or resumed."""
        self._place(temporary)
        return DigestMap(self.digest_path(temporary), resume_offset)

    def seal(self, temporary: str, final: str) -> SealedImage:
        """Check a closed image and make it permanent under its final name, with its digest map.

        Can be called again after a crash at any point of an earlier call. Raises ImageDamaged when
        the check finds corruption, TargetError when the image is still open, when both names are
        in use, or when they are in different folders (the parent's relative name would break).
        """
        place, destination = self._place(temporary), self.path(final)
        source = place / IMAGE
        if place.parent != destination.parent or place == destination:
            raise TargetError(f"{temporary} cannot become {final}: they must be in one folder.")
        if source.exists() and destination.exists() and not source.samefile(destination):
            raise TargetError(f"{final} already exists and is never replaced by {temporary}.")
        present = source if source.exists() else self._existing(final)
        _check(present)
        with target_errors(f"sealing {final}"):
            fsync_file(present)
            if present == source:
                rename_durably(source, destination)
            else:  # an earlier call was cut off, perhaps before it synced its rename
                fsync_folder(destination.parent)
            if (place / DIGESTS).exists():
                rename_durably(place / DIGESTS, self.digest_path(final))
            unfinished.remove(place)
            facts = destination.stat()
        return SealedImage(allocated_bytes=facts.st_blocks * 512, file_bytes=facts.st_size)

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
            unlink_durably(path.with_name(path.name + DIGESTS_SUFFIX))

    def exists(self, locator: str) -> bool:
        """Whether there is such an image."""
        return self._file(locator).is_file()

    def differences(self, chain: Sequence[Layer]) -> list[Difference]:
        """What the header of the chain's first image says that its row does not.

        ImageMissing when there is no such file, ImageDamaged when it is not an image.
        """
        with closing(read_image_file(self._existing(chain[0].locator))) as file:
            return list(self._differences(chain, file))

    def check_image(self, locator: str) -> None:
        """Have qemu-img check the structure of a closed image. Raises ImageDamaged."""
        _check(self._existing(locator))

    def digest(self, locator: str) -> str | None:
        """The digest over all entries of an image's digest map; None when it has none.

        ImageDamaged when the map is broken.
        """
        path = self.digest_path(locator)
        if not os.path.lexists(path):
            return None
        with target_errors(f"reading the digest map {path}"):
            return digest_of_map(path)

    def sample_digests(self, locator: str, most: int) -> list[DigestEntry]:
        """Some entries of an image's digest map, drawn at random; none when it has no map."""
        path = self.digest_path(locator)
        if not os.path.lexists(path):
            return []
        with target_errors(f"reading the digest map {path}"):
            return draw_digests(path, most)

    def stored(self) -> Iterator[Stored]:
        """All files, and the empty places of unfinished images, by their relative names, without
        following links.

        Hidden names, `lost+found` and the marker are left out: vmrep gives no such names to images.
        """
        for folder, below, files in os.walk(self.root):
            if not below and not files and folder.endswith(SUFFIX):
                yield _stored(os.path.relpath(folder, self.root))
            below[:] = sorted(name for name in below if _is_looked_at(name))
            for file in sorted(files):
                name = os.path.relpath(os.path.join(folder, file), self.root)  # noqa: PTH118
                if _is_looked_at(file) and name not in (MARKER, f"{MARKER}.new"):
                    yield _stored(name)

    def still_stored(self, names: Sequence[str]) -> list[str]:
        """Those of the names that still exist, as any kind of file."""
        return [name for name in names if os.path.lexists(self.root / name)]

    def digest_path(self, locator: str) -> Path:
        """Where the digest map of an image is kept; it moves with the image at ``seal``."""
        path = self.path(locator)
        if locator.endswith(SUFFIX):
            return path / DIGESTS
        return path.with_name(path.name + DIGESTS_SUFFIX)

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
            or parts[-1].endswith(DIGESTS_SUFFIX)
            or parts[0].startswith(MARKER)
        ):
            raise TargetError(f"{locator!r} is not a name for an image in a repository.")
        path = self.root / PurePosixPath(*parts)
        folder = real(self.root).joinpath(*parts[:-1])
        if path.is_symlink() or real(path.parent) != folder:
            raise TargetError(f"{locator!r} leads through a symbolic link, which is refused.")
        return path

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
        if not os.path.lexists(path):
            self.check()  # unmounted since `path` looked: then nothing is known to be missing
            raise ImageMissing(
                f"The image {locator} is missing: the file {path} does not exist.",
                locator=locator,
            )
        return path

    def _looked_at(self, chain: Sequence[Layer]) -> list[ImageFile]:
        """The files of a chain, each with a header that says what its row says. ImageAltered."""
        with ExitStack() as opened:
            files = []
            for number, layer in enumerate(chain):
                with _about(layer.locator):
                    file = read_image_file(self._existing(layer.locator))
                files.append(opened.enter_context(closing(file)))
                if found := list(self._differences(chain[number:], file)):
                    raise ImageAltered(
                        f"{file.path} is not what vmrep wrote: it "
                        + ", and ".join(words for _, words in found)
                        + ". Nothing was read from it. Find out who changed it; then restore the"
                        " file from a backup, or delete the VM's replica data and replicate again.",
                        locator=layer.locator,
                    )
            opened.pop_all()
            return files

    @staticmethod
    def _differences(chain: Sequence[Layer], file: ImageFile) -> Iterator[Difference]:
        image, header = chain[0], file.header
        if header.size_bytes != image.size_bytes:
            words = f"is a disk of {header.size_bytes} bytes, not of {image.size_bytes}"
            yield Difference(SIZE, words)
        expected = _name_below(chain)
        found = None if header.backing is None else os.path.normpath(header.backing)
        if found != expected:
            there = shown(header.backing or "none")
            words = f"is based on {there}, its row on {expected or 'none'}"
            yield Difference(PARENT, words)
        elif found is not None and header.backing_format != _FORMAT:
            words = f"takes the file below for {header.backing_format or 'anything'}"
            yield Difference(PARENT, f"{words}, not for {_FORMAT}")
        yield from (Difference(FORM, words) for words in header.oddities)


@contextmanager
def _about(locator: str) -> Iterator[None]:
    """A damage that is found says which image has it."""
    try:
        yield
    except ImageDamaged as problem:
        problem.locator = problem.locator or locator
        raise


def _name_below(chain: Sequence[Layer]) -> str | None:
    """The name by which the header of a chain's first image refers to the image below: relative to
    its own folder, so that the repository can be moved or mounted elsewhere. None for a root."""
    if len(chain) < 2:
        return None
    return os.path.relpath(f"/{chain[1].locator}", PurePosixPath("/", chain[0].locator).parent)


def _check(path: Path) -> None:
    """The check opens the data file that the header names, so the header is checked first."""
    with closing(read_image_file(path)) as file:
        oddities = file.header.oddities
    if oddities:
        raise ImageAltered(f"{path} is not what vmrep wrote: it {', and '.join(oddities)}.")
    qemu.check(path)


def _is_looked_at(name: str) -> bool:
    return not name.startswith(".") and name != "lost+found"


def _stored(name: str) -> Stored:
    """The image that a file belongs to, and the attempt of an unfinished one."""
    home, _, file = name.rpartition("/")
    if file in (IMAGE, DIGESTS) and home.endswith(SUFFIX):
        name_of_image = home
    else:
        name_of_image = name.removesuffix(DIGESTS_SUFFIX)
    found = _UNFINISHED.fullmatch(name_of_image)
    if found:
        return Stored(name, found[1], int(found[2]))
    return Stored(name, name_of_image, None)
