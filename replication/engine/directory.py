"""A repository in a directory: qcow2 files, made permanent by renaming.

The folder carries a marker with the repository's uuid. Without it nothing is read, written or
judged missing: the mount point of a share that is not mounted looks like an empty repository.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import uuid as uuids
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self

from replication.engine import qemu
from replication.engine.durable import (
    create_durably,
    fsync_file,
    fsync_folder,
    make_folders_durably,
    rename_durably,
    unlink_durably,
)
from replication.engine.errors import (
    RepositoryFull,
    RepositoryUnavailable,
    TargetError,
    target_errors,
)
from replication.engine.image import ImageReader, ImageWriter
from replication.engine.regular import open_regular
from replication.engine.target import SealedImage

MARKER = "vmrep-repository.json"
_MARKER_FORMAT = 1
_LONGEST_MARKER = 1024
DIGESTS_SUFFIX = ".digests"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=~-]{0,199}")


class Room(NamedTuple):
    """How full a file system is, for whoever is not root."""

    device: int
    """Tells whether two repositories share it."""
    free_bytes: int
    total_bytes: int


class DirectoryRepository:
    """The repository of that uuid in the folder ``root``. Safe to use from several threads."""

    def __init__(self, root: Path, uuid: str) -> None:
        self.root = root.absolute()
        self.uuid = str(uuids.UUID(uuid))

    @classmethod
    def initialise(cls, root: Path, uuid: str) -> Self:
        """Mark a folder as the repository of that uuid, making the folder if need be.

        Doing it again is fine. Raises RepositoryUnavailable when the folder is marked as another
        repository, also when that happens at the same time.
        """
        repository = cls(root, uuid)
        with target_errors(f"preparing the repository {repository.root}"):
            make_folders_durably(repository.root)
            content = {"format": _MARKER_FORMAT, "uuid": repository.uuid}
            with contextlib.suppress(FileExistsError):
                create_durably(repository.root / MARKER, json.dumps(content).encode() + b"\n")
        repository.check()
        return repository

    def check(self) -> None:
        """Raise RepositoryUnavailable unless the folder is this very repository."""
        self.room()

    def room(self) -> Room:
        """How full the file system is that the repository lies on. Raises as `check` does."""
        marker = self.root / MARKER
        try:
            with open_regular(marker) as file:
                content = file.read(_LONGEST_MARKER + 1)
                # Of the marker's own file system, whatever is mounted over the folder meanwhile.
                facts, room = os.fstat(file.fileno()), os.fstatvfs(file.fileno())
        except FileNotFoundError as error:
            raise RepositoryUnavailable(
                f"{marker} is missing: is the repository's storage mounted?"
            ) from error
        except OSError as error:
            raise RepositoryUnavailable(f"{marker} cannot be read: {error}.") from error
        self._require_mine(content)
        return Room(
            device=facts.st_dev,
            free_bytes=room.f_bavail * room.f_frsize,
            # The reserve for root is neither free nor there for us.
            total_bytes=(room.f_blocks - room.f_bfree + room.f_bavail) * room.f_frsize,
        )

    def try_writing(self) -> Room:
        """Write, sync and remove a small file, since reading may work where writing is refused or
        hangs. A file system without room passes: that is what `room` tells. Raises as `check`, and
        TargetError."""
        room = self.room()
        path = self.root / f".vmrep-trial-{socket.gethostname()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        with contextlib.suppress(RepositoryFull), target_errors(f"trying to write to {self.root}"):
            descriptor = os.open(path, flags, 0o600)
            try:
                os.write(descriptor, b"vmrep tries whether it can write here\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
                path.unlink(missing_ok=True)
        return room

    def _require_mine(self, marker: bytes) -> None:
        """Whoever can write to the storage decides what stands there."""
        try:
            if len(marker) > _LONGEST_MARKER:
                raise ValueError("too long")
            content = json.loads(marker)
            found = (content["format"], str(uuids.UUID(content["uuid"])))
            if type(found[0]) is not int:
                raise ValueError("no format")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RepositoryUnavailable(
                f"{self.root / MARKER} is not a repository's marker."
            ) from error
        if found != (_MARKER_FORMAT, self.uuid):
            raise RepositoryUnavailable(
                f"{self.root} is the repository {found[1]} (format {found[0]}), not {self.uuid}: "
                "is the right storage mounted?"
            )

    def retire(self) -> None:
        """Remove the marker: the folder is no repository any more. Nothing else is touched."""
        self.check()
        with target_errors(f"removing the marker of {self.root}"):
            unlink_durably(self.root / MARKER)

    def create(self, temporary: str, size_bytes: int, parent: str | None) -> None:
        """Make an empty image of that virtual size: a new chain's root, or an overlay on a parent.

        TargetError when there is a file of that name already, the parent is missing, or the size
        is smaller than the parent's: a smaller overlay silently turns zeroes into old data at the
        next merge. A failure leaves no file behind.
        """
        path = self.path(temporary)
        backing = None
        if parent is not None:
            below = self._existing(parent)
            parent_bytes = qemu.info(below).virtual_size_bytes
            if size_bytes < parent_bytes:
                raise TargetError(
                    f"{temporary} would have {size_bytes} bytes, fewer than its parent {parent} "
                    f"({parent_bytes}): a disk that shrank needs a new chain."
                )
            # Relative, so that the whole repository can be moved or mounted elsewhere.
            backing = os.path.relpath(below, path.parent)
        with target_errors(f"creating {path}"):
            make_folders_durably(path.parent)
            # Never over an existing file, and never readable by others: it is a disk's content.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            qemu.create(path, size_bytes, backing)
            with target_errors(f"creating {path}"):
                fsync_folder(path.parent)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def open(self, temporary: str) -> ImageWriter:
        """Start writing to an image; close it before ``seal``."""
        return ImageWriter(self._existing(temporary))

    def open_readonly(self, locator: str) -> ImageReader:
        """Open an image, together with all its parents, for reading."""
        return ImageReader(self._existing(locator))

    def seal(self, temporary: str, final: str) -> SealedImage:
        """Check a closed image and make it permanent under its final name, with its digest map.

        Can be called again after a crash at any point of an earlier call. Raises ImageDamaged when
        the check finds corruption, TargetError when the image is still open, when both names are
        in use, or when they are in different folders (the parent's relative name would break).
        """
        source, destination = self.path(temporary), self.path(final)
        if source.parent != destination.parent or source == destination:
            raise TargetError(f"{temporary} cannot become {final}: they must be in one folder.")
        if source.exists() and destination.exists():
            raise TargetError(f"{final} exists already and is never replaced by {temporary}.")
        present = source if source.exists() else self._existing(final)
        qemu.check(present)
        with target_errors(f"sealing {final}"):
            fsync_file(present)
            if present == source:
                rename_durably(source, destination)
            else:  # an earlier call was cut off, perhaps before it had synced its rename
                fsync_folder(destination.parent)
            if self.digest_path(temporary).exists():
                rename_durably(self.digest_path(temporary), self.digest_path(final))
            facts = destination.stat()
        return SealedImage(allocated_bytes=facts.st_blocks * 512, file_bytes=facts.st_size)

    def discard(self, locator: str) -> None:
        """Remove an image and its digest map, permanently; what is gone is fine.

        The caller knows that no image in use has it as parent.
        """
        path, digests = self.path(locator), self.digest_path(locator)
        with target_errors(f"removing {locator}"):
            unlink_durably(path)
            unlink_durably(digests)

    def exists(self, locator: str) -> bool:
        """Whether there is such an image."""
        return self.path(locator).is_file()

    def digest_path(self, locator: str) -> Path:
        """Where the digest map of an image is kept; it moves with the image at ``seal``."""
        path = self.path(locator)
        return path.with_name(path.name + DIGESTS_SUFFIX)

    def path(self, locator: str) -> Path:
        """The file of a locator: a relative path of plain names, inside the repository.

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
            raise TargetError(f"{locator!r} is no name for an image in a repository.")
        path = self.root / PurePosixPath(*parts)
        root = self.root.resolve()
        if path.is_symlink() or path.parent.resolve() != root.joinpath(*parts[:-1]):
            raise TargetError(f"{locator!r} leads through a symbolic link, which is refused.")
        return path

    def _existing(self, locator: str) -> Path:
        path = self.path(locator)
        if not path.is_file():
            raise TargetError(f"The image {locator} is missing from the repository {self.root}.")
        return path
