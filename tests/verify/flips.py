"""Bits that flip in the files of a chain, one at a time: each is found, or does no harm."""

from __future__ import annotations

import random
from pathlib import Path

from replication.models import DiskImage, ImageDamage, PointVerification, RecoveryPoint
from replication.verify import run, services
from tests.retention.chain import Chain


def flip(file: Path, offset: int, bit: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        (byte,) = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([byte ^ 1 << bit]))


def files_of(chain: Chain, point: RecoveryPoint) -> list[Path]:
    """Every file that the point's disks are read through, or proven with."""
    found = []
    for image in point.images.all():
        below: DiskImage | None = image
        while below is not None:
            file = chain.estate.repository_folder / below.locator
            found += [it for it in file.parent.glob(f"{file.name}*") if it.is_file()]
            below = below.parent
    return sorted(found)


def places(file: Path, count: int, chance: random.Random) -> list[tuple[int, int]]:
    """Half of them in the first clusters, where header, tables and refcounts are."""
    size = file.stat().st_size
    early = min(size, 320 << 10)
    return [
        (chance.randrange(early if number % 2 else size), chance.randrange(8))
        for number in range(count)
    ]


def verify(point: RecoveryPoint) -> PointVerification:
    asked = services.request(point, trigger="manual", actor="ops")
    assert run.run_next() == asked.pk
    asked.refresh_from_db()
    return asked


def is_found_or_harmless(chain: Chain, point: RecoveryPoint) -> tuple[str, str]:
    """What the verification says of a file that is not as it was, and why it may say so: what it
    does not find, reads as the lab kept it."""
    done = verify(point)
    if done.state == "verified":
        chain.require_equal_point(point)
        return "harmless", ""
    assert done.state == "damaged", f"{done.state}: {done.problem}"
    point.refresh_from_db()
    assert point.damaged_at is not None
    what = "; ".join(done.damages.values_list("what", flat=True))
    ImageDamage.objects.all().delete()
    RecoveryPoint.objects.update(damaged_at=None, damage="")
    return "found", what
