"""What vmrep makes is its own account's alone: whoever reads the database is everybody's session
and token. Plain Python, for programs with Django and without."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# What says that a folder is vmrep's data folder, and not one that others live in, too.
OWN_NAMES = frozenset(
    {"vmrep.sqlite3", "secret_key", "field_keys", "demo.json", "demo.lock", "test-reports"}
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NotPrivate(Exception):
    """Others can read what is vmrep's, and that cannot be mended; the message says what can."""


def keep_private() -> None:
    """From here on this process and what it starts make nothing that others can read."""
    os.umask(_OTHERS)


def make_private_folder(folder: Path) -> None:
    """The data folder, made or tightened to 0700. Raises NotPrivate."""
    keep_private()
    folder.mkdir(parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if not mode & _OTHERS:
        return
    names = {entry.name for entry in folder.iterdir()}
    if mode & stat.S_IWOTH or (names and not names & OWN_NAMES):
        raise NotPrivate(
            f"The data folder {folder} is open to other accounts, and is not vmrep's alone. Choose"
            " one of its own (VMREP_DATA_DIR), or close this one yourself: chmod 700 and see what"
            " lies in it."
        )
    _close(folder, 0o700)


def make_private_files(*paths: Path) -> None:
    """Of these files, those that are there are tightened to 0600. Raises NotPrivate."""
    for path in paths:
        if path.exists() and path.stat().st_mode & _OTHERS:
            _close(path, 0o600)


def _close(path: Path, mode: int) -> None:
    try:
        path.chmod(mode)
    except OSError as problem:
        raise NotPrivate(
            f"{path} is open to other accounts, and cannot be closed by the one that vmrep runs as"
            f" ({problem.strerror}). Make it the owner, or run: chmod {mode:o} {path}"
        ) from problem
