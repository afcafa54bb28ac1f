"""The place of an unfinished image: a folder with the image, its digests and its chunk map
in it.

Nothing can be made in a folder that was removed. So a worker that was paused while another one
discarded its image cannot make a file that nobody would ever find: it makes the folder first, and
checks whether its time has passed before it puts anything there.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from replication.engine.durable import fsync_folder
from replication.engine.errors import TargetError

SUFFIX = ".tmp"
IMAGE, DIGESTS, MAP = "image", "digests", "map"
NAMES = (IMAGE, DIGESTS, MAP)

_TRIES = 100
_LEFT_AFTER_SECONDS = 3600


def make(place: Path) -> None:
    """Make the folder, durably. FileExistsError when it exists."""
    place.mkdir(mode=0o700)
    fsync_folder(place.parent)


def remove(place: Path) -> None:
    """Remove the folder, durably, unless it contains something. A missing one is fine."""
    try:
        place.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
    fsync_folder(place.parent)


def empty(place: Path) -> None:
    """Remove the folder and vmrep's files in it, whatever a paused worker makes there meanwhile:
    once the folder is gone, it can make nothing. What somebody else put there stays."""
    for _ in range(_TRIES):
        for name in NAMES:
            (place / name).unlink(missing_ok=True)
        remove(place)
        if not any((place / name).exists() for name in NAMES):
            return
    raise TargetError(f"{place} cannot be removed: new files keep appearing in it.")


def remove_abandoned(folder: Path) -> None:
    """Remove empty places that nobody will use: they were made by a worker whose time had passed,
    and that was killed before it could remove them.

    Recent ones are left alone: another worker may be about to put its image there. Their age is
    measured by the storage's clock alone, which dates the folder now as it dated them.
    """
    try:
        os.utime(folder)
        present = folder.stat().st_mtime
    except FileNotFoundError:
        return
    for place in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            if present - place.stat().st_mtime > _LEFT_AFTER_SECONDS:
                place.rmdir()
