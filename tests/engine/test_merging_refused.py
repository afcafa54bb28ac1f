"""What is not merged, and what a merged image is called from where."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from replication.engine import qemu
from replication.engine.errors import (
    ImageAltered,
    ImageDamaged,
    ImageMissing,
    TargetError,
)
from replication.engine.target import Layer
from tests.engine.chains import (
    MIDDLE,
    OLDEST,
    SIZES,
    Chain,
)
from tests.engine.support import name_the_backing_file, sha256

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


def refuse_looks(patched: pytest.MonkeyPatch, refused: int, *paths: Path) -> None:
    """The storage answers that when it is asked whether one of these exists."""
    lstat = os.lstat

    def looked_at(path: Path, **more: int | None) -> os.stat_result:
        if path in paths:
            raise OSError(refused, os.strerror(refused), str(path))
        return lstat(path, **more)

    patched.setattr(os, "lstat", looked_at)


@pytest.mark.parametrize(
    "refused",
    [
        errno.ESTALE,
        *(pytest.param(number, marks=pytest.mark.slow) for number in (errno.EIO, errno.EACCES)),
    ],
)
def test_a_file_that_cannot_be_looked_at_is_not_called_missing(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    """A share that fails for a moment costs no recovery point, and the merge goes on."""
    layers, known = chain.merging(MIDDLE), chain.known(MIDDLE)
    steps = (
        lambda: chain.repository.expect(layers, known),
        lambda: chain.merge(MIDDLE),
        lambda: chain.check(MIDDLE),
        lambda: chain.repository.take_name(layers),
    )
    child, removed = chain.file(MIDDLE - 1), chain.file(MIDDLE)
    for step in steps:
        for path in (child, removed):
            with monkeypatch.context() as patched:
                refuse_looks(patched, refused, path)
                with pytest.raises(TargetError, match=os.strerror(refused)) as found:
                    step()
            assert not isinstance(found.value, ImageMissing | ImageDamaged)
        step()
    chain.forget(MIDDLE)
    chain.require_equal()


def test_digests_that_cannot_be_looked_at_are_not_forgotten(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.remove(MIDDLE)
    layers, known = chain.merging(MIDDLE), chain.known(MIDDLE)
    with monkeypatch.context() as patched:
        merged = chain.file(MIDDLE - 1).with_name(chain.file(MIDDLE - 1).name + ".merged")
        refuse_looks(patched, errno.EIO, merged)
        for look in (
            lambda: chain.repository.expect(layers, known),
            lambda: chain.repository.merged_digest(layers[0].locator),
            lambda: chain.repository.still_stored([f"{layers[0].locator}.merged"]),
        ):
            with pytest.raises(TargetError, match="Input/output error"):
                look()
    chain.remove(MIDDLE)
    chain.require_equal()


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


@pytest.mark.parametrize(
    "cut_off",
    [pytest.param("never", marks=pytest.mark.slow), "at the name", "between two folders"],
)
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
    for suffix in (".merged", ".merging", f".merging.{'0f' * 16}"):
        with pytest.raises(TargetError, match="not a name"):
            chain.repository.exists(locator + suffix)
        (chain.repository.root / (locator + suffix)).touch()
    found = [it for it in chain.repository.stored() if it.locator == locator]
    assert len(found) == 5
    assert {it.attempt for it in found} == {None}
    chain.repository.discard(locator)
    assert [it for it in chain.repository.stored() if it.locator == locator] == []
