"""What was found damaged once, and is as it must be now: somebody has put the file back."""

from __future__ import annotations

from collections.abc import Sequence

from replication.engine.errors import ImageDamaged
from replication.engine.target import Target
from replication.models import DiskImage, ImageDamage, VerificationDamage
from replication.services import commits, damages
from replication.states import DamageFinder
from replication.verify import placing
from replication.verify.looking import SEEN_HERE
from replication.verify.turns import MOST_LISTED, Turn


def clear(turn: Turn, chain: Sequence[DiskImage], storage: Target, facts: str) -> None:
    """After a whole reading of the chain's first image, if it found nothing on that disk: its file
    (what it is now: `facts`) is as good as it was when it was committed."""
    found = VerificationDamage.objects.filter(
        verification=turn.verification_id, disk=chain[0].disk_id
    )
    if found.exists():
        return
    by_key = {image.pk: number for number, image in enumerate(chain)}
    known = ImageDamage.objects.filter(image__in=by_key, cleared_at__isnull=True)
    for damage in known:
        if _is_gone(damage, by_key[damage.image_id], chain, storage):
            damages.clear(damage.pk)
    top = chain[0]
    if facts and facts != top.as_committed:
        commits.accept(turn.context_id, {top.pk: facts})


def _is_gone(damage: ImageDamage, number: int, chain: Sequence[DiskImage], storage: Target) -> bool:
    """Of the first image everything was proven, of those below only what shows through it. What is
    known of files as such (`damages.WATCHED`) `commits.accept` decides."""
    if damage.code in damages.WATCHED:
        return False
    if number == 0 or damage.code == damages.MAP_DIFFERS:
        return True
    if damage.code == damages.CONTENT_DIFFERS:
        return _is_right(chain[number:], storage)
    by_looking = damage.found_by in (DamageFinder.INTEGRITY, DamageFinder.VERIFY)
    return damage.code in SEEN_HERE and (by_looking or not damage.needs_deep_look)


def left_below(chains: Sequence[Sequence[DiskImage]]) -> str:
    """Which images below are still not as they were committed, in words: what shows through them is
    right, but their own points may need more of them. Empty: none is."""
    below = {image.pk for chain in chains for image in chain[1:]}
    known = ImageDamage.objects.filter(image__in=below, cleared_at__isnull=True)
    watched = known.filter(code__in=damages.WATCHED).select_related("image__recovery_point")
    points = {it.image.recovery_point for it in watched if it.image.recovery_point is not None}
    if not points:
        return ""
    times = ", ".join(
        f"{point.consistent_at:%Y-%m-%d %H:%M:%S} UTC"
        for point in sorted(points, key=lambda point: point.pk)[:5]
    )
    return f"Files below were changed since: verify the recovery points of {times}, too."


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
