"""Names and places in vSphere's inventory.

In an inventory name vSphere writes "/", "\\" and "%" as %2f, %5c and %25 (ManagedEntity.name in the
vSphere Web Services reference). People see and type the plain characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim

from contexts.vsphere.answers import NOT_AS_DESCRIBED
from contexts.vsphere.collector import BulkReading, Found
from contexts.vsphere.errors import AnswerTooLarge
from contexts.vsphere.session import Session
from contexts.vsphere.texts import MOST_NAME, cut

_ESCAPES = {"%25": "%", "%2f": "/", "%5c": "\\"}

_MOST_PLACES = 200_000
MOST_LEVELS = 100  # of folders in folders

# What must be known about everything that is not a VM, to say where a VM is.
PLACE_PATHS: dict[Any, tuple[str, ...]] = {
    vim.Folder: ("name", "parent"),
    vim.Datacenter: ("name", "parent"),
    vim.VirtualApp: ("name", "parentFolder", "parentVApp"),
    vim.HostSystem: ("name",),
    vim.Network: ("name",),
    vim.OpaqueNetwork: ("name", "summary"),
    vim.Datastore: ("name", "summary.type"),
}


def decode_name(name: str) -> str:
    """An inventory name as people see it."""
    if "%" not in name:
        return name
    return re.sub(
        "%(25|2f|5c)", lambda found: _ESCAPES[found[0].lower()], name, flags=re.IGNORECASE
    )


def encode_name(name: str) -> str:
    """A decoded name as one unambiguous part of an inventory path."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a VM is; None where an ancestor is not visible to the account.

    `path` is "/datacenter/vm/folder/name" with encoded parts, and `folder` the same without the
    name; `datacenter_path` is what the datastore URL's dcPath wants: the datacenter with its
    folders, names as in vSphere. `is_endless`: what is above it lies in a ring, or in more levels
    than vmrep follows.
    """

    path: str | None
    folder: str | None
    datacenter: str | None
    datacenter_path: str | None
    is_endless: bool = False


@dataclass(slots=True)
class Places:
    """The inventory's folders, datacenters, vApps, hosts, networks and datastores, by moref.

    `opaque_networks`: the morefs of networks that NSX manages, by the ID that adapters know."""

    root: str
    names: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    datacenters: set[str] = field(default_factory=set)
    datastore_types: dict[str, str] = field(default_factory=dict)
    opaque_networks: dict[str, str] = field(default_factory=dict)
    # Of what holds VMs: hundreds are in one folder.
    _above: dict[str | None, Place] = field(default_factory=dict, init=False)

    def add(self, found: Found) -> None:
        """Remember one object that was read with PLACE_PATHS. Raises AnswerTooLarge when there are
        more than any vCenter can have."""
        read = found.properties
        self._above.clear()
        if read.get("name"):  # vSphere allows no empty names
            self.names[found.moref] = cut(str(read["name"]), MOST_NAME)
        if len(self.names) > _MOST_PLACES:
            raise AnswerTooLarge(
                f"The inventory has more than {_MOST_PLACES:,} folders, hosts and networks."
            )
        parent = parent_of(read)
        if parent is not None:
            self.parents[found.moref] = parent
        if isinstance(found.ref, vim.Datacenter):
            self.datacenters.add(found.moref)
        if read.get("summary.type"):
            self.datastore_types[found.moref] = str(read["summary.type"])
        if opaque := _opaque_id(read.get("summary")):
            self.opaque_networks[opaque] = found.moref

    def shown(self, moref: str | None) -> str | None:
        """An object's name as people see it, None when unknown."""
        name = self.names.get(moref) if moref else None
        return decode_name(name) if name is not None else None

    def place(self, name: str | None, parent: str | None) -> Place:
        """Where something with this (plain) name under this parent is."""
        if parent not in self._above:
            self._above[parent] = self._place_above(parent)
        above = self._above[parent]
        path = f"{above.folder}/{encode_name(name)}" if above.folder and name else None
        return Place(path, above.folder, above.datacenter, above.datacenter_path, above.is_endless)

    def _place_above(self, parent: str | None) -> Place:
        above = self._ancestors(parent)
        datacenter = next((moref for moref in above if moref in self.datacenters), None)
        complete = bool(above) and self.parents.get(above[-1]) == self.root
        parts = [encode_name(self.shown(moref) or "") for moref in reversed(above)]
        path = "/" + "/".join(parts) if complete else None
        is_endless = not complete and (
            len(above) == MOST_LEVELS or (bool(above) and self.parents.get(above[-1]) in above)
        )
        datacenter_path = self._datacenter_path(datacenter)
        return Place(path, path, self.shown(datacenter), datacenter_path, is_endless)

    def _datacenter_path(self, datacenter: str | None) -> str | None:
        above = self._ancestors(datacenter)
        if not above or self.parents.get(above[-1]) != self.root:
            return None
        return "/".join(self.names[moref] for moref in reversed(above))

    def _ancestors(self, moref: str | None) -> list[str]:
        """The object and what is above it, below the root folder, as far as it is known."""
        above: list[str] = []
        while (
            moref
            and moref != self.root
            and moref in self.names
            and moref not in above
            and len(above) < MOST_LEVELS
        ):
            above.append(moref)
            moref = self.parents.get(moref)
        return above


def _opaque_id(summary: Any) -> str:
    """ "" when the summary says none, or not in a way that vmrep understands."""
    try:
        return cut(str(getattr(summary, "opaqueNetworkId", None) or ""), MOST_NAME)
    except NOT_AS_DESCRIBED:
        return ""


def parent_of(properties: Any) -> str | None:
    """The moref of what holds an entity. A VM in a vApp has no `parent`, but a `parentVApp`."""
    for path in ("parent", "parentFolder", "parentVApp"):
        ref = properties.get(path)
        if ref is not None:
            return str(ref._moId)
    return None


def places_of(session: Session, found: Iterable[Found]) -> Places:
    """Places from objects that were read with PLACE_PATHS."""
    places = Places(str(session.content.rootFolder._moId))
    for one in found:
        places.add(one)
    return places


def read_places(session: Session, page_size: int, on_page: Callable[[], None]) -> Places:
    """All places of the inventory, in bulk. `on_page` is called after each page."""
    places = places_of(session, ())
    for page in BulkReading(session, "Reading folders, hosts and networks", PLACE_PATHS, page_size):
        on_page()
        for found in page:
            places.add(found)
    return places


def may_be_same_disk(found: str | None, expected: str | None) -> bool:
    """Whether two UUIDs of a disk can be one; an unknown one proves nothing.

    vSphere writes one in two ways: "60 00 C2 9a …-…" in descriptors, "6000C29a-…" in its API.
    """
    digits = [re.sub(r"[\s-]", "", uuid or "").lower() for uuid in (found, expected)]
    return not all(digits) or digits[0] == digits[1]
