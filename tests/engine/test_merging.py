"""An image is removed from a chain by merging: the others read as before, and damage is found."""

from __future__ import annotations

import os

import pytest

from replication.engine.digests import digest_of
from replication.engine.errors import (
    ImageDamaged,
)
from replication.engine.expected import UNKNOWN
from replication.engine.extents import normalise
from tests.engine.chains import (
    KIB,
    MIDDLE,
    OLDEST,
    SIZES,
    Chain,
    entries_of,
    flip,
    own_data,
)
from tests.engine.support import names, sha256

# Removing


@pytest.mark.parametrize(
    "order",
    [
        (2, 3, 1, 1),
        *(pytest.param(order, marks=pytest.mark.slow) for order in ((4, 3, 2, 1), (1, 1, 1, 1))),
    ],
)
def test_any_image_but_the_newest_can_be_removed_until_one_is_left(
    chain: Chain, order: tuple[int, ...]
) -> None:
    """Five images of a disk that grew twice; removed from below, from above and from the middle."""
    for number in order:
        child, removed = chain.file(number - 1), chain.file(number)
        digests, inode = sha256(child.with_name(f"{child.name}.digests")), removed.stat().st_ino
        sealed = chain.remove(number)
        assert child.stat().st_ino == inode
        assert sealed[:2] == (child.stat().st_blocks * 512, child.stat().st_size)
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


def test_nothing_of_the_child_s_file_is_changed_but_the_mark(chain: Chain) -> None:
    """The autoclear features, which whoever opens an image for writing has to clear."""
    before = chain.file(MIDDLE - 1).read_bytes()
    chain.repository.expect(chain.merging(MIDDLE), chain.known(MIDDLE))
    chain.merge(MIDDLE)
    after = chain.file(MIDDLE - 1).read_bytes()
    assert before[:88] + bytes(8) + before[96:] == after


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


def test_what_has_rotted_in_the_child_is_found_before_anything_is_merged(chain: Chain) -> None:
    child = chain.layers[1]
    flip(chain.file(1), place_in(chain, 1, "in what was copied"))
    before = {path: sha256(path) for path in chain.file(0).parent.iterdir()}
    with pytest.raises(ImageDamaged, match="not those that were copied") as found:
        chain.check_child(MIDDLE)
    assert found.value.locator == child.locator
    assert {path: sha256(path) for path in chain.file(0).parent.iterdir()} == before
    chain.digests[child.locator] = "0" * 32  # a map that is not the row's says nothing
    chain.check_child(MIDDLE)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_child_reads_as_its_digests_say_before_and_after_it_is_merged(
    chain: Chain, number: int
) -> None:
    chain.check_child(number)
    chain.repository.expect(chain.merging(number), chain.known(number))
    chain.merge(number)
    chain.check_child(number)
    chain.remove(number)
    if number > 1:  # the merged one is the child now
        chain.check_child(number - 1)


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
        for entry in entries_of(chain, OLDEST, ".merging")
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


@pytest.mark.parametrize(
    "lost",
    [
        *("child", "broken"),
        *(pytest.param(lost, marks=pytest.mark.slow) for lost in ("removed", "both", "cut")),
    ],
)
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
