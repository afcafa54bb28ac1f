"""The folder tree of a vCenter, built from its VMs' inventory paths.

A path is "/datacenter/vm/folder/name", its parts encoded as in `contexts.vsphere.names`. The
folder "vm", which vSphere creates in every datacenter, is shown as its datacenter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from contexts.vsphere.names import decode_name

NO_FOLDER = "-"  # for VMs whose folder is not known; a real path begins with "/"
_ROOT = "vm"


@dataclass
class Folder:
    """`path` as in the VMs' paths, `name` as people see it (hostile text). `count` is the number of
    VMs in the folder and below it; `is_only`: the folder has no siblings."""

    name: str
    path: str
    count: int = 0
    children: dict[str, Folder] = field(default_factory=dict)
    is_only: bool = False

    @property
    def folders(self) -> list[Folder]:
        """The folders directly below, sorted by name."""
        return sorted(self.children.values(), key=lambda folder: (folder.name.lower(), folder.path))


def tree(paths: Iterable[str | None]) -> Folder:
    """The tree of all folders that hold the VMs; the top has the path ""."""
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
            unknown = Folder("Unknown folder", NO_FOLDER)
            top.children.setdefault(NO_FOLDER, unknown).count += 1
    _hide_roots(top)
    return top


def shown_folder(path: str | None) -> str | None:
    """A VM's folder as people read it: "Bonn / Production"; None when it is not known."""
    if path is None:
        return None
    parts = _above(path)
    if _ROOT in parts:
        parts.remove(_ROOT)
    return " / ".join(decode_name(part) for part in parts)


def _above(path: str | None) -> list[str]:
    return path.split("/")[1:-1] if path else []


def _hide_roots(folder: Folder) -> None:
    """Show the content of a datacenter's "vm" folder in the datacenter itself, and mark folders
    without siblings."""
    for child in folder.children.values():
        child.is_only = len(folder.children) == 1
        only = child.children.get(_ROOT)
        if only is not None and len(child.children) == 1 and only.count == child.count:
            child.children = only.children
        _hide_roots(child)
