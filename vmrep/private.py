"""Keeps vmrep's files private to its account: anyone who reads the database has every session and
token. Plain Python, for programs with and without Django."""

from __future__ import annotations

import os
import stat
from fnmatch import fnmatchcase
from pathlib import Path

# What only vmrep makes, and only in its data folder: a folder with any of these is vmrep's own. The
# other files of a demo have names that others use, too (vmrep.local.folder).
OWN_NAMES = (
    "vmrep.sqlite3*",
    "secret_key",
    "field_keys",
    "beat-schedule*",
    "lab-password",
    "demo.json.tmp",
    "demo.json",  # last: starting over removes them in this order
)
# These stay when a demo starts over.
KEPT_NAMES = ("demo.lock", "test-reports")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NotPrivate(Exception):
    """Other accounts can read vmrep's files; the message says how to prevent it."""


def keep_private() -> None:
    """From now on, files of this process and its children are not readable for other accounts."""
    os.umask(_OTHERS)


def make_private_folder(folder: Path) -> None:
    """Create the data folder, or restrict it to 0700. Raises NotPrivate."""
    keep_private()
    folder.mkdir(parents=True, exist_ok=True)
    _require_own(folder)
    mode = folder.stat().st_mode
    if not mode & _OTHERS:
        return
    if mode & stat.S_IWOTH or not _is_own(folder):
        raise NotPrivate(
            f"The data folder {folder} is open to other accounts and also holds other files. Choose"
            " a separate folder with VMREP_DATA_DIR, or check its content and run: chmod 700"
            f" {folder}"
        )
    _close(folder, 0o700)


def _is_own(folder: Path) -> bool:
    names = [entry.name for entry in folder.iterdir()]
    own = (*OWN_NAMES, *KEPT_NAMES)
    return not names or any(fnmatchcase(name, each) for name in names for each in own)


def make_private_files(*paths: Path) -> None:
    """Restrict those of these files that exist to 0600. Raises NotPrivate."""
    for path in paths:
        if not path.exists():
            continue
        _require_own(path)
        if path.stat().st_mode & _OTHERS:
            _close(path, 0o600)


def _require_own(path: Path) -> None:
    """Its owner can read and replace it, whatever its mode."""
    owner, own = path.stat().st_uid, os.geteuid()
    if owner != own:
        raise NotPrivate(
            f"{path} belongs to another account (user {owner}), not to the one that vmrep runs as"
            f" (user {own}). Make it vmrep's: chown {own} {path}"
        )


def _close(path: Path, mode: int) -> None:
    try:
        path.chmod(mode)
    except OSError as problem:
        raise NotPrivate(
            f"{path} is open to other accounts, and vmrep's account cannot change that"
            f" ({problem.strerror}). Make that account the owner, or run: chmod {mode:o} {path}"
        ) from problem
