"""Datastore paths: "[datastore] folder/file.vmdk".

The name of a datastore may itself contain brackets and blanks, and so may folders: only the
datastore itself tells where its name ends.
"""

from __future__ import annotations

from contexts.vsphere.names import decode_name


def split(path: str | None, datastore_name: str | None = None) -> tuple[str, str] | None:
    """The datastore's name, as it is written there, and the path within it. None if it is not such
    a path.

    `datastore_name`: the name of the datastore that the path is known to be on, as vSphere has it
    or as people see it. Without it, or if the path has another name (the datastore was renamed just
    now), the name ends where its brackets are balanced.
    """
    if not path or not path.startswith("["):
        return None
    end = _known_end(path, datastore_name) or _balanced_end(path) or path.find("]")
    rest = path[end + 1 :].removeprefix(" ") if end > 1 else ""
    return (path[1:end], rest) if rest else None


def _known_end(path: str, name: str | None) -> int | None:
    for spelling in (name, decode_name(name)) if name else ():
        if path.startswith(f"[{spelling}]"):
            return len(spelling) + 1
    return None


def _balanced_end(path: str) -> int | None:
    depth = 0
    for at, letter in enumerate(path):
        depth += (letter == "[") - (letter == "]")
        if not depth:
            return at
    return None
