"""Paths and files that another program may have put there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO


def real(path: Path) -> Path:
    """The path without symbolic links. Of links that lead in a circle one is left, which whatever
    is done there refuses with OSError; `Path.resolve` raises RuntimeError, which says nothing of
    storage to anybody who handles errors."""
    return Path(os.path.realpath(path))


def open_regular(path: Path) -> IO[bytes]:
    """Open an ordinary file for reading.

    Raises OSError for everything else: opening a named pipe waits for its other end, opening a
    device may do something, and a symbolic link may lead out of the repository.
    """
    _require_regular(os.lstat(path), path)
    # It may be another file by now: even then, nothing may wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        _require_regular(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def is_there(path: Path) -> bool:
    """Whether there is anything of that name, be it a link that leads nowhere.

    Raises OSError where the storage does not tell: `os.path.lexists` says then that there is
    nothing, so that a share which fails for a moment would seem to have lost its files.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _require_regular(facts: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "This is not an ordinary file", str(path))
