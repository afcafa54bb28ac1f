"""Merges that are cut off, killed, late, or short of room: nothing is lost, and they go on."""

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
from typing import Any, NoReturn

import pytest

from replication.engine import merging, qemu
from replication.engine.digests import DigestMap
from replication.engine.errors import (
    EngineError,
    ImageAltered,
    ImageDamaged,
    ImageMissing,
    RepositoryFull,
    TargetError,
)
from replication.engine.processes import ProcessIdentity, is_alive
from tests.engine.chains import (
    KIB,
    MIDDLE,
    OLDEST,
    Chain,
    entries_of,
    flip,
    make_chain,
    own_data,
)
from tests.engine.support import MIB, same_by_qemu, sha256, wait_until
from tests.mounts import Ext4


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


def test_a_file_whose_name_goes_while_it_is_merged_is_told(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the storage tells it: whoever asked for the merge can handle that."""
    chain.repository.expect(chain.merging(MIDDLE), chain.known(MIDDLE))
    commit, path = qemu.commit, chain.file(OLDEST)
    aside = path.with_name("aside")

    def committed(*arguments: Any, **more: Any) -> None:
        commit(*arguments, **more)
        path.rename(aside)

    monkeypatch.setattr(qemu, "commit", committed)
    with pytest.raises(TargetError, match="No such file"):
        chain.merge(MIDDLE)
    monkeypatch.setattr(qemu, "commit", commit)
    aside.rename(path)
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


def test_whoever_takes_the_name_too_late_takes_nothing_from_the_next_merge(chain: Chain) -> None:
    """A worker stood still before the last step; another one did it, and has begun to remove the
    image below."""
    late = chain.merging(MIDDLE)
    chain.remove(MIDDLE)
    chain.repository.expect(chain.merging(MIDDLE), chain.known(MIDDLE))
    chain.merge(MIDDLE)
    with contextlib.suppress(EngineError):
        chain.repository.take_name(late)
    chain.check(MIDDLE)
    chain.remove(MIDDLE)
    chain.require_equal()


def test_whoever_wakes_late_after_the_renaming_names_no_image_that_has_gone(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile another one has finished that removal, and removed the image below, too: the
    child's header names what it is based on now, and keeps that."""
    late, rename = chain.merging(MIDDLE), merging.rename_durably

    def stood_still(source: Path, destination: Path) -> None:
        rename(source, destination)
        monkeypatch.setattr(merging, "rename_durably", rename)
        chain.remove(MIDDLE)
        chain.remove(MIDDLE)
        chain.require_equal()

    chain.repository.expect(late, chain.known(MIDDLE))
    chain.merge(MIDDLE)
    monkeypatch.setattr(merging, "rename_durably", stood_still)
    with pytest.raises(ImageAltered):
        chain.repository.take_name(late)
    chain.require_equal()


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


def test_no_map_is_left_by_whoever_is_overtaken_before_writing_it(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, known, made = chain.merging(MIDDLE), chain.known(MIDDLE), merging.DigestMap

    def paused(path: Path) -> DigestMap:
        monkeypatch.setattr(merging, "DigestMap", made)
        chain.remove(MIDDLE)
        return made(path)

    monkeypatch.setattr(merging, "DigestMap", paused)
    with pytest.raises(TargetError):
        chain.repository.expect(layers, known)
    assert not list(chain.file(1).parent.glob("*.merging*"))
    chain.require_equal()


@pytest.mark.parametrize("and_the_child", [False, True])
def test_no_map_is_left_by_whoever_is_overtaken_just_before_naming_it(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, and_the_child: bool
) -> None:
    """The other one may have removed the child's point meanwhile, too. Whoever ends a merge removes
    what others were about to name."""
    layers, known, rename = chain.merging(MIDDLE), chain.known(MIDDLE), merging.rename_durably

    def stood_still(source: Path, destination: Path) -> None:
        monkeypatch.setattr(merging, "rename_durably", rename)
        chain.remove(MIDDLE)
        if and_the_child:
            chain.remove(MIDDLE - 1)
        rename(source, destination)

    monkeypatch.setattr(merging, "rename_durably", stood_still)
    with pytest.raises(TargetError):
        chain.repository.expect(layers, known)
    assert not list(chain.file(1).parent.glob("*.merging*"))
    chain.require_equal()


def test_a_map_that_another_one_is_about_to_use_stays(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is late names its map when the other one's merged file has its name already, and its
    map has not."""
    layers, known, rename = chain.merging(MIDDLE), chain.known(MIDDLE), merging.rename_durably
    has_its_name, may_go_on = threading.Event(), threading.Event()

    def of_the_other(source: Path, destination: Path) -> None:
        rename(source, destination)
        if destination == chain.file(MIDDLE - 1):
            has_its_name.set()
            may_go_on.wait(30)

    def of_the_late_one(source: Path, destination: Path) -> None:
        monkeypatch.setattr(merging, "rename_durably", of_the_other)
        other.start()
        assert has_its_name.wait(30)
        rename(source, destination)

    other = threading.Thread(target=chain.remove, args=(MIDDLE,))
    monkeypatch.setattr(merging, "rename_durably", of_the_late_one)
    chain.repository.expect(layers, known)  # it learns of the other one when it asks for its lease
    may_go_on.set()
    other.join()
    assert chain.digests[chain.layers[MIDDLE - 1].locator]  # that of the map, which was named
    assert not list(chain.file(1).parent.glob("*.merging*"))
    chain.require_equal()


def test_what_one_has_noted_is_not_changed_by_another_that_notes_it_too(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is late begins to write its map just when the other one has written its own."""
    layers, known = chain.merging(MIDDLE), chain.known(MIDDLE)
    chain.repository.expect(layers, known)
    whole = entries_of(chain, MIDDLE, ".merging")
    rename, together = merging.rename_durably, merging.together

    def dies(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    def overtaken(source: Path, destination: Path) -> None:
        monkeypatch.setattr(merging, "rename_durably", rename)
        monkeypatch.setattr(merging, "together", dies)
        with pytest.raises(KeyboardInterrupt):
            chain.repository.expect(layers, known)
        monkeypatch.setattr(merging, "together", together)
        rename(source, destination)

    monkeypatch.setattr(merging, "rename_durably", overtaken)
    chain.repository.expect(layers, known)
    assert entries_of(chain, MIDDLE, ".merging") == whole
    chain.merge(MIDDLE)
    flip(chain.file(MIDDLE), own_data(chain.file(MIDDLE - 1))[0].offset)
    with pytest.raises(ImageDamaged):
        chain.check(MIDDLE)
    chain.remove(MIDDLE)
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
