"""A chain's maps tell of every byte of the disk, whatever was copied and however it was cut off."""

from __future__ import annotations

import random
import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.engine import chunk_maps
from replication.engine.chunk_maps import CHUNK_BYTES, ZERO, Mapped, digest_of_chunk
from replication.engine.copy import DiskCopy
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import CopyStopped, EngineError, ImageDamaged
from replication.engine.extents import Extent, normalise, pieces, total_bytes
from replication.engine.target import ChunksBelow, Layer, Target
from tests.engine.memory import MemorySource, MemoryTarget
from tests.engine.support import MIB

SIZE_BYTES = 8 * MIB + 3 * 512  # the last chunk is a short one


@pytest.fixture(params=["directory", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "memory":
        return MemoryTarget()
    return DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))


def layers(count: int, size_bytes: int = SIZE_BYTES) -> list[Layer]:
    """Of a chain of so many finished images: the newest first."""
    return [Layer(f"ctx/disk/{number}.qcow2", size_bytes) for number in reversed(range(count))]


def copied(
    target: Target,
    chain: list[Layer],
    digests: list[str],
    content: bytes,
    plan: list[Extent],
    *,
    stop_after: int | None = None,
    compare: bool = False,
    again_when_done: bool = False,
) -> str:
    """Copy the plan into a new image on that chain, stopped and resumed if wanted, also when all
    was copied; seal it. Returns the digest of its map."""
    final = layers(len(chain) + 1, len(content))[0]
    unfinished = [Layer(f"{final.locator}.1.tmp", len(content)), *chain]
    target.create(unfinished)
    start = 0
    while True:
        below = target.chunk_map(chain, digests) if chain else None
        kept = target.open_digests(unfinished[0].locator, start)
        chunks = target.open_chunks(unfinished[0].locator, len(content), start)
        image, stop = target.open(unfinished), threading.Event()
        source = StoppingSource(content, stop, stop_after)
        copy = DiskCopy(
            *(source, image, plan),
            start_offset=start,
            compare=compare,
            connections=2,
            requests_together=4,
            digests=kept,
            chunks=chunks,
            below=below,
            stop=stop,
        )
        try:
            copy.run()
            start = copy.checkpoint()
            if not again_when_done:
                break
            again_when_done = False
        except CopyStopped:
            start, stop_after = copy.checkpoint(), None
        finally:
            image.close()
            digest = chunks.digest()
            for each in (kept, chunks, below):
                if each is not None:
                    each.close()
    target.seal(unfinished[0].locator, final.locator)
    return digest


class StoppingSource(MemorySource):
    """Says that the copy is to stop once so many bytes were read."""

    def __init__(self, content: bytes, stop: threading.Event, stop_after: int | None) -> None:
        super().__init__(content)
        self._stop, self._stop_after = stop, stop_after

    def read_into(self, offset: int, view: memoryview) -> None:
        super().read_into(offset, view)
        if self._stop_after is not None and self.bytes_read >= self._stop_after:
            self._stop.set()


