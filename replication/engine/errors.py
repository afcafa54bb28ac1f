"""What can go wrong while bytes are moved. Every message says what happened and what to do next."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class EngineError(Exception):
    """Any failure of the engine."""


class SourceError(EngineError):
    """The source did not deliver the requested bytes.

    ``transient`` is true when a later attempt may succeed without any change.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class TargetError(EngineError):
    """The target did not accept the bytes, or could not make them permanent.

    ``locator`` names the image that it is about, where the target knows it.
    """

    def __init__(self, message: str, *, locator: str = "") -> None:
        super().__init__(message)
        self.locator = locator


class RepositoryUnavailable(TargetError):
    """The repository's folder is missing, or is not the intended repository."""


class RepositoryNotPrivate(RepositoryUnavailable):
    """Other accounts can write to the repository."""


class RepositoryFull(TargetError):
    """There is no room left (disk, quota or file size limit)."""


class ImageDamaged(TargetError):
    """An image or its digest map is not as it must be; it cannot be used or resumed."""


class ContentDamaged(ImageDamaged):
    """An image reads as other bytes than those that were copied. Only reading these again finds it,
    or finds it gone."""


class ImageMissing(TargetError):
    """There is no such image."""


class ImageInUse(TargetError):
    """Another process has the image open, or it cannot be reached."""


class ImageAltered(ImageDamaged):
    """An image's header disagrees with its row, or its files are not as they were committed:
    another program has changed them. ``aspect``: that of the first `target.Difference`."""

    def __init__(self, message: str, *, locator: str = "", aspect: str = "") -> None:
        super().__init__(message, locator=locator)
        self.aspect = aspect


class ManifestDamaged(TargetError):
    """A manifest is not what vmrep writes, or its content is not that of its digest."""


class RepositoryIsNewer(TargetError):
    """The repository knows of changes that the database does not: it is an older copy of itself."""


class RepositoryTaken(TargetError):
    """Another installation of vmrep uses the repository."""


class ExtentError(EngineError):
    """An extent is outside the disk, not made of whole sectors, or out of order."""


class CopyStopped(EngineError):
    """The caller asked the copy to stop."""


_PERMISSION = (
    "vmrep's account may not do this. Give it back the permission (chown, chmod), and look for an"
    " immutable flag (lsattr)."
)
_SHARE = (
    "The share or its server is away. When the server is back, unmount the share (umount -l) and"
    " mount it again."
)
REMEDIES = {
    errno.ENOSPC: "Free space, then try again.",
    errno.EDQUOT: (
        "The quota of vmrep's account is used up. Raise it, or free space, then try again."
    ),
    errno.EFBIG: (
        "The file system, or a limit of this process (ulimit -f), allows no larger file. Raise the"
        " limit, or move the repository to another file system, then try again."
    ),
    errno.EROFS: (
        "The file system is mounted read-only; the kernel may have done that after errors (dmesg)."
        " Check it, then mount it read-write again (mount -o remount,rw)."
    ),
    errno.EIO: (
        "The storage reports errors. Look at the kernel's messages (dmesg) for the device or the"
        " share, repair it, and check the file system; then run an integrity check."
    ),
    errno.ESTALE: (
        "The share was exported anew, or is another one now. Unmount it (umount -l), and mount it"
        " again."
    ),
    errno.ENOTCONN: _SHARE,
    errno.EHOSTDOWN: _SHARE,
    errno.EHOSTUNREACH: _SHARE,
    errno.ETIMEDOUT: _SHARE,
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
}
"""What helps against each error of a repository's storage."""


def target_error(doing: str, number: int | None, words: str, place: Path | None) -> TargetError:
    """The error for an errno that the storage gave, with its remedy. ``doing`` completes "While …";
    ``place``, where it is known, is what qemu's EPERM is about: it stands for EROFS, too."""
    if number == errno.EPERM and place is not None and _is_read_only(place):
        number = errno.EROFS
    remedy = REMEDIES.get(number or 0, "")
    if number in FULL:
        return RepositoryFull(f"No room was left while {doing}: {words}. {remedy}")
    return TargetError(f"Failed while {doing}: {words}. {remedy}".rstrip())


def errno_in(text: str) -> int | None:
    """The errno whose words a program's message contains."""
    return next((number for number in REMEDIES if os.strerror(number) in text), None)


def _is_read_only(place: Path) -> bool:
    try:
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:
        return False


@contextmanager
def target_errors(doing: str) -> Iterator[None]:
    """Turn an OSError into the matching target error; ``doing`` completes "While …"."""
    try:
        yield
    except OSError as error:
        raise target_error(doing, error.errno, str(error), None) from error
