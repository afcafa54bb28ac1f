"""The disk that the tests of copies copy, and how its guest changes it."""

from __future__ import annotations

import random
from pathlib import Path

from replication.engine.extents import Extent, normalise
from tests.engine.support import MIB

SIZE = 96 * MIB


def change(raw: Path, seed: int, count: int = 200) -> list[Extent]:
    """Let a guest write data and zeroes of every alignment; return what a tracker would say."""
    rng, written = random.Random(seed), []
    with raw.open("r+b") as file:
        for _ in range(count):
            length = rng.choice([512, 4096, 65536, 65536 + 512, 300 * 512])
            offset = rng.randrange(0, SIZE - length, 512)
            file.seek(offset)
            file.write(bytes(length) if rng.random() < 0.3 else rng.randbytes(length))
            written.append((offset, length))
    return normalise(written, SIZE)
