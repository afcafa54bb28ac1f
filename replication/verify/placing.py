"""In which file of a chain a damage is: the lowest image that reads wrong there has it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from replication.engine.chunk_maps import CHUNK_BYTES
from replication.engine.errors import ImageDamaged
from replication.engine.reading_back import Wrong, wrong_chunks
from replication.engine.target import Target
from replication.models import DiskImage
from replication.services.damages import CONTENT_DIFFERS
from replication.verify.looking import layers, mapped
from replication.verify.turns import Damage

log = logging.getLogger(__name__)

MOST_PLACED = 256
"""Chunks for which every image of the chain is read."""


def placed(
    wrong: Sequence[Wrong],
    chain: Sequence[DiskImage],
    storage: Target,
    on_wait: Callable[[], None],
) -> list[Damage]:
    """What is still wrong at a second look, each with the image whose file has it. Raises
    RepositoryUnavailable: then nothing is known to be wrong."""
    storage.check()
    offsets = {each.offset for each in wrong}
    still = {each.offset: each for each in wrong_there(offsets, chain, storage)}
    for offset in offsets - still.keys():
        log.error(
            "%s: the chunk at %s read wrong once, and right the second time. Check the memory of"
            " this machine, and the storage.",
            chain[0].locator,
            f"{offset:,}",
        )
    holders = dict(_holders(sorted(still)[:MOST_PLACED], chain, storage, on_wait))
    return [_damage(each, chain[0], holders.get(offset)) for offset, each in sorted(still.items())]


def wrong_there(
    offsets: Sequence[int] | set[int], chain: Sequence[DiskImage], storage: Target
) -> list[Wrong]:
    """Those of the chunks at these places that the chain's first image reads wrong. A place beyond
    its end is not one of it. Raises ImageDamaged for a map or file that is not as it must be."""
    image = chain[0]
    numbers = sorted(at // CHUNK_BYTES for at in offsets if at < image.capacity_bytes)
    if not numbers:
        return []
    with (
        closing(mapped(chain, storage)) as known,
        storage.open_readonly(layers(chain), past_the_cache=True) as opened,
    ):
        wanted = [(number, known.lookup(number)) for number in numbers]
        return wrong_chunks(opened, wanted, image.capacity_bytes)


def _holders(
    offsets: Sequence[int],
    chain: Sequence[DiskImage],
    storage: Target,
    on_wait: Callable[[], None],
) -> Iterator[tuple[int, DiskImage]]:
    left = list(offsets)
    for number in reversed(range(len(chain))):
        on_wait()
        try:
            found = {each.offset for each in wrong_there(left, chain[number:], storage)}
        except ImageDamaged:
            return  # told of by the look at the files
        yield from ((offset, chain[number]) for offset in found)
        left = [offset for offset in left if offset not in found]


def _damage(wrong: Wrong, top: DiskImage, holder: DiskImage | None) -> Damage:
    disk = top.disk.label or top.disk.disk_id
    where = f"{wrong.length:,} bytes at {wrong.offset:,}"
    file = "" if holder is None else f" (file {holder.locator})"
    what = f"{disk}: the {where}{file} {wrong.why}."
    return Damage(
        top.disk_id,
        None if holder is None else holder.pk,
        CONTENT_DIFFERS,
        what,
        wrong.offset,
        wrong.length,
    )
