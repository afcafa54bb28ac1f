"""Whether an image reads as its snapshot did, byte by byte, by its files' headers."""

from __future__ import annotations

import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vmrep.lab.control.client import LabControl

if TYPE_CHECKING:  # it is imported before Django is set up
    from replication.models import DiskImage


class Broken(Exception):
    """Something is not as it must always be."""


def require_equal(control: LabControl, repository: Path, image: DiskImage) -> None:
    """`image`: with its disk. The lab has kept what was in the snapshot. Raises Broken."""
    raw = control.kept_content(image.snapshot_moref or "", image.disk.device_key)
    file = repository / image.locator
    command = ["qemu-img", "compare", "-U", "-f", "qcow2", "-F", "raw", str(file), str(raw)]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    if told.returncode:
        raise Broken(
            f"{image.locator} of recovery point {image.recovery_point_id} is not what was in"
            f" {image.snapshot_moref}: {told.stdout}{told.stderr}"
        )
    require_mapped(raw, image)


def require_mapped(raw: Path, image: DiskImage) -> None:
    """The maps of its chain tell of every byte. Raises Broken."""
    from replication.engine.chunk_maps import CHUNK_BYTES, ZERO, digest_of_chunk
    from replication.selectors.replica import layers_of, maps_below
    from replication.storage.targets import target

    mapped = [
        (layers_of(image)[0], image.map_digest),
        *maps_below(image.disk_id, image.parent_id),
    ]
    layers, digests = zip(*mapped, strict=True)
    if not all(digests):
        raise Broken(f"{image.locator}: an image of its chain has no map")
    with closing(target(image.repository).chunk_map(layers, digests)) as known:
        told = dict(known.records())
    with raw.open("rb") as file:
        for number, chunk in enumerate(iter(partial(file.read, CHUNK_BYTES), b"")):
            if told.pop(number, ZERO) != digest_of_chunk(chunk):
                raise Broken(f"{image.locator}: its map is wrong about chunk {number}")
    if any(map(any, told.values())):
        raise Broken(f"{image.locator}: its map tells of chunks beyond the disk")
