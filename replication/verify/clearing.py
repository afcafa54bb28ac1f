"""What was found damaged once, and is as it must be now: somebody has put the file back."""

from __future__ import annotations

from collections.abc import Sequence

from replication.engine.errors import ImageDamaged
from replication.engine.target import Target
from replication.models import DiskImage, ImageDamage, VerificationDamage
from replication.services import damages
from replication.services.damages import CONTENT_DIFFERS, MAP_DIFFERS
from replication.verify import placing
from replication.verify.looking import SEEN_HERE
from replication.verify.turns import MOST_LISTED, Turn


def clear(turn: Turn, chain: Sequence[DiskImage], storage: Target) -> None:
    """After a whole reading of the chain's first image, if it found nothing on that disk."""
    found = VerificationDamage.objects.filter(
        verification=turn.verification_id, disk=chain[0].disk_id
    )
    if found.exists():
        return
    by_key = {image.pk: number for number, image in enumerate(chain)}
    known = ImageDamage.objects.filter(image__in=by_key, cleared_at__isnull=True)
    for damage_id, image_id, code in known.values_list("pk", "image_id", "code"):
        number = by_key[image_id]
        is_right = code in SEEN_HERE or code == MAP_DIFFERS
        if code == CONTENT_DIFFERS:
            is_right = number == 0 or _is_right(chain[number:], storage)
        if is_right:
            damages.clear(damage_id)


def _is_right(chain: Sequence[DiskImage], storage: Target) -> bool:
    """Of an image below: what was found wrong in its file reads right through it. More than is
    listed needs a verification of its own point."""
    listed = VerificationDamage.objects.filter(image=chain[0].pk, offset_bytes__isnull=False)
    places = listed.order_by().values_list("offset_bytes", flat=True)[: MOST_LISTED + 1]
    offsets = {place for place in places if place is not None}
    if not offsets or len(offsets) > MOST_LISTED:
        return False
    try:
        return not placing.wrong_there(offsets, chain, storage)
    except ImageDamaged:
        return False
