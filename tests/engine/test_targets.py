"""What every target keeps, be it a directory of qcow2 images or a dictionary."""

from __future__ import annotations

import random
import threading
import uuid
from pathlib import Path

import pytest

from replication.engine.compare import compare_image_with_raw
from replication.engine.copy import DiskCopy
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import (
    CopyStopped,
    ImageAltered,
    ImageMissing,
    RepositoryUnavailable,
    SourceError,
    TargetError,
)
from replication.engine.extents import Extent
from replication.engine.processes import ProcessIdentity
from replication.engine.target import PARENT, SIZE, Layer, Target
from tests.engine.memory import MemorySource, MemoryTarget

MIB = 1 << 20
SIZE_BYTES = 8 * MIB
WHOLE = [Extent(0, SIZE_BYTES)]
UNFINISHED = Layer("ctx/disk/job.1.qcow2.1.tmp", SIZE_BYTES)
FINAL = Layer("ctx/disk/job.1.qcow2", SIZE_BYTES)
NEXT_UNFINISHED = Layer("ctx/disk/job.2.qcow2.1.tmp", SIZE_BYTES)
NEXT = Layer("ctx/disk/job.2.qcow2", SIZE_BYTES)
CONTENT = random.Random(1).randbytes(SIZE_BYTES)


