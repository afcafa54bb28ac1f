"""Making files survive a power cut: the only place in the engine that calls fsync.

None of these promises more than the file system and the storage below it do: a disk that
acknowledges a flush it did not do, or a network share exported "async", can still lose everything.
After a failed fsync the kernel may have dropped the dirty pages: never retry it and call the file
safe; treat the file as lost.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

from replication.engine.regular import is_there, open_regular

_NO_SECOND_NAMES = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""What file systems answer on which a file has one name only."""


def fsync_open_file(file: IO[bytes]) -> None:
    """Write out what was written to an open file. Does not make its *name* permanent."""
    file.flush()
    os.fsync(file.fileno())


def fsync_file(path: Path) -> None:
    """Write out a file's content and size, including what other processes wrote. Does not make its
    name permanent."""
    with open_regular(path) as file:
        os.fsync(file.fileno())


def fsync_folder(path: Path) -> None:
    """Make names created, renamed or removed in a folder permanent. Not the files' content."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_durably(source: Path, destination: Path) -> None:
    """Rename within one file system, permanently. Replaces ``destination``; syncs no content.

    A crash leaves one of the names, never none; both only if the folders differ. Another call then
    finishes what was cut off: Linux itself renames nothing when both are names of one file.
    """
    if destination.exists() and source.samefile(destination):
        fsync_folder(destination.parent)
        source.unlink()
    else:
        source.rename(destination)
        fsync_folder(destination.parent)
    if source.parent != destination.parent:
        fsync_folder(source.parent)


def name_durably(source: Path, destination: Path) -> None:
    """Rename within one folder, permanently, unless ``destination`` is there: FileExistsError, and
    both stay as they are. Of several processes and machines that try one succeeds.

    A crash leaves the one name, the other one, or both of the one file. (On a file system without
    second names it is looked before it is renamed, which leaves a moment in between.)
    """
    try:
        os.link(source, destination, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAMES:
            # Over NFS an answer may be lost, and the request that is sent again find its own work.
            if not (isinstance(error, FileExistsError) and _is_one_file(source, destination)):
                raise
        else:
            if is_there(destination):
                raise FileExistsError(
                    errno.EEXIST, os.strerror(errno.EEXIST), str(destination)
                ) from error
            rename_durably(source, destination)
            return
    fsync_folder(destination.parent)
    unlink_durably(source)


def _is_one_file(one: Path, other: Path) -> bool:
    return os.path.samestat(os.lstat(one), os.lstat(other))


def unlink_durably(*paths: Path) -> None:
    """Remove names of one folder permanently; those that are already gone are fine.

    The folder is synced even then: the earlier removal may not have been.
    """
    for path in paths:
        path.unlink(missing_ok=True)
    if paths[0].parent.is_dir():
        fsync_folder(paths[0].parent)


def make_folders_durably(path: Path, mode: int = 0o700, *, below: Path | None = None) -> None:
    """Create a folder and its missing parents, permanently. `below`: a folder that must be there
    already, and is not made; FileNotFoundError without it."""
    missing = [path]
    while missing[-1] != below and not missing[-1].exists():
        missing.append(missing[-1].parent)
    for folder in reversed(missing[:-1]):
        folder.mkdir(mode=mode, exist_ok=True)
        fsync_folder(folder.parent)


def create_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Make a small file that does not exist yet; FileExistsError if it does, whoever made it.

    A crash may leave it empty or incomplete.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        fsync_open_file(file)
    fsync_folder(path.parent)
