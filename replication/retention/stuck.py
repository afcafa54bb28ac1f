"""Removals that are stuck, since an image of their chains is damaged: a second look at what was
damaged, and the way back.

The integrity check judges no image that is being merged, nor the one that it is merged into: these
are looked at here, and as the merge would.
"""

from __future__ import annotations

from django.db.models import QuerySet

from replication.engine.errors import TargetError
from replication.engine.target import Layer
from replication.models import DiskImage, ImageDamage, ImageMerge, PointRemoval
from replication.retention import steps
from replication.services import damages
from replication.services.damages import SEEN_IN_HEADERS
from replication.states import MergeStage
from replication.storage.targets import target
from replication.sync.removing import Holder


def look_again(removal: PointRemoval, holder: Holder) -> None:
    """Clear the damages that a look at the headers finds gone: a file may have been away for a
    moment. Where none is, and no file was changed yet, the removal is taken back."""
    merges = removal.merges.filter(stage__in=[MergeStage.PLANNED, MergeStage.MERGING])
    merges = merges.select_related("image__repository", "image__parent", "child")
    cleared = [damage for merge in merges for damage in _gone(merge, holder)]
    for damage in cleared:
        damages.clear(damage.pk)
    if not cleared:
        steps.take_back(removal, holder.guard.lease)


def _gone(merge: ImageMerge, holder: Holder) -> list[ImageDamage]:
    """The damages of the two images of a merge that their files' headers show no longer."""
    image, child = merge.image, merge.child
    if child is None:
        return []
    found = []
    for one, below in ((image, image.parent), (child, image)):
        known = list(_seen_in_headers(one))
        holder.check()
        if known and _is_as_recorded(merge, one, below):
            found += known
    return found


def _seen_in_headers(image: DiskImage) -> QuerySet[ImageDamage]:
    return ImageDamage.objects.filter(
        image=image, cleared_at__isnull=True, needs_deep_look=False, code__in=SEEN_IN_HEADERS
    )


def _is_as_recorded(merge: ImageMerge, image: DiskImage, below: DiskImage | None) -> bool:
    """Whether the image's file is there, with the header that it should have. One that something is
    merged into may be as large as that already."""
    layers = [Layer(it.locator, it.capacity_bytes) for it in (image, below) if it is not None]
    storage = target(merge.image.repository)
    try:
        found = storage.differences(layers)
        if merge.child and image == merge.image and merge.stage == MergeStage.MERGING:
            grown = layers[0]._replace(size_bytes=merge.child.capacity_bytes)
            found = min(found, storage.differences([grown, *layers[1:]]), key=len)
    except TargetError:
        return False  # not there, still damaged, or nobody can tell now
    return not found
