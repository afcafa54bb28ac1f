"""An image is removed from a chain by merging: the others read as before, whatever happens."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import random
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from replication.engine import merging, qemu
from replication.engine.digests import DigestEntry, digest_of, read_digests
from replication.engine.errors import (
    EngineError,
    ImageAltered,
    ImageDamaged,
    ImageMissing,
    RepositoryFull,
    TargetError,
)
from replication.engine.expected import UNKNOWN
from replication.engine.extents import normalise
from replication.engine.processes import ProcessIdentity, is_alive
from replication.engine.target import Layer
from tests.engine.chains import KIB, SIZES, Chain, flip, make_chain, own_data
from tests.engine.support import MIB, name_the_backing_file, names, same_by_qemu, sha256, wait_until
from tests.mounts import Ext4

NEWEST, MIDDLE, OLDEST = 0, 2, 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("chain") / "made", str(uuid.uuid4()))


@pytest.fixture
def chain(made: Chain, tmp_path: Path) -> Chain:
    return made.copied_to(tmp_path / "chain")


def entries_of(chain: Chain, number: int, suffix: str) -> list[DigestEntry]:
    path = chain.file(number)
    return list(read_digests(path.with_name(path.name + suffix)))


# Removing


@pytest.mark.parametrize("order", [(4, 3, 2, 1), (1, 1, 1, 1), (2, 3, 1, 1)])
def test_any_image_but_the_newest_can_be_removed_until_one_is_left(
    chain: Chain, order: tuple[int, ...]
) -> None:
    """Five images of a disk that grew twice; removed from below, from above and from the middle."""
    for number in order:
        child, removed = chain.file(number - 1), chain.file(number)
        digests, inode = sha256(child.with_name(f"{child.name}.digests")), removed.stat().st_ino
        sealed = chain.remove(number)
        assert child.stat().st_ino == inode
        assert sealed == (child.stat().st_blocks * 512, child.stat().st_size)
        assert sha256(child.with_name(f"{child.name}.digests")) == digests
        chain.require_equal()
    assert names(chain.file(0).parent) == [
        *(chain.file(0).name + suffix for suffix in ("", ".digests", ".merged"))
    ]
    assert {stored.locator for stored in chain.repository.stored()} == {chain.layers[0].locator}


def test_every_step_can_be_done_again(chain: Chain) -> None:
    layers = chain.merging(MIDDLE)
    for _ in range(2):
        chain.repository.expect(layers, chain.known(MIDDLE))
    for _ in range(2):
        chain.merge(MIDDLE)
        merged = sha256(chain.file(MIDDLE))
    for number in range(2):
        chain.merge(MIDDLE)
        assert sha256(chain.file(MIDDLE)) == merged, number
    assert chain.check(MIDDLE)[1:] == chain.check(MIDDLE)[1:]
    chain.require_equal(MIDDLE)
    assert chain.repository.take_name(layers) == chain.repository.take_name(layers)
    chain.forget(MIDDLE)
    chain.require_equal()


def test_the_child_s_file_is_not_changed(chain: Chain) -> None:
    before = sha256(chain.file(MIDDLE - 1))
    chain.repository.expect(chain.merging(MIDDLE), chain.known(MIDDLE))
    chain.merge(MIDDLE)
    assert sha256(chain.file(MIDDLE - 1)) == before


def test_all_that_is_known_of_the_merged_image_is_kept(chain: Chain) -> None:
    """Each digest of the child, and each of the other that none of these touches. What is half
    covered is held, but nobody knows its bytes."""
    theirs, lower = (set(entries_of(chain, number, ".digests")) for number in (1, 2))
    chain.remove(MIDDLE)
    kept = entries_of(chain, 1, ".merged")
    known = {entry for entry in kept if entry.digest != UNKNOWN}
    assert theirs < known < theirs | lower
    assert len(known) < len(kept)
    raw = chain.raw(1).read_bytes()
    for offset, length, digest in known:
        assert digest_of(raw[offset : offset + length]) == digest
    held = normalise([entry[:2] for entry in kept], SIZES[3])
    assert held == normalise([entry[:2] for entry in theirs | lower], SIZES[3])
    assert chain.repository.merged_digest(chain.layers[0].locator) is None


def test_what_was_merged_is_read_again_and_a_sample_of_the_rest(chain: Chain) -> None:
    chain.repository.expect(chain.merging(OLDEST), chain.known(OLDEST))
    chain.merge(OLDEST)
    merged = chain.check(OLDEST)
    theirs = sum(entry.length for entry in entries_of(chain, 3, ".digests"))
    assert theirs < merged.bytes_compared
    assert theirs < merged.bytes_covered <= SIZES[0]
    chain.repository.take_name(chain.merging(OLDEST))
    assert merged.digest == chain.repository.merged_digest(chain.layers[3].locator)


# Damage


def place_in(chain: Chain, number: int, where: str) -> int:
    """An offset where an image's own file has data: of its copy, or just beside it in a cluster."""
    raw, copied = chain.raw(number).read_bytes(), set[int]()
    for entry in entries_of(chain, number, ".digests"):
        copied.update(range(entry.offset, entry.offset + entry.length))
    return next(
        at
        for part in own_data(chain.file(number))
        for at in range(part.offset, part.end)
        if (at in copied) == (where == "in what was copied") and raw[at]
    )


