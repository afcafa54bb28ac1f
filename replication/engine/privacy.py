"""Whether others can write to a folder: whoever can change a header can mislead its reader."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from replication.engine.errors import RepositoryNotPrivate
from replication.engine.regular import real

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def require_private(folder: Path) -> None:
    """Raise RepositoryNotPrivate when another account can write to the folder, or put another one
    in its place. A missing folder passes: other checks report it.

    Checks owner and mode, not access control lists.
    """
    try:
        _require_private(real(folder))
    except OSError:
        return


def _require_private(folder: Path) -> None:
    facts = folder.stat()
    if facts.st_uid not in (0, os.geteuid()):
        raise RepositoryNotPrivate(
            f"{folder} belongs to {_name(facts.st_uid)}, not to the account that vmrep runs as"
            f" ({_name(os.geteuid())}), and whoever can write to a repository can make a replica"
            f" read other files. Give it to vmrep: chown {_name(os.geteuid())} {folder}"
        )
    if facts.st_mode & _OTHERS:
        raise RepositoryNotPrivate(
            f"Other accounts can write to {folder} (mode {stat.S_IMODE(facts.st_mode):04o}), and"
            " whoever can write to a repository can make a replica read other files. Take that"
            f" right away: chmod go-w {folder}"
        )
    for above in folder.parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise RepositoryNotPrivate(
                f"Everybody can write to {above} (mode {stat.S_IMODE(mode):04o}), and so replace"
                f" the folder {folder}. Take that right away: chmod o-w {above}"
            )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
