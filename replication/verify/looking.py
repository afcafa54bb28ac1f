"""Looks at the files of a chain as such, before their content is read: headers, tables, digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from replication.engine.errors import (
    ImageDamaged,
    ImageInUse,
    ImageMissing,
    RepositoryUnavailable,
    TargetError,
)
from replication.engine.target import ChunksBelow, Layer, Target
from replication.integrity import files
from replication.models import DiskImage
from replication.verify.turns import Damage

SEEN_HERE = frozenset(
    code.name
    for code in (
        files.IMAGE_FILE_MISSING,
        files.IMAGE_FILE_DAMAGED,
        files.IMAGE_SIZE_DIFFERS,
        files.BACKING_FILE_DIFFERS,
        files.DIGEST_DIFFERS,
    )
)
"""What a look at the files finds, and finds gone."""


def layers(chain: Sequence[DiskImage]) -> list[Layer]:
    return [Layer(image.locator, image.capacity_bytes) for image in chain]


def facts(chain: Sequence[DiskImage], storage: Target) -> list[str]:
    """What each file of the chain is now; empty: that cannot be told. As long as it is the same,
    nobody has written to the file."""
    found = []
    for image in chain:
        try:
            found.append(storage.facts(image.locator))
        except RepositoryUnavailable:
            raise
        except TargetError:
            found.append("")
    return found


def mapped(chain: Sequence[DiskImage], storage: Target) -> ChunksBelow:
    """What the chain must read as. ImageDamaged names the image whose map is wrong."""
    return storage.chunk_map(layers(chain), [image.map_digest for image in chain])


def look(
    chain: Sequence[DiskImage], storage: Target, on_wait: Callable[[], None]
) -> Iterator[Damage]:
    """What is wrong with the files of the chain. Raises RepositoryUnavailable, ImageInUse, and what
    on_wait raises."""
    for image in chain:
        on_wait()
        try:
            for code, what in files.wrong_with_file(image, storage, deep=True, on_wait=on_wait):
                if code not in files.WATCHED:  # whether its content is another one, reading tells
                    yield damage(image, code.name, what)
        except (RepositoryUnavailable, ImageInUse):
            raise
        except ImageMissing as problem:
            yield damage(image, files.IMAGE_FILE_MISSING.name, str(problem))
        except ImageDamaged as problem:
            yield damage(image, files.IMAGE_FILE_DAMAGED.name, str(problem))
        except TargetError as problem:
            storage.check()  # away, it says nothing of the file
            what = f"the file cannot be used: {problem}"
            yield damage(image, files.IMAGE_FILE_DAMAGED.name, what)


def damage(image: DiskImage, code: str, what: str) -> Damage:
    """Of a file as a whole."""
    return Damage(image.disk_id, image.pk, code, f"{image.locator}: {what}")
