"""What can go wrong while bytes are moved. Every message says what happened and what to do next."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

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
    """The target did not accept the bytes, or could not make them permanent."""


class RepositoryUnavailable(TargetError):
    """The repository's folder is missing, or is not the intended repository."""


class RepositoryNotPrivate(RepositoryUnavailable):
    """Other accounts can write to the repository."""


class RepositoryFull(TargetError):
    """There is no room left (disk, quota or file size limit)."""


class ImageDamaged(TargetError):
    """An image or its digest map is not as it must be; it cannot be used or resumed."""


class ImageMissing(TargetError):
    """There is no such image."""


class ImageAltered(ImageDamaged):
    """An image's header disagrees with its row: another program has changed the file."""


class ExtentError(EngineError):
    """An extent is outside the disk, not made of whole sectors, or out of order."""


class CopyStopped(EngineError):
    """The caller asked the copy to stop."""


@contextmanager
def target_errors(doing: str) -> Iterator[None]:
    """Turn an OSError into the matching target error; ``doing`` completes "While …"."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise RepositoryFull(
                f"No room was left while {doing}: {error}. Free space, then try again."
            ) from error
        raise TargetError(f"Failed while {doing}: {error}.") from error
