"""Making a folder a repository, and undoing that, within a stated time."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from replication.engine.directory import DirectoryRepository, is_looked_at
from replication.engine.errors import (
    REMEDIES,
    EngineError,
    RepositoryNotPrivate,
    RepositoryUnavailable,
)
from replication.engine.manifest import LARGEST_NUMBER
from replication.engine.marker import MARKER
from replication.errors import RepositoryRefused
from replication.storage import errands
from replication.storage.errands import DoesNotAnswer
from replication.storage.looks import ACT_SECONDS

T = TypeVar("T")

# What a new file system contains, so that an unused folder may, too.
_UNIMPORTANT = {"lost+found", MARKER}
# People type paths: this many may hang before no further one is tried.
MOST_THAT_HANG = 4
_FOLDER = "folder"


def real_folder(path: str) -> Path:
    """The folder as it really is: without "..", doubled slashes or symbolic links.

    Raises RepositoryRefused for a path that cannot be a repository, or that does not respond.
    """
    if "\0" in path:
        raise RepositoryRefused("A path cannot contain a null character.")
    if not Path(path).is_absolute():
        raise RepositoryRefused(f"{path!r} is not an absolute path: begin it with /.")
    root = Path(_at(Path(path), lambda: os.path.realpath(path)))
    if root == Path(root.anchor):
        raise RepositoryRefused(
            "/ is the whole machine. Choose a folder with nothing else in it, such as /srv/vmrep."
        )
    return root


@dataclass(frozen=True)
class Folder:
    """What a path leads to. `device`: the number of its file system, which another one has as soon
    as something is mounted there, or no longer is. `is_of_system`: that is the file system that the
    machine runs from; `is_of_vmrep`: that of vmrep's own files, and of its database if that is a
    file among them."""

    path: str
    exists: bool
    mount_point: str
    file_system: str
    device: int
    total_bytes: int
    free_bytes: int
    is_of_system: bool
    is_of_vmrep: bool


def look_at(path: str) -> Folder:
    """What a folder is, or would be if it were made. Raises RepositoryRefused for one that cannot
    become a repository, as far as that is seen without writing."""
    root = real_folder(path)
    return _at(root, lambda: _look_at(root))


def mark(root: Path, uuid: str, device: int | None = None) -> None:
    """Make an unused folder the repository with that UUID by writing its marker.

    `device`: the number of the file system that it must be on. Raises RepositoryRefused with words
    for the operator; then the folder is not marked, or will not stay marked when the storage
    finally answers.
    """
    _at(root, lambda: _mark(root, uuid, device), on_late=lambda _: _unmark(root, uuid))


def unmark(root: Path, uuid: str) -> None:
    """Remove the marker with that UUID, and empty folders, so that the folder can be used again. A
    folder that is missing, or does not answer in time, may keep it: that does no harm, and says
    whose it was."""
    with contextlib.suppress(RepositoryRefused):
        _at(root, lambda: _unmark(root, uuid))


def _at(root: Path, work: Callable[[], T], on_late: Callable[[T], None] | None = None) -> T:
    if errands.count(_FOLDER) >= MOST_THAT_HANG:
        raise RepositoryRefused(
            f"{MOST_THAT_HANG} folders that were entered before still do not respond. Try again"
            " when the storage of one of them responds."
        )
    try:
        return errands.run(
            (_FOLDER, str(root)),
            work,
            seconds=ACT_SECONDS,
            or_else=f"{root} does not respond.",
            on_late=on_late,
        )
    except (EngineError, OSError) as problem:
        raise RepositoryRefused(_in_words(root, problem)) from problem


def _look_at(root: Path) -> Folder:
    _require_unused(root)
    there = _there(root)
    device, room = there.stat().st_dev, os.statvfs(there)
    mount_point, file_system = _mount_of(there)
    return Folder(
        path=str(root),
        exists=there == root,
        mount_point=mount_point,
        file_system=file_system,
        device=device,
        total_bytes=(room.f_blocks - room.f_bfree + room.f_bavail) * room.f_frsize,
        free_bytes=room.f_bavail * room.f_frsize,
        is_of_system=device == Path("/").stat().st_dev,
        is_of_vmrep=device == settings.DATA_DIR.stat().st_dev,
    )


def _there(root: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(each for each in (root, *root.parents) if each.exists())


_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def _mount_of(folder: Path) -> tuple[str, str]:
    """Where the folder's file system is mounted, and of which type it is; "unknown" where nobody
    says. The last mount that covers the folder counts."""
    best, length = ("unknown", "unknown"), 0
    with contextlib.suppress(OSError, ValueError):
        for line in _MOUNTS.read_text(errors="replace").splitlines():
            place, _, kind = line.partition(" - ")
            point = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), place.split()[4])
            is_above = folder == Path(point) or Path(point) in folder.parents
            if is_above and len(point) >= length:
                best, length = (point, kind.split()[0]), len(point)
    return best


def _mark(root: Path, uuid: str, device: int | None) -> None:
    _require_unused(root)
    if device is not None and _there(root).stat().st_dev != device:
        raise RepositoryRefused(
            f"{root} is on another file system than a moment ago: something was mounted or"
            " unmounted meanwhile. Look at it again."
        )
    DirectoryRepository.initialise(root, uuid)


def _unmark(root: Path, uuid: str) -> None:
    with contextlib.suppress(EngineError):
        repository = DirectoryRepository(root, uuid)
        repository.check()  # as long as it has the marker, nobody else's folders are there
        for folder in ("", *repository.manifest_folders()):
            repository.remove_manifests(folder, LARGEST_NUMBER)
        _remove_empty_folders(root)
        repository.retire()


def _remove_empty_folders(root: Path) -> None:
    """Images were in them. What is not empty stays, and what no image was ever in: a file system's
    own folder, and hidden ones, such as a filer's snapshots of everything."""
    found = list[str]()
    for folder, below, _ in os.walk(root):
        below[:] = [name for name in below if is_looked_at(name)]
        found += [os.path.join(folder, name) for name in below]  # noqa: PTH118
    for each in reversed(found):  # what is below another comes later
        with contextlib.suppress(OSError):
            Path(each).rmdir()


