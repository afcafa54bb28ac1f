"""One flipped bit anywhere in any file of a chain is found, or does no harm."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from replication.models import DiskImage
from tests.retention.chain import DISK1, Chain
from tests.verify import flips

SHORT, LONG = 3, 24
"""Bits of each file."""


def rounds(chain: Chain, count: int, seed: int) -> Counter[str]:
    chance, point, told = random.Random(seed), chain.point(3), Counter[str]()
    for file in flips.files_of(chain, point):
        for offset, bit in flips.places(file, count, chance):
            flips.flip(file, offset, bit)
            try:
                outcome, what = flips.is_found_or_harmless(chain, point)
            except BaseException as problem:
                problem.add_note(f"bit {bit} at {offset} of {file}, seed {seed}")
                raise
            finally:
                flips.flip(file, offset, bit)
            told[f"{outcome} {kind(file)}"] += 1
            assert outcome == "harmless" or file.name.partition(".")[0] in what, (file, what)
    assert flips.verify(point).state == "verified"
    return told


def kind(file: Path) -> str:
    return file.suffix


def test_each_kind_of_file(chain: Chain):
    told = rounds(chain, SHORT, seed=1)
    assert told["found .map"] > 0
    assert told["harmless .map"] == 0
    assert told["found .qcow2"] > 0


@pytest.mark.slow
def test_hundreds_of_places(chain: Chain):
    told = rounds(chain, LONG, seed=random.randrange(1 << 30))
    assert told.total() >= 300, told
    assert told["harmless .map"] == told["harmless .digests"] == 0, told


@pytest.mark.parametrize("what", ["L1 table", "L2 table", "refcount", "magic", "size", "backing"])
def test_a_bit_of_each_structure(chain: Chain, what: str):
    point, file = chain.point(2), chain.file(2)
    header = file.read_bytes()[:104]

    def number(at: int) -> int:
        return int.from_bytes(header[at : at + 8], "big")

    l1 = number(40)
    at_l1 = int.from_bytes(file.read_bytes()[l1 : l1 + 8], "big") & 0x00FFFFFFFFFFFE00
    entries = file.read_bytes()[at_l1 : at_l1 + (64 << 10)]
    used = next(at for at in range(0, len(entries), 8) if any(entries[at : at + 8]))
    refcounts = int.from_bytes(file.read_bytes()[number(48) :][:8], "big")
    place = {
        "L1 table": (l1 + 5, 1),
        "L2 table": (at_l1 + used + 5, 1),
        "refcount": (refcounts + 1, 0),
        "magic": (1, 0),
        "size": (29, 1),
        "backing": (number(8) + 1, 0),
    }[what]
    flips.flip(file, *place)
    outcome, told = flips.is_found_or_harmless(chain, point)
    assert outcome == "found"
    image = DiskImage.objects.get(recovery_point=point, disk__device_key=DISK1)
    assert image.locator in told