@pytest.fixture(params=["directory", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "memory":
        return MemoryTarget()
    return DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").write_bytes(CONTENT)
    return tmp_path / "raw"


def copied(
    target: Target, chain: list[Layer], source: MemorySource, plan: list[Extent], start: int = 0
) -> str:
    """Copy what is left of a plan; the digest."""
    digests, image = target.open_digests(chain[0].locator, start), target.open(chain)
    try:
        copy = DiskCopy(source, image, plan, start_offset=start, request_bytes=MIB, digests=digests)
        copy.run()
        copy.checkpoint()
        return digests.digest()
    finally:
        digests.close()
        image.close()


@pytest.fixture
def sealed(target: Target) -> Target:
    """A target with one finished image."""
    target.create([UNFINISHED])
    copied(target, [UNFINISHED], MemorySource(CONTENT), WHOLE)
    target.seal(UNFINISHED.locator, FINAL.locator)
    return target


def test_a_copy_is_sealed_and_reads_as_its_source(sealed: Target, raw: Path) -> None:
    assert not sealed.exists(UNFINISHED.locator)
    assert sealed.exists(FINAL.locator)
    with sealed.open_readonly([FINAL]) as image:
        assert compare_image_with_raw(image, raw) is None
    assert sealed.digest(FINAL.locator)
    assert sealed.differences([FINAL]) == []
    sealed.check_image(FINAL.locator)
    assert {stored.locator for stored in sealed.stored()} == {FINAL.locator}
    names = [stored.name for stored in sealed.stored()]
    assert sealed.still_stored([*names, "nobody"]) == names


def test_sealing_can_be_done_again(sealed: Target) -> None:
    first = sealed.seal(UNFINISHED.locator, FINAL.locator)
    assert sealed.seal(UNFINISHED.locator, FINAL.locator) == first


def test_an_overlay_holds_what_changed_and_leaves_its_parent_alone(
    sealed: Target, raw: Path, tmp_path: Path
) -> None:
    changed = CONTENT[:MIB] + random.Random(2).randbytes(MIB) + CONTENT[2 * MIB :]
    sealed.create([NEXT_UNFINISHED, FINAL])
    copied(sealed, [NEXT_UNFINISHED, FINAL], MemorySource(changed), [Extent(MIB, MIB)])
    sealed.seal(NEXT_UNFINISHED.locator, NEXT.locator)
    (tmp_path / "changed").write_bytes(changed)
    with sealed.open_readonly([NEXT, FINAL]) as image:
        assert compare_image_with_raw(image, tmp_path / "changed") is None
    with sealed.open_readonly([FINAL]) as image:
        assert compare_image_with_raw(image, raw) is None


def test_an_image_is_removed_by_merging_its_child_into_it(
    sealed: Target, raw: Path, tmp_path: Path
) -> None:
    changed = CONTENT[:MIB] + random.Random(2).randbytes(MIB) + CONTENT[2 * MIB :]
    sealed.create([NEXT_UNFINISHED, FINAL])
    digest = copied(sealed, [NEXT_UNFINISHED, FINAL], MemorySource(changed), [Extent(MIB, MIB)])
    sealed.seal(NEXT_UNFINISHED.locator, NEXT.locator)
    chain, known = [NEXT, FINAL], (digest, sealed.digest(FINAL.locator) or "")
    assert sealed.merged_digest(NEXT.locator) is None
    processes: list[ProcessIdentity] = []
    for _ in range(2):
        sealed.check_child(chain, digest, on_wait=lambda _: None)
        sealed.expect(chain, known)
        sealed.merge(chain, on_start=processes.append, on_wait=lambda _: None)
        merged = sealed.check_merged(chain, on_wait=lambda _: None)
    assert merged.bytes_covered == SIZE_BYTES
    assert len(processes) == 2
    for _ in range(2):
        sealed.take_name(chain)
    assert sealed.digest(NEXT.locator) == digest
    assert sealed.merged_digest(NEXT.locator) == merged.digest
    assert not sealed.exists(FINAL.locator)
    sealed.discard(FINAL.locator)
    assert {stored.locator for stored in sealed.stored()} == {NEXT.locator}
    (tmp_path / "changed").write_bytes(changed)
    with sealed.open_readonly([NEXT]) as image:
        assert compare_image_with_raw(image, tmp_path / "changed") is None


def test_a_copy_resumes_from_its_checkpoint(target: Target, raw: Path) -> None:
    target.create([UNFINISHED])
    digests, image = target.open_digests(UNFINISHED.locator), target.open([UNFINISHED])
    source = MemorySource(CONTENT, fails_after_bytes=5 * MIB)
    copy = DiskCopy(source, image, WHOLE, connections=1, request_bytes=MIB, digests=digests)
    with pytest.raises(SourceError):
        copy.run()
    offset = copy.checkpoint()
    assert offset == 5 * MIB
    image.kill()
    digests.close()
    rest = MemorySource(CONTENT)
    digest = copied(target, [UNFINISHED], rest, WHOLE, offset)
    assert rest.bytes_read == 3 * MIB
    target.seal(UNFINISHED.locator, FINAL.locator)
    assert target.digest(FINAL.locator) == digest
    with target.open_readonly([FINAL]) as opened:
        assert compare_image_with_raw(opened, raw) is None


def test_a_stopped_copy_says_so(target: Target) -> None:
    target.create([UNFINISHED])
    stop = threading.Event()
    stop.set()
    image = target.open([UNFINISHED])
    with pytest.raises(CopyStopped):
        DiskCopy(MemorySource(CONTENT), image, WHOLE, stop=stop).run()
    image.kill()


def test_an_image_that_is_not_what_its_row_says_is_not_opened(sealed: Target) -> None:
    wrong_size = FINAL._replace(size_bytes=MIB)
    assert [it.aspect for it in sealed.differences([wrong_size])] == [SIZE]
    assert [it.aspect for it in sealed.differences([FINAL, NEXT])] == [PARENT]
    for chain in ([wrong_size], [FINAL, FINAL]):
        with pytest.raises(ImageAltered):
            sealed.open_readonly(chain)
    with pytest.raises(ImageAltered):
        sealed.create([NEXT_UNFINISHED, wrong_size])
    assert not sealed.exists(NEXT_UNFINISHED.locator)


def test_what_is_missing_is_said_to_be(target: Target) -> None:
    with pytest.raises(ImageMissing):
        target.open([UNFINISHED])
    with pytest.raises(ImageMissing):
        target.differences([FINAL])
    with pytest.raises(ImageMissing):
        target.seal(UNFINISHED.locator, FINAL.locator)
    target.discard(FINAL.locator)  # gone is fine


def test_an_unfinished_image_is_discarded_with_all_that_it_has(target: Target) -> None:
    target.create([UNFINISHED])
    target.open_digests(UNFINISHED.locator).close()
    target.discard(UNFINISHED.locator)
    assert list(target.stored()) == []
    with pytest.raises(TargetError):
        target.open_digests(UNFINISHED.locator)
    assert list(target.stored()) == []


def test_whoever_may_not_begin_any_more_leaves_nothing(target: Target) -> None:
    def too_late() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        target.create([UNFINISHED], may_begin=too_late)
    assert list(target.stored()) == []
    assert not target.exists(UNFINISHED.locator)


def test_whoever_is_discarded_before_the_first_byte_makes_nothing(target: Target) -> None:
    """A worker that is paused once it knew that it may begin: meanwhile another cleans up."""
    with pytest.raises(TargetError):
        target.create([UNFINISHED], may_begin=lambda: target.discard(UNFINISHED.locator))
    assert list(target.stored()) == []
    assert not target.exists(UNFINISHED.locator)


def test_a_retired_repository_is_none(sealed: Target) -> None:
    sealed.retire()
    for action in (
        sealed.check,
        lambda: sealed.exists(FINAL.locator),
        lambda: sealed.open_readonly([FINAL]),
        lambda: sealed.discard(FINAL.locator),
    ):
        with pytest.raises(RepositoryUnavailable):
            action()