def _require_unused(root: Path) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise RepositoryRefused(f"{root} is a file. Choose a folder.")
    if (root / MARKER).exists():
        raise RepositoryRefused(
            f"{root} has the marker of a repository that this vmrep does not know; another vmrep"
            f" may be using it. Choose another folder. If the folder is not in use, remove {MARKER}"
            " from it yourself, then add it again."
        )
    others = sorted(entry.name for entry in root.iterdir() if entry.name not in _UNIMPORTANT)
    if others:
        raise RepositoryRefused(
            f"{root} is not empty ({others[0]}{' and more' if len(others) > 1 else ''}). A"
            " repository needs its own folder: choose an empty one, or a new one inside it."
        )


_WORDS = {
    errno.EACCES: "is not writable for the account that vmrep runs as. Give the account permission"
    " to write there, or choose another folder.",
    errno.EROFS: "is on a file system that is mounted read-only. Mount it read-write, or choose"
    " another folder.",
    errno.ENOTDIR: "is not a folder: a part of the path is a file. Check the path.",
    errno.ENAMETOOLONG: "is too long. Choose a shorter path.",
    errno.ENOSPC: "has no free space. Free some, or choose another folder.",
    errno.EDQUOT: "has no free space left in its quota. Raise it, or choose another folder.",
}
_WORDS[errno.EPERM] = _WORDS[errno.EACCES]
for _number, _remedy in REMEDIES.items():
    _WORDS.setdefault(_number, f"cannot be used ({os.strerror(_number)}). {_remedy}")


def _in_words(root: Path, problem: Exception) -> str:
    cause = problem if isinstance(problem, OSError) else problem.__cause__
    words = _WORDS.get(cause.errno or 0) if isinstance(cause, OSError) else None
    if words is not None:
        return f"{root} {words}"
    if isinstance(problem, DoesNotAnswer):
        return f"{root} does not respond. Check its storage, or choose another folder."
    if isinstance(problem, RepositoryNotPrivate):
        return str(problem)
    if isinstance(problem, RepositoryUnavailable):
        return f"{root} was made a repository by another process at the same moment."
    return f"{root} cannot be used: {problem}"
