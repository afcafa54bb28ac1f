"""What the files of committed images were when they were committed, and what may take its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models.functions import Now

from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from replication.engine.expected import MAP
from replication.engine.facts import Facts
from replication.models import DiskImage, ImageDamage
from replication.services import damages
from replication.states import ImageState


@one_transaction
def accept(context_id: str, proven: Mapping[int, str]) -> None:
    """Every byte of these images, by ID, was proven, while their files were what is given with them
    (`Target.facts`, the same before and after reading): from now on they are compared with that.

    What was noticed of their files is over; other damages are not. Images that were merged or given
    up meanwhile are left alone if the caller holds the context's lease or a hold on their point.
    """
    statuses.hold(context_id)
    images = DiskImage.objects.filter(vm_context=context_id, state=ImageState.COMMITTED)
    for image_id, as_committed in proven.items():
        images.filter(pk=image_id).update(as_committed=as_committed, updated_at=Now())
    ImageDamage.objects.filter(
        image__in=images.filter(pk__in=proven), code__in=damages.WATCHED, cleared_at__isnull=True
    ).update(cleared_at=Now())
    damages.settle(context_id)
    _touch(context_id)


@one_transaction
def keep_doubt(context_id: str, locators: Collection[str]) -> None:
    """What is in doubt of these images stays so, whatever happens to their files: they are about to
    be merged, after which they could not be told from others."""
    statuses.hold(context_id)
    images = DiskImage.objects.filter(
        vm_context=context_id, state=ImageState.COMMITTED, locator__in=locators
    )
    for image in images:
        known = Facts.from_text(image.as_committed)
        if known is not None and not known.is_doubted:
            text = known.doubted().text()
            images.filter(pk=image.pk).update(as_committed=text, updated_at=Now())
            _touch(context_id)


def has_map(image: DiskImage, now: str) -> None:
    """A chunk map was made beside it: the rest of what is known of its files stays."""
    known, found = Facts.from_text(image.as_committed), Facts.from_text(now)
    if known is not None and found is not None and MAP in found.files:
        both = known._replace(files={**known.files, MAP: found.files[MAP]})
        DiskImage.objects.filter(pk=image.pk).update(as_committed=both.text(), updated_at=Now())


def merged(child: DiskImage, image: DiskImage, as_committed: str) -> str:
    """What an image was committed as that two were merged into: in doubt if one of them was."""
    facts = Facts.from_text(as_committed)
    known = [Facts.from_text(it.as_committed) for it in (child, image)]
    if facts is not None and any(it is not None and it.is_doubted for it in known):
        return facts.doubted().text()
    return as_committed


@one_transaction
def keep_first(context_id: str, found: Mapping[int, str]) -> None:
    """What files of images were at the first look, of which an older version noted nothing when it
    committed them."""
    statuses.hold(context_id)
    images = DiskImage.objects.filter(
        vm_context=context_id, state=ImageState.COMMITTED, as_committed=""
    )
    for image_id, as_committed in found.items():
        images.filter(pk=image_id).update(as_committed=as_committed, updated_at=Now())
    _touch(context_id)


def _touch(context_id: str) -> None:
    """The VM's manifest tells of it, and is written again."""
    VMContext.objects.filter(pk=context_id).update(updated_at=Now())
