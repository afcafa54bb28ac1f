"""A chain of images as jobs make it: copies of a disk that changes, grows, and is compared once."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

from replication.engine.copy import DiskCopy
from replication.engine.digests import DigestEntry, read_digests
from replication.engine.directory import DirectoryRepository
from replication.engine.extents import Extent, normalise
from replication.engine.sources.file import FileSource
from replication.engine.target import Layer, Merged, SealedImage
from tests.engine.support import difference, whole

KIB = 1 << 10
REQUEST = 64 * KIB
SIZES = (2048 * KIB + 512, 2048 * KIB + 512, 3072 * KIB + 1024, 3072 * KIB + 1024, 4096 * KIB)
NEWEST, MIDDLE, OLDEST = 0, 2, 4
COMPARED = 2
"""The number of the image of a job that read the whole disk and wrote what differed."""


class Chain:
    """A repository with a chain, newest image first, and the raw content of each."""

    def __init__(
        self, folder: Path, raws: Path, uuid: str, layers: list[Layer], digests: list[str]
    ) -> None:
        self.folder, self._raws = folder, raws
        self.repository = DirectoryRepository(folder / "repository", uuid)
        self.layers = layers
        self.digests = {
            layer.locator: digest for layer, digest in zip(layers, digests, strict=True)
        }

    def copied_to(self, folder: Path) -> Chain:
        """The same with images of its own."""
        shutil.copytree(self.repository.root, folder / "repository")
        digests = [self.digests[layer.locator] for layer in self.layers]
        return Chain(folder, self._raws, self.repository.uuid, list(self.layers), digests)

    def file(self, number: int) -> Path:
        """The image that is the number-th from the newest one."""
        return self.repository.root / self.layers[number].locator

    def raw(self, number: int) -> Path:
        return self._raws / f"{Path(self.layers[number].locator).stem}.raw"

    def merging(self, number: int) -> list[Layer]:
        """The chain for removing that image: it begins with its child."""
        return self.layers[number - 1 :]

    def known(self, number: int) -> tuple[str, str]:
        """The digests that the rows of the two have."""
        child, removed = self.merging(number)[:2]
        return self.digests[child.locator], self.digests[removed.locator]

    def remove(self, number: int) -> SealedImage:
        """Remove an image and what belongs to it."""
        sealed = self.go_on(number)
        self.forget(number)
        return sealed

    def go_on(self, number: int) -> SealedImage:
        """Do the four steps, or what is left of them, as whoever has the lease does."""
        chain = self.merging(number)
        if self.repository.exists(chain[1].locator):
            self.repository.expect(chain, self.known(number))
            self.merge(number)
            self.check(number)
        return self.repository.take_name(chain)

    def check_child(self, number: int) -> None:
        chain = self.merging(number)
        digest = self.known(number)[0]
        self.repository.check_child(chain, digest, on_wait=lambda _: None)

    def merge(self, number: int) -> None:
        self.repository.merge(self.merging(number), on_start=lambda _: None, on_wait=lambda _: None)

    def check(self, number: int) -> Merged:
        return self.repository.check_merged(self.merging(number), on_wait=lambda _: None)

    def forget(self, number: int) -> None:
        """What the database does at the end."""
        child, removed = self.merging(number)[:2]
        self.digests[child.locator] = self.repository.merged_digest(child.locator) or ""
        del self.layers[number]
        self.repository.discard(removed.locator)

    def require_equal(self, *left_out: int) -> None:
        """Every image reads as its raw file, and is what its row says."""
        for number, layer in enumerate(self.layers):
            if number in left_out:
                continue
            assert self.repository.differences(self.layers[number:]) == [], layer
            self.repository.check_image(layer.locator)
            assert difference(self.file(number), self.raw(number)) is None, layer


def make_chain(folder: Path, uuid: str, seed: int = 1, sizes: tuple[int, ...] = SIZES) -> Chain:
    """Images ``job.0`` (the root) and so on, all in one folder."""
    folder.mkdir()
    repository = DirectoryRepository.initialise(folder / "repository", uuid)
    rng, layers, digests, content = random.Random(seed), list[Layer](), list[str](), bytearray()
    for number, size_bytes in enumerate(sizes):
        changed = _change(content, size_bytes, rng)
        raw = folder / f"job.{number}.raw"
        raw.write_bytes(content)
        plan = changed if number and number != COMPARED else whole(size_bytes)
        layer = Layer(f"ctx/disk/job.{number}.qcow2", size_bytes)
        digests.insert(0, _copy(repository, raw, [layer, *layers], plan, number == COMPARED))
        layers.insert(0, layer)
    return Chain(folder, folder, uuid, layers, digests)


def _change(content: bytearray, size_bytes: int, rng: random.Random) -> list[Extent]:
    """Grow the content and change some places, also to zeroes; which ones."""
    old_bytes = len(content)
    content.extend(bytes(size_bytes - old_bytes))
    places = [(old_bytes, size_bytes - old_bytes)]
    for _ in range(12):
        length = rng.randrange(512, 150 * KIB, 512)
        offset = rng.randrange(0, size_bytes - length, 512)
        zero = rng.random() < 0.35
        content[offset : offset + length] = bytes(length) if zero else rng.randbytes(length)
        places.append((offset, length))
    return normalise(places, size_bytes)


def _copy(
    repository: DirectoryRepository,
    raw: Path,
    chain: list[Layer],
    plan: list[Extent],
    compare: bool,
) -> str:
    final = chain[0]
    temporary = final._replace(locator=f"{final.locator}.1.tmp")
    repository.create([temporary, *chain[1:]])
    with (
        repository.open_digests(temporary.locator) as digests,
        repository.open([temporary, *chain[1:]]) as image,
    ):
        DiskCopy(
            FileSource(raw), image, plan, compare=compare, request_bytes=REQUEST, digests=digests
        ).run()
        digests.flush()
        digest = digests.digest()
    repository.seal(temporary.locator, final.locator)
    return digest


def flip(image: Path, offset: int) -> None:
    """Change one bit of what an image's own file has at an offset of the disk."""
    command = ["qemu-img", "map", "--output=json", "-f", "qcow2", image]
    parts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    part = next(it for it in parts if it["start"] <= offset < it["start"] + it["length"])
    assert part["depth"] == 0, "another file of the chain has it"
    place = part["offset"] + offset - part["start"]
    with image.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def own_data(image: Path) -> list[Extent]:
    """Where an image's own file has data that is not zero."""
    command = ["qemu-img", "map", "--output=json", "-f", "qcow2", image]
    parts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return [Extent(it["start"], it["length"]) for it in parts if it["data"] and not it["depth"]]


def entries_of(chain: Chain, number: int, suffix: str) -> list[DigestEntry]:
    """What an image's digests, or another map beside it, say."""
    path = chain.file(number)
    return list(read_digests(path.with_name(path.name + suffix)))
