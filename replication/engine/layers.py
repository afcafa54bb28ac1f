"""Whether the files of a chain are what its rows say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path, PurePosixPath

from replication.engine.errors import ImageAltered, ImageDamaged
from replication.engine.header import ImageFile, read_image_file, shown
from replication.engine.target import FORM, PARENT, SIZE, Difference, Layer

_FORMAT = "qcow2"


def look_at(chain: Sequence[Layer], existing: Callable[[str], Path]) -> list[ImageFile]:
    """The files of a chain, each with a header that says what its row says.

    ``existing`` gives an image's file. Raises what it raises, ImageAltered when a header says
    something else, and as `read_image_file` does.
    """
    with ExitStack() as opened:
        files = []
        for number, layer in enumerate(chain):
            with about(layer.locator):
                file = read_image_file(existing(layer.locator))
            files.append(opened.enter_context(closing(file)))
            if found := list(differences(chain[number:], file)):
                raise ImageAltered(
                    f"{file.path} is not what vmrep wrote: it "
                    + ", and ".join(words for _, words in found)
                    + ". Nothing was read from it. Find out who changed it; then restore the"
                    " file from a backup, or delete the VM's replica data and replicate again.",
                    locator=layer.locator,
                )
        opened.pop_all()
        return files


def differences(chain: Sequence[Layer], file: ImageFile) -> Iterator[Difference]:
    """What the header of the chain's first image says that its row does not."""
    image, header = chain[0], file.header
    if header.size_bytes != image.size_bytes:
        words = f"is a disk of {header.size_bytes} bytes, not of {image.size_bytes}"
        yield Difference(SIZE, words)
    expected = name_below(chain)
    found = None if header.backing is None else os.path.normpath(header.backing)
    if found != expected:
        there = shown(header.backing or "none")
        words = f"is based on {there}, its row on {expected or 'none'}"
        yield Difference(PARENT, words)
    elif found is not None and header.backing_format != _FORMAT:
        words = f"takes the file below for {header.backing_format or 'anything'}"
        yield Difference(PARENT, f"{words}, not for {_FORMAT}")
    yield from (Difference(FORM, words) for words in header.oddities)


def name_below(chain: Sequence[Layer]) -> str | None:
    """The name by which the header of a chain's first image refers to the image below: relative to
    its own folder, so that the repository can be moved or mounted elsewhere. None for a root."""
    if len(chain) < 2:
        return None
    return os.path.relpath(f"/{chain[1].locator}", PurePosixPath("/", chain[0].locator).parent)


@contextmanager
def about(locator: str) -> Iterator[None]:
    """A damage that is found says which image has it."""
    try:
        yield
    except ImageDamaged as problem:
        problem.locator = problem.locator or locator
        raise
