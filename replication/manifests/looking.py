"""A VM's manifest compared with the files that it names, before anything of it is believed.

Whoever can write to a repository can write a manifest, and what it says may be older than the
files: vmrep may have ended between a change and the manifest that tells of it. Between the two a
recovery point that is being removed can have lost its file to the one that was based on it
(decision 0016).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain as in_turn

from replication.engine.errors import ImageDamaged, ImageMissing
from replication.engine.manifest import ImagePart, PointPart, VmPart
from replication.engine.target import FORM, PARENT, SIZE, Layer, Target
from replication.errors import RestoreRefused

_CONTEXT_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
MOST_PARTS = 200_000
"""Of disks, points or images of one VM."""


@dataclass(frozen=True)
class FoundImage:
    """An image as its file is. `parent`: the number of the image that it is based on now. Without
    its file (`is_there`) only an image can be that has been merged into the one above it."""

    part: ImagePart
    parent: int | None
    merged_digest: str
    map_digest: str = ""
    """Empty where another image was merged since, or may be: its map is made anew."""
    as_committed: str = ""
    """Empty where nobody noted it: others were merged since, or may have been in part."""
    is_there: bool = True


@dataclass(frozen=True)
class Looked:
    """`points`: those whose files are all there and as they must be, in their order. `left_out`:
    why another one is not."""

    vm: VmPart
    points: list[PointPart]
    images: dict[int, FoundImage]
    left_out: list[tuple[PointPart, str]]

    def child_of(self, number: int) -> FoundImage | None:
        """The image that is based on that one."""
        return next((it for it in self.images.values() if it.parent == number), None)


def look(storage: Target, folder: str, vm: VmPart) -> Looked:
    """Compare all headers and digests. Raises RestoreRefused for a manifest that makes no sense,
    and TargetError when the storage does not answer."""
    _require_sense(folder, vm)
    looking = _Look(storage, vm)
    points, left_out = [], []
    for point in vm.points:
        if why := looking.at(point):
            left_out.append((point, why))
        else:
            points.append(point)
    return Looked(vm, points, looking.found, left_out)


class _Look:
    def __init__(self, storage: Target, vm: VmPart) -> None:
        self.found: dict[int, FoundImage] = {}
        self._storage = storage
        self._parts = {image.number: image for point in vm.points for image in point.images}
        self._going = {
            image.number for point in vm.points if point.removal for image in point.images
        }

    def at(self, point: PointPart) -> str:
        """Why the point cannot be used; empty if it can. Then its images are among the found."""
        try:
            found = [self._image(part) for part in point.images]
        except (ImageMissing, ImageDamaged) as problem:
            return str(problem)
        self.found |= {image.part.number: image for image in found}
        return ""

    def _image(self, part: ImagePart) -> FoundImage:
        if part.number in self._going:
            return self._going_image(part)
        parent = self._parent(part)
        merged_digest, map_digest = part.merged_digest, part.map_digest
        as_committed = part.as_committed
        if parent != part.parent:
            digest = self._storage.merged_digest(part.locator)
            if digest is None:
                raise ImageDamaged(f"{part.locator} has no digests of what was merged with it.")
            merged_digest, map_digest, as_committed = digest, "", ""
        else:
            self._require_digests(part)
        if part.parent in self._going:
            as_committed = ""  # its file may have been prepared for a merge
        return FoundImage(part, parent, merged_digest, map_digest, as_committed)

    def _going_image(self, part: ImagePart) -> FoundImage:
        """Its content may be changed in part, and its size be that of the one above. Nothing reads
        it but through that one."""
        if not self._storage.exists(part.locator):
            return FoundImage(part, part.parent, part.merged_digest, is_there=False)
        self._require_header(part, self._known(part.parent, part), also_grown=True)
        return FoundImage(part, part.parent, part.merged_digest)

    def _parent(self, part: ImagePart) -> int | None:
        """The image that the file is based on: the one that the manifest says, or what that one was
        based on, if it was merged since and its file is gone."""
        parent = self._known(part.parent, part)
        while parent is not None and not self.found[parent].is_there:
            parent = self._known(self.found[parent].parent, part)
        self._require_header(part, parent)
        return parent

    def _known(self, number: int | None, part: ImagePart) -> int | None:
        if number is not None and number not in self.found:
            raise ImageMissing(
                f"{part.locator} is based on {self._parts[number].locator}, which is left out."
            )
        return number

    def _require_header(
        self, part: ImagePart, parent: int | None, *, also_grown: bool = False
    ) -> None:
        below = [] if parent is None else [self._parts[parent]]
        layers = [Layer(it.locator, it.capacity_bytes) for it in (part, *below)]
        aspects = (PARENT, FORM) if also_grown else (SIZE, PARENT, FORM)
        for difference in self._storage.differences(layers):
            if difference.aspect in aspects:
                raise ImageDamaged(f"{part.locator}: the file {difference.words}.")

    def _require_digests(self, part: ImagePart) -> None:
        for recorded, read in (
            (part.digest, self._storage.digest),
            (part.merged_digest, self._storage.merged_digest),
            (part.map_digest, self._storage.map_digest),
        ):
            found = read(part.locator) if recorded else None
            if found is not None and found != recorded:
                raise ImageDamaged(f"{part.locator}: its digests are not those in the manifest.")


def _require_sense(folder: str, vm: VmPart) -> None:
    if vm.context_id != folder or not _CONTEXT_ID.fullmatch(folder):
        raise RestoreRefused(f"The manifest in {folder} is of {vm.context_id[:200]!r}.")
    images = list(in_turn.from_iterable(point.images for point in vm.points))
    if max(len(vm.disks), len(vm.points), len(images), len(vm.adapters)) > MOST_PARTS:
        raise RestoreRefused(f"{folder}: no VM has so many parts.")
    for what, names in (
        ("disk", [disk.number for disk in vm.disks]),
        ("recovery point", [point.number for point in vm.points]),
        ("replication", [point.job.id for point in vm.points]),
        ("image", [image.number for image in images]),
        ("file", [image.locator for image in images]),
    ):
        if any(count > 1 for count in Counter(names).values()):
            raise RestoreRefused(f"{folder}: the manifest has a {what} twice.")
    if [point.number for point in vm.points] != sorted(point.number for point in vm.points):
        raise RestoreRefused(f"{folder}: the recovery points are out of order.")
    _require_chains(folder, vm)


def _require_chains(folder: str, vm: VmPart) -> None:
    disk_of: dict[int, int] = {}
    disks = {disk.number for disk in vm.disks}
    for point in vm.points:
        if [it.position for it in point.images] != list(range(1, len(point.images) + 1)):
            raise RestoreRefused(f"{folder}: {point.job.id} does not have an image of each disk.")
        for image in point.images:
            if image.disk not in disks or not image.locator.startswith(f"{folder}/"):
                raise RestoreRefused(f"{folder}: {image.locator[:200]!r} is of no disk of this VM.")
            if image.parent is not None and disk_of.get(image.parent) != image.disk:
                raise RestoreRefused(f"{image.locator[:200]!r} is based on no earlier image.")
        disk_of |= {image.number: image.disk for image in point.images}
