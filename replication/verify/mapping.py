"""Chunk maps of images that were copied before there were any: made before the first verification.

The images of the chain get theirs from the root up, each in one piece: a worker that is killed
meanwhile leaves those that were done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from replication.engine.target import Target
from replication.models import DiskImage
from replication.verify import turns
from replication.verify.looking import layers
from replication.verify.turns import Turn


def make(
    turn: Turn, chain: Sequence[DiskImage], storage: Target, on_wait: Callable[[], None]
) -> None:
    """Make those that are missing. ImageDamaged names an image that is not as its digests say, and
    which gets none, nor do those above it."""
    for number in reversed(range(len(chain))):
        image = chain[number]
        if not image.map_digest:
            known = image.merged_digest or image.digest
            made = storage.make_map(layers(chain[number:]), known, on_wait=on_wait)
            image.map_digest = made
            turns.mapped(turn, image, made, storage.facts(image.locator))
