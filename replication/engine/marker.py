"""The marker of a repository's folder: a small file with the repository's UUID.

Whoever can write to the storage decides what the marker says, so it is read with mistrust.
"""

from __future__ import annotations

import json
import os
import uuid as uuids
from pathlib import Path

from replication.engine.errors import REMEDIES, RepositoryUnavailable
from replication.engine.regular import open_regular
from replication.engine.target import Room

MARKER = "vmrep-repository.json"
_FORMAT = 1
_LONGEST = 1024


def content_for(uuid: str) -> bytes:
    """What the marker of the repository with that UUID contains."""
    return json.dumps({"format": _FORMAT, "uuid": uuid}).encode() + b"\n"


def uuid_in(marker: Path) -> str:
    """The UUID of the repository whose marker this is, for whoever does not know it yet. Raises
    RepositoryUnavailable."""
    try:
        with open_regular(marker) as file:
            return _said(marker, file.read(_LONGEST + 1))[1]
    except FileNotFoundError as error:
        raise RepositoryUnavailable(
            f"{marker} is missing: the folder is no repository, or its storage is not mounted."
        ) from error
    except OSError as error:
        raise RepositoryUnavailable(f"{marker} cannot be read: {error}.") from error


def room_beside(marker: Path, uuid: str) -> Room:
    """How full the marker's file system is, whatever is mounted over the folder meanwhile.

    Raises RepositoryUnavailable unless the file is the marker of the repository with that UUID.
    """
    try:
        with open_regular(marker) as file:
            content = file.read(_LONGEST + 1)
            facts, room = os.fstat(file.fileno()), os.fstatvfs(file.fileno())
    except FileNotFoundError as error:
        raise RepositoryUnavailable(
            f"{marker} is missing: is the repository's storage mounted?"
        ) from error
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "")
        raise RepositoryUnavailable(
            f"{marker} cannot be read: {error}. {remedy}".rstrip()
        ) from error
    _require(marker, content, uuid)
    return Room(
        device=facts.st_dev,
        free_bytes=room.f_bavail * room.f_frsize,
        # What is reserved for root is neither free nor part of our total.
        total_bytes=(room.f_blocks - room.f_bfree + room.f_bavail) * room.f_frsize,
    )


def _require(marker: Path, content: bytes, uuid: str) -> None:
    found = _said(marker, content)
    if found != (_FORMAT, uuid):
        raise RepositoryUnavailable(
            f"{marker.parent} is the repository {found[1]} (format {found[0]}), not {uuid}: "
            "is the right storage mounted?"
        )


def _said(marker: Path, content: bytes) -> tuple[int, str]:
    """Format and UUID."""
    try:
        if len(content) > _LONGEST:
            raise ValueError("too long")
        said = json.loads(content)
        found = (said["format"], str(uuids.UUID(said["uuid"])))
        if type(found[0]) is not int:
            raise ValueError("no format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RepositoryUnavailable(f"{marker} is not a repository's marker.") from error
    return found