@pytest.mark.parametrize("where", ["in what was copied", "beside it"])
def test_a_bit_that_flips_between_merging_and_checking_is_found(chain: Chain, where: str) -> None:
    layers = chain.merging(MIDDLE)
    chain.repository.expect(layers, chain.known(MIDDLE))
    chain.merge(MIDDLE)
    flip(chain.file(MIDDLE), place_in(chain, 1, where))
    with pytest.raises(ImageDamaged, match="was not replaced") as found:
        chain.check(MIDDLE)
    assert found.value.locator == layers[1].locator
    chain.require_equal(MIDDLE)
    chain.merge(MIDDLE)  # the child still has it
    chain.check(MIDDLE)
    chain.repository.take_name(layers)
    chain.forget(MIDDLE)
    chain.require_equal()


def test_a_bit_that_had_flipped_in_the_child_is_the_child_s_damage(chain: Chain) -> None:
    flip(chain.file(1), place_in(chain, 1, "in what was copied"))
    with pytest.raises(ImageDamaged) as found:
        chain.remove(MIDDLE)
    assert found.value.locator == chain.layers[1].locator
    assert chain.repository.exists(chain.layers[MIDDLE].locator)
    assert chain.repository.merged_digest(chain.layers[1].locator) is None


def test_a_bit_that_had_flipped_in_what_was_not_merged_is_found_where_it_is_drawn(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replication.engine.expected.SAMPLE_ENTRIES", 1000)
    chain.repository.expect(chain.merging(OLDEST), chain.known(OLDEST))
    theirs = set(entries_of(chain, 3, ".digests"))
    data = own_data(chain.file(OLDEST))
    place = next(
        max(entry.offset, part.offset)
        for entry in entries_of(chain, 3, ".merging")
        for part in data
        if entry not in theirs
        and entry.digest != UNKNOWN
        and max(entry.offset, part.offset) < min(entry.offset + entry.length, part.end)
    )
    flip(chain.file(OLDEST), place)
    with pytest.raises(ImageDamaged) as found:
        chain.remove(OLDEST)
    assert found.value.locator == chain.layers[OLDEST].locator


def test_a_structure_that_is_broken_after_merging_is_found(chain: Chain) -> None:
    chain.repository.expect(chain.merging(MIDDLE), chain.known(MIDDLE))
    chain.merge(MIDDLE)
    path = chain.file(MIDDLE)
    with path.open("r+b") as file:
        file.seek(48)
        file.seek(int.from_bytes(file.read(8)))
        file.seek(int.from_bytes(file.read(8)))
        file.write(bytes(64 * KIB))
    with pytest.raises(ImageDamaged, match="errors") as found:
        chain.check(MIDDLE)
    assert found.value.locator == chain.layers[MIDDLE].locator
    chain.require_equal(*range(MIDDLE, len(chain.layers)))


@pytest.mark.parametrize("lost", ["child", "removed", "both", "cut", "broken"])
def test_digests_that_are_lost_are_no_damage_and_no_reason_to_believe(
    chain: Chain, lost: str
) -> None:
    """Without the child's the two files are compared, byte by byte."""
    for number, name in ((1, "child"), (2, "removed")):
        path = chain.file(number).with_name(chain.file(number).name + ".digests")
        if lost in (name, "both"):
            path.unlink()
    if lost == "cut":
        path = chain.file(1).with_name(chain.file(1).name + ".digests")
        os.truncate(path, 16 + 32)
    if lost == "broken":
        path = chain.file(1).with_name(chain.file(1).name + ".digests")
        path.write_bytes(bytes(path.stat().st_size))
    chain.repository.expect(chain.merging(MIDDLE), chain.known(MIDDLE))
    chain.merge(MIDDLE)
    merged = chain.check(MIDDLE)
    if lost == "removed":
        theirs = entries_of(chain, 1, ".digests")
        assert merged.bytes_covered == sum(entry.length for entry in theirs)
    else:
        assert merged.bytes_compared == chain.layers[1].size_bytes
        assert merged.bytes_covered == 0
    flip(chain.file(MIDDLE), own_data(chain.file(1))[-1].offset)
    with pytest.raises(ImageDamaged) as found:
        chain.check(MIDDLE)
    assert found.value.locator == chain.layers[MIDDLE].locator
    chain.remove(MIDDLE)
    chain.require_equal()
    chain.remove(MIDDLE)  # what is not known stays so, and is merged as well
    chain.require_equal()


# Whoever is cut off, refused or late


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The newest image is that of a disk that grew."""
    sizes = (512 * KIB, 512 * KIB + 512, 1024 * KIB)
    return make_chain(tmp_path_factory.mktemp("small") / "made", str(uuid.uuid4()), 5, sizes)


CHANGES = ((os, "fsync"), (Path, "rename"), (Path, "unlink"))
OPENINGS = ((os, "open"),)


@pytest.mark.parametrize(
    ("what", "after"),
    [
        (CHANGES, False),
        pytest.param(CHANGES, True, marks=pytest.mark.slow),
        pytest.param(OPENINGS, False, marks=pytest.mark.slow),
    ],
    ids=["before a change", "after a change", "before an opening"],
)
def test_whoever_fails_at_any_step_goes_on(
    small: Chain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: tuple[tuple[object, str], ...],
    after: bool,
) -> None:
    """At each in turn: before it is done, or after it, as where only the answer is lost."""
    at = 0
    while True:
        at += 1
        chain = small.copied_to(tmp_path / str(at))
        with monkeypatch.context() as patched:
            faults = FailingSteps(patched, what, at, after=after)
            with contextlib.suppress(EngineError):
                chain.go_on(1)
        chain.go_on(1)
        chain.forget(1)
        chain.require_equal()
        if not faults.has_failed:
            break
    assert at > 12


class FailingSteps:
    """Lets the n-th of some calls, or starts of qemu-img, fail."""

    def __init__(
        self,
        patched: pytest.MonkeyPatch,
        what: tuple[tuple[object, str], ...],
        at: int,
        *,
        after: bool,
    ) -> None:
        self._left, self._after = at, after
        self.has_failed = False
        for owner, name in what:
            patched.setattr(owner, name, self._failing(getattr(owner, name)))
        spawn = qemu.spawn
        patched.setattr(qemu, "spawn", lambda argv: spawn(self._program(argv)))

    def _is_it(self) -> bool:
        self._left -= 1
        if self._left:
            return False
        self.has_failed = True
        return True

    def _failing(self, change: Callable[..., object]) -> Callable[..., object]:
        def failing(*arguments: object, **more: object) -> object:
            is_it = self._is_it()
            if not is_it or self._after:
                done = change(*arguments, **more)
            if is_it:
                raise OSError(errno.EIO, "Input/output error")
            return done

        return failing

    def _program(self, argv: list[str]) -> list[str]:
        if not self._is_it():
            return argv
        first = '"$@";' if self._after else ""
        script = f"{first} echo 'qemu-img: Input/output error' >&2; exit 1"
        return ["sh", "-c", script, "sh", *argv]


def test_a_qemu_img_that_is_killed_at_any_moment_costs_nothing(
    tmp_path: Path,
) -> None:
    """It is killed when the file has grown by this or that much; the disk itself grows, too."""
    chain = make_chain(tmp_path / "large", str(uuid.uuid4()), 7, (8 * MIB, 8 * MIB, 24 * MIB))
    layers = chain.merging(1)
    chain.repository.expect(layers, chain.known(1))
    path = chain.file(1)
    before, killed = path.stat().st_blocks, 0
    for share in (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        enough = before + share * chain.file(0).stat().st_blocks

        def kill(process: ProcessIdentity, enough: float = enough) -> None:
            def wait() -> None:
                while is_alive(*process) and path.stat().st_blocks < enough:
                    pass
                if is_alive(*process):
                    os.kill(process.pid, 9)

            threading.Thread(target=wait).start()

        try:
            chain.repository.merge(layers, on_start=kill, on_wait=lambda _: None)
        except TargetError:
            killed += 1
        chain.require_equal(1)
    assert killed
    chain.remove(1)
    chain.require_equal()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 7))]
)
def test_a_worker_that_is_killed_with_all_that_it_started_costs_nothing(
    tmp_path: Path, seed: int
) -> None:
    """At whatever it was. Until the last one is through, the child's name gives the child."""
    sizes = (2 * MIB, 2 * MIB, 6 * MIB)
    chain = make_chain(tmp_path / "chain", str(uuid.uuid4()), seed, sizes)
    rng = random.Random(seed)
    for _ in range(4):
        worker = multiprocessing.get_context("fork").Process(target=chain.go_on, args=(1,))
        worker.start()
        worker.join(rng.uniform(0, 0.4))
        worker.kill()
        worker.join()
        assert same_by_qemu(chain.file(0), chain.raw(0))

    def is_through() -> bool:
        try:
            chain.go_on(1)
        except TargetError as problem:  # the last one's qemu-img ends a moment after it
            assert "Another process uses the image" in str(problem)  # noqa: PT017
            return False
        return True

    wait_until(is_through, "the merge")
    chain.forget(1)
    chain.require_equal()


def test_whoever_may_not_go_on_ends_qemu_img(chain: Chain) -> None:
    chain.repository.expect(chain.merging(MIDDLE), chain.known(MIDDLE))
    started: list[ProcessIdentity] = []

    def lost(_: float) -> None:
        raise TimeoutError("the lease is lost")

    with pytest.raises(TimeoutError, match="lease"):
        chain.repository.merge(chain.merging(MIDDLE), on_start=started.append, on_wait=lost)
    assert not is_alive(*started[0])
    chain.require_equal(MIDDLE)
    chain.merge(MIDDLE)
    with pytest.raises(TimeoutError, match="lease"):
        chain.repository.check_merged(chain.merging(MIDDLE), on_wait=lost)
    chain.remove(MIDDLE)
    chain.require_equal()


def test_nothing_is_merged_into_a_file_that_somebody_has_open(chain: Chain) -> None:
    chain.repository.expect(chain.merging(MIDDLE), chain.known(MIDDLE))
    with (
        chain.repository.open_readonly(chain.layers[MIDDLE:]),
        pytest.raises(TargetError, match="Another process uses the image"),
    ):
        chain.merge(MIDDLE)
    chain.require_equal()


def test_whoever_comes_late_does_no_harm(chain: Chain) -> None:
    """A worker was paused before any of the steps; meanwhile another one has done them all."""
    layers, known = chain.merging(MIDDLE), chain.known(MIDDLE)
    chain.remove(MIDDLE)
    before = {path: sha256(path) for path in chain.file(0).parent.iterdir()}
    for late in (
        lambda: chain.repository.expect(layers, known),
        lambda: chain.repository.merge(layers, on_start=lambda _: None, on_wait=lambda _: None),
        lambda: chain.repository.check_merged(layers, on_wait=lambda _: None),
    ):
        with pytest.raises(ImageMissing):
            late()
    chain.repository.take_name(layers)
    assert {path: sha256(path) for path in chain.file(0).parent.iterdir()} == before


def test_no_map_is_left_by_whoever_is_overtaken_while_writing_it(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, known = chain.merging(MIDDLE), chain.known(MIDDLE)
    trusted_map = merging.trusted_map

    def paused(image: Path, digest: str) -> Path | None:
        monkeypatch.setattr(merging, "trusted_map", trusted_map)
        chain.remove(MIDDLE)
        return trusted_map(image, digest)

    monkeypatch.setattr(merging, "trusted_map", paused)
    with pytest.raises(ImageMissing):
        chain.repository.expect(layers, known)
    assert not list(chain.file(1).parent.glob("*.merging*"))
    chain.require_equal()


def test_no_room_leaves_every_image_readable_until_there_is_some(
    small_ext4: Ext4, tmp_path: Path
) -> None:
    elsewhere = make_chain(tmp_path / "there", str(uuid.uuid4()), 3, (4 * MIB, 4 * MIB, 12 * MIB))
    chain = elsewhere.copied_to(small_ext4.folder / "chain")
    ballast = small_ext4.folder / "ballast"
    free = os.statvfs(small_ext4.folder)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bfree * free.f_frsize - MIB)
    chain.repository.expect(chain.merging(1), chain.known(1))
    with pytest.raises(RepositoryFull, match="Free space"):
        chain.merge(1)
    chain.require_equal(1)
    with pytest.raises(EngineError):
        chain.check(1)
    ballast.unlink()
    chain.remove(1)
    chain.require_equal()


# What is not merged


def test_nothing_is_done_where_a_header_is_not_what_its_row_says(chain: Chain) -> None:
    """Neither the header's name of the child nor that of the image below is ever followed."""
    layers = chain.merging(MIDDLE)
    chain.repository.expect(layers, chain.known(MIDDLE))
    victim = chain.file(OLDEST)
    for number in (1, 2, 3):
        image = chain.file(number)
        before = image.read_bytes()
        name_the_backing_file(image, b"elsewhere.qcow2")
        after, untouched = sha256(image), sha256(victim)
        for step in (
            lambda: chain.repository.expect(layers, chain.known(MIDDLE)),
            lambda: chain.merge(MIDDLE),
            lambda: chain.check(MIDDLE),
            lambda: chain.repository.take_name(layers),
        ):
            with pytest.raises(ImageAltered) as found:
                step()
            assert found.value.locator == chain.layers[number].locator
        assert sha256(image) == after
        assert sha256(victim) == untouched
        image.write_bytes(before)
    chain.require_equal()


def test_the_steps_are_not_done_out_of_order(chain: Chain) -> None:
    layers = chain.merging(MIDDLE)
    for step in (
        lambda: chain.merge(MIDDLE),
        lambda: chain.check(MIDDLE),
        lambda: chain.repository.take_name(layers),
    ):
        with pytest.raises(ImageMissing):
            step()
    chain.repository.expect(layers, chain.known(MIDDLE))
    with pytest.raises(ImageDamaged):
        chain.check(MIDDLE)
    grown = chain.merging(3)  # its child is larger
    chain.repository.expect(grown, chain.known(3))
    for step in (lambda: chain.check(3), lambda: chain.repository.take_name(grown)):
        with pytest.raises(TargetError, match="its own size"):
            step()
    chain.require_equal()


def test_only_finished_images_that_stand_on_another_are_merged(chain: Chain) -> None:
    unfinished = Layer("ctx/disk/job.9.qcow2.1.tmp", SIZES[-1])
    for layers in ([unfinished, *chain.layers], chain.layers[OLDEST:]):
        with pytest.raises(TargetError, match="finished image"):
            chain.repository.expect(layers, ("", ""))
    smaller = chain.layers[0]._replace(size_bytes=512)
    with pytest.raises(TargetError, match="smaller disk"):
        chain.repository.expect([smaller, *chain.layers[1:]], ("", ""))


def test_a_file_that_is_gone_is_not_taken_for_one_that_was_renamed(chain: Chain) -> None:
    layers = chain.merging(MIDDLE)
    chain.repository.expect(layers, chain.known(MIDDLE))
    chain.file(MIDDLE).unlink()
    with pytest.raises(ImageMissing) as found:
        chain.repository.take_name(layers)
    assert found.value.locator == layers[1].locator


# Names


@pytest.fixture
def moved(chain: Chain) -> Chain:
    """The newest three images are in another folder than the oldest two."""
    for number in (0, 1, 2):
        layer = chain.layers[number]
        new = layer._replace(locator=layer.locator.replace("/disk/", "/other/"))
        for suffix in ("", ".digests"):
            source = chain.repository.root / (layer.locator + suffix)
            destination = chain.repository.root / (new.locator + suffix)
            destination.parent.mkdir(exist_ok=True)
            source.rename(destination)
        chain.layers[number] = new
        chain.digests[new.locator] = chain.digests.pop(layer.locator)
    qemu.name_backing(chain.file(2), "../disk/job.1.qcow2")
    chain.require_equal()
    return chain


@pytest.mark.parametrize("cut_off", ["never", "at the name", "between two folders"])
def test_a_merged_file_that_comes_to_another_folder_names_what_it_is_based_on_from_there(
    moved: Chain, cut_off: str
) -> None:
    layers = moved.merging(3)
    moved.repository.expect(layers, moved.known(3))
    moved.merge(3)
    moved.check(3)
    child, removed = moved.file(2), moved.file(3)
    if cut_off == "at the name":
        removed.rename(child)
    elif cut_off == "between two folders":
        child.unlink()
        child.hardlink_to(removed)
    for _ in range(2):
        moved.repository.take_name(layers)
    assert not removed.exists()
    moved.forget(3)
    moved.require_equal()


def test_what_lies_beside_an_image_is_no_image_and_goes_with_it(chain: Chain) -> None:
    locator = chain.layers[0].locator
    for suffix in (".merged", ".merging", ".merging.new"):
        with pytest.raises(TargetError, match="not a name"):
            chain.repository.exists(locator + suffix)
        (chain.repository.root / (locator + suffix)).touch()
    found = [it for it in chain.repository.stored() if it.locator == locator]
    assert len(found) == 5
    assert {it.attempt for it in found} == {None}
    chain.repository.discard(locator)
    assert [it for it in chain.repository.stored() if it.locator == locator] == []