def truth(content: bytes) -> dict[int, bytes]:
    """The digest of every chunk that is not zero."""
    chunks = range(0, len(content), CHUNK_BYTES)
    found = {at // CHUNK_BYTES: digest_of_chunk(content[at : at + CHUNK_BYTES]) for at in chunks}
    return {number: digest for number, digest in found.items() if digest != ZERO}


def told(known: ChunksBelow) -> dict[int, bytes]:
    try:
        return {number: digest for number, digest in known.records() if digest != ZERO}
    finally:
        known.close()


def changed(content: bytes, rng: random.Random) -> tuple[bytes, list[Extent]]:
    """Some sectors of a disk changed, a few to zeroes, and where."""
    now, where = bytearray(content), []
    for _ in range(rng.randrange(1, 12)):
        length = rng.choice([512, 4096, 65536, CHUNK_BYTES, 3 * CHUNK_BYTES + 512])
        offset = rng.randrange(0, len(content) - length + 1, 512)
        now[offset : offset + length] = (
            bytes(length) if rng.random() < 0.3 else rng.randbytes(length)
        )
        where.append((offset, length))
    return bytes(now), normalise(where, len(content))


@pytest.mark.parametrize("seed", range(4))
def test_an_image_of_before_gets_its_map_from_what_it_reads_as(target, seed):
    rng = random.Random(seed)
    content, plan = changed(bytes(SIZE_BYTES), rng)
    chain: list[Layer] = []
    digests: list[str] = []
    for number in range(3):
        copied(target, chain, digests, content, plan)
        chain = layers(number + 1)
        asked: list[None] = []
        known = target.digest(chain[0].locator) if number != 1 else "another one"
        made = target.make_map(chain, known, on_wait=lambda: asked.append(None))  # noqa: B023
        digests = [made, *digests]
        assert asked
        assert told(target.chunk_map(chain, digests)) == truth(content), number
        content, plan = changed(content, rng)


def test_what_has_rotted_gets_no_map(tmp_path):
    target = DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))
    content = random.Random(4).randbytes(SIZE_BYTES)
    copied(target, [], [], content, [Extent(0, SIZE_BYTES)])
    path = target.path(layers(1)[0].locator)
    Path(f"{path}.map").unlink()
    data = bytearray(path.read_bytes())
    data[data.index(content[MIB : MIB + 64])] ^= 1
    path.write_bytes(data)
    known = target.digest(layers(1)[0].locator)
    with pytest.raises(ImageDamaged, match="not those that were copied") as raised:
        target.make_map(layers(1), known, on_wait=lambda: None)
    assert raised.value.locator == layers(1)[0].locator
    assert not list(path.parent.glob("*map*"))


@pytest.mark.parametrize("seed", range(6))
def test_the_maps_of_a_chain_tell_of_the_whole_disk_as_of_each_image(target, seed):
    rng = random.Random(seed)
    content, plan = changed(bytes(SIZE_BYTES), rng)
    chain: list[Layer] = []
    digests: list[str] = []
    for number in range(4):
        stop_after = rng.choice([None, 1, 300 << 10, MIB])
        digest = copied(target, chain, digests, content, plan, stop_after=stop_after)
        chain, digests = layers(number + 1), [digest, *digests]
        assert told(target.chunk_map(chain, digests)) == truth(content), number
        content, plan = changed(content, rng)


@pytest.mark.parametrize("end", [CHUNK_BYTES, CHUNK_BYTES + 512, SIZE_BYTES])
def test_a_copy_that_is_resumed_after_its_last_checkpoint_keeps_its_whole_map(target, end):
    content = random.Random(end).randbytes(end) + bytes(SIZE_BYTES - end)
    digest = copied(target, [], [], content, [Extent(0, end)], again_when_done=True)
    assert told(target.chunk_map(layers(1), [digest])) == truth(content)


def test_a_disk_that_has_grown_is_told_of_wholly(target):
    content = random.Random(1).randbytes(SIZE_BYTES)
    digest = copied(target, [], [], content, [Extent(0, SIZE_BYTES)])
    chain = layers(1)
    larger = content + bytes(MIB) + b"x" * 512
    whole = [Extent(0, len(larger))]
    second = copied(target, chain, [digest], larger, whole, compare=True)
    known = target.chunk_map([layers(2, len(larger))[0], *chain], [second, digest])
    assert told(known) == truth(larger)


def test_what_is_compared_is_not_read_from_the_image_where_the_map_says_that_it_is_equal(tmp_path):
    target = DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))
    rng = random.Random(3)
    content = rng.randbytes(SIZE_BYTES)
    first = copied(target, [], [], content, [Extent(0, SIZE_BYTES)])
    now, where = changed(content, rng)
    whole = [Extent(0, SIZE_BYTES)]
    second = copied(target, layers(1), [first], now, whole, compare=True)
    assert told(target.chunk_map(layers(2), [second, first])) == truth(now)
    written = target.path(layers(2)[0].locator).stat().st_blocks * 512
    assert written < total_bytes(where) + 4 * MIB < SIZE_BYTES * 2


