"""The folder tree of a vCenter, made of its VMs' inventory paths.

A path is "/datacenter/vm/folder/name", its parts encoded as in `contexts.vsphere.names`. The
folder "vm", which every datacenter has and nobody made, is shown as its datacenter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from contexts.vsphere.names import decode_name

NO_FOLDER = "-"  # stands for VMs whose place is not known; a path begins with "/"
_ROOT = "vm"


@dataclass
class Folder:
    """`path` as in the VMs' paths, `name` as people see it (hostile text); `count` is of all VMs
    in it and below; `is_only` where nothing stands beside it."""

    name: str
    path: str
    count: int = 0
    children: dict[str, Folder] = field(default_factory=dict)
    is_only: bool = False

    @property
    def folders(self) -> list[Folder]:
        """The folders right below, by name."""
        return sorted(self.children.values(), key=lambda folder: (folder.name.lower(), folder.path))


def tree(paths: Iterable[str | None]) -> Folder:
    """All folders that the VMs are in; the top has the path ""."""
    top = Folder("", "")
    for path in paths:
        top.count += 1
        folder = top
        for part in _above(path):
            child = folder.children.get(part)
            if child is None:
                child = Folder(decode_name(part), f"{folder.path}/{part}")
                folder.children[part] = child
            child.count += 1
            folder = child
        if path is None:
            unknown = Folder("Place unknown", NO_FOLDER)
            top.children.setdefault(NO_FOLDER, unknown).count += 1
    _hide_roots(top)
    return top


def shown_folder(path: str | None) -> str | None:
    """Where a VM is, for people: "Bonn / Production"; None when it is not known."""
    if path is None:
        return None
    parts = _above(path)
    if _ROOT in parts:
        parts.remove(_ROOT)
    return " / ".join(decode_name(part) for part in parts)


def _above(path: str | None) -> list[str]:
    return path.split("/")[1:-1] if path else []


def _hide_roots(folder: Folder) -> None:
    """Put what is in a datacenter's own "vm" folder into the datacenter; mark only children."""
    for child in folder.children.values():
        child.is_only = len(folder.children) == 1
        only = child.children.get(_ROOT)
        if only is not None and len(child.children) == 1 and only.count == child.count:
            child.children = only.children
        _hide_roots(child)
