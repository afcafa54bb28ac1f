"""In which order recovery points go. Pure.

A point whose images nothing is based on just goes: so the end of a chain goes newest first, and
nothing is merged. Anything else goes oldest first: what was merged once is not merged again with
each point after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple


class Image(NamedTuple):
    """A committed image: its point, and the image that it is based on."""

    key: int
    point: int
    parent: int | None


class Step(NamedTuple):
    """The removal of one point. `merges`: into how many of its images another one is merged."""

    point: int
    merges: int


class Chains:
    """A VM's images by what is based on what. Points and images are older the lower their keys."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._images = {image.key: image for image in images}
        self._of_point: dict[int, list[Image]] = defaultdict(list)
        self._children: dict[int, list[Image]] = defaultdict(list)
        for image in self._images.values():
            self._of_point[image.point].append(image)
            if image.parent is not None:
                self._children[image.parent].append(image)

    def images(self, point: int) -> list[Image]:
        return self._of_point.get(point, [])

    def children(self, image: int) -> list[Image]:
        """The images that are based directly on that one."""
        return self._children.get(image, [])

    def above(self, point: int) -> set[int]:
        """All points that need an image of that one."""
        found, new = set[int](), [image.key for image in self.images(point)]
        while new:
            children = self.children(new.pop())
            found |= {child.point for child in children}
            new += [child.key for child in children]
        return found

    def length(self, image: int, without: Collection[int] = ()) -> int:
        """How many images its chain has, not counting those of some points."""
        length, current = 0, self._images.get(image)
        while current is not None:
            length += current.point not in without
            current = None if current.parent is None else self._images.get(current.parent)
        return length

    def longest(self, point: int, without: Collection[int] = ()) -> int:
        """The length of the longest chain of that point, not counting the images of some points."""
        images = self.images(point)
        return max((self.length(image.key, without) for image in images), default=0)

    def in_order(self, going: Collection[int]) -> list[Step]:
        """The steps that remove these points."""
        return list(_Going(self._of_point, self._children).steps(sorted(going)))


class _Going:
    """The images on their way to fewer."""

    def __init__(self, of_point: dict[int, list[Image]], children: dict[int, list[Image]]) -> None:
        self._of_point = of_point
        self._children = {key: list(images) for key, images in children.items()}
        self._gone = set[int]()

    def steps(self, left: list[int]) -> Iterator[Step]:
        while left:
            at_end = [point for point in left if not self._merges(point)]
            point = at_end[-1] if at_end else left[0]
            yield Step(point, self._merges(point))
            left.remove(point)
            self._remove(point)

    def _merges(self, point: int) -> int:
        """How many images of the point something is still based on."""
        return sum(bool(self._left(image)) for image in self._of_point.get(point, []))

    def _left(self, image: Image) -> list[Image]:
        children = self._children.get(image.key, [])
        return [child for child in children if child.point not in self._gone]

    def _remove(self, point: int) -> None:
        """What was based on the point is now based on what that was based on."""
        for image in self._of_point.get(point, []):
            if image.parent is not None:
                self._children.setdefault(image.parent, []).extend(self._left(image))
        self._gone.add(point)