def test_damage_below_is_raised_and_never_becomes_a_digest(tmp_path):
    target = DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))
    content = random.Random(4).randbytes(SIZE_BYTES)
    digest = copied(target, [], [], content, [Extent(0, SIZE_BYTES)])
    path = target.path(layers(1)[0].locator)
    data = bytearray(path.read_bytes())
    at = data.index(content[MIB : MIB + 64])
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(ImageDamaged, match=r"1,048,576 of ctx/disk/0\.qcow2") as raised:
        copied(target, layers(1), [digest], content, [Extent(MIB + 4096, 4096)])
    assert raised.value.locator == layers(1)[0].locator
    # Beside the damage, nothing of it is read.
    elsewhere = [Extent(2 * MIB, CHUNK_BYTES), Extent(3 * MIB, 512)]
    target.discard(f"{layers(2)[0].locator}.1.tmp")
    copied(target, layers(1), [digest], content, elsewhere)


def test_a_map_that_is_not_the_recorded_one_is_not_believed(tmp_path):
    target = DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))
    content = random.Random(5).randbytes(SIZE_BYTES)
    digest = copied(target, [], [], content, [Extent(0, SIZE_BYTES)])
    path = Path(f"{target.path(layers(1)[0].locator)}.map")
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-24], b"", whole[:40] + b"\0" + whole[41:]):
        path.write_bytes(damaged)
        with pytest.raises(ImageDamaged, match=r"0\.qcow2") as raised:
            target.chunk_map(layers(1), [digest])
        assert raised.value.locator == layers(1)[0].locator
    path.unlink()
    with pytest.raises(ImageDamaged, match="missing"):
        target.chunk_map(layers(1), [digest])
    path.write_bytes(whole)
    target.chunk_map(layers(1), [digest]).close()


def test_a_map_goes_on_where_it_was_flushed_and_refuses_another_disk(tmp_path):
    path = tmp_path / "map"
    with pytest.raises(ImageDamaged, match="missing"):
        chunk_maps.ChunkMap(path, SIZE_BYTES, CHUNK_BYTES)
    first = chunk_maps.ChunkMap(path, SIZE_BYTES)
    for number in (0, 2, 5):
        first.add(number, digest_of_chunk(bytes([number + 1])))
    with pytest.raises(EngineError, match="out of order"):
        first.add(5, ZERO)
    first.flush()
    first.close()
    path.write_bytes(path.read_bytes() + b"half a record")
    again = chunk_maps.ChunkMap(path, SIZE_BYTES, 3 * CHUNK_BYTES + 512)
    assert again.count == 2
    again.add(3, ZERO)
    digest = again.digest()
    again.close()
    with chunk_maps.ChainMap([Mapped(path, digest, "it")]) as known:
        assert [number for number, _ in known.records()] == [0, 2, 3]
        assert [number for number, _ in known.records(3)] == [3]
        assert known.find(4) == (ZERO, "")
        assert known.find(2) == (digest_of_chunk(b"\3"), "it")
    with pytest.raises(ImageDamaged, match="not the map of this disk"):
        chunk_maps.ChunkMap(path, SIZE_BYTES + 512, CHUNK_BYTES)


SECTORS = 96
CHUNK = 8 * 512
RANGES = st.lists(st.tuples(st.integers(0, SECTORS - 1), st.integers(1, 40)), max_size=12)


@settings(max_examples=150, deadline=None)
@given(RANGES, st.integers(0, 7), st.integers(1, 3))
def test_pieces_cover_the_plan_and_divide_no_chunk(ranges, beyond, together):
    size = SECTORS * 512 - beyond * 512
    found = [(a * 512, min(n * 512, size - a * 512)) for a, n in ranges if a * 512 < size]
    plan = normalise(found, size)
    cut = list(pieces(plan, CHUNK, size, 0, together * CHUNK))
    assert normalise([extent for piece in cut for extent in piece], size) == plan
    numbers = []
    for piece in cut:
        own = {
            number
            for extent in piece
            for number in range(extent.offset // CHUNK, -(-extent.end // CHUNK))
        }
        assert len(piece) == 1 or len(own) == 1
        assert total_bytes(piece) <= together * CHUNK
        numbers.append(own)
    assert sum(map(len, numbers)) == len(set().union(*numbers)), "no chunk is in two pieces"
    for at, piece in enumerate(cut):  # and a later run makes the same ones
        assert list(pieces(plan, CHUNK, size, piece[0].offset, together * CHUNK)) == cut[at:]
