"""VMs of one name, told apart wherever several of them are shown together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from contexts.folders import shown_folder

if TYPE_CHECKING:
    from contexts.models import VMContext


class Named(NamedTuple):
    """A VM that is shown. `key`: its context ID; `vcenter`: the name of its vCenter."""

    key: str
    name: str | None
    path: str | None
    vcenter: str | None

    @property
    def whereabouts(self) -> str:
        """All that tells it from others: inventory path, vCenter and context ID."""
        place = ", ".join(filter(None, (self.path, self.vcenter)))
        return f"{place} – {self.key}" if place else self.key


def named(vm: VMContext) -> Named:
    return Named(vm.pk, vm.vm_name, vm.vm_path, vm.vcenter.name)


def told_apart(vms: Iterable[Named]) -> dict[str, str]:
    """By key, for those whose name repeats among these: the least that differs, which is the
    vCenter, else the datacenter and folder, else both, else the context ID."""
    by_name: defaultdict[str, dict[str, Named]] = defaultdict(dict)
    for vm in vms:
        if vm.name:
            by_name[vm.name][vm.key] = vm
    told: dict[str, str] = {}
    for same in by_name.values():
        if len(same) > 1:
            told |= _what_differs(same.values())
    return told


def _what_differs(same: Iterable[Named]) -> dict[str, str]:
    places = {vm.key: (vm.vcenter, shown_folder(vm.path)) for vm in same}
    for shown in ((0,), (1,), (0, 1)):
        found = {key: [place[each] or "" for each in shown] for key, place in places.items()}
        said = {key: ", ".join(parts) for key, parts in found.items()}
        if all(map(all, found.values())) and len(set(said.values())) == len(said):
            return said
    return {key: key for key in places}
