"""What two digest maps tell of the image that the two images become."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.engine import expected
from replication.engine.digests import DigestEntry, DigestMap
from replication.engine.expected import UNKNOWN, Expectation, together
from replication.engine.extents import REQUEST_BYTES

SIZE = 40


@st.composite
def maps(draw: st.DrawFn, kind: int) -> list[DigestEntry]:
    """Entries in ascending order, some of them of bytes that are not known."""
    cuts = sorted(draw(st.sets(st.integers(0, SIZE), max_size=16)))
    return [
        DigestEntry(start, end - start, draw(st.sampled_from([UNKNOWN, bytes([kind]) * 16])))
        for start, end in pairwise(cuts)
        if draw(st.booleans())
    ]


def by_byte(entries: list[DigestEntry]) -> dict[int, DigestEntry]:
    return {at: entry for entry in entries for at in range(entry.offset, sum(entry[:2]))}


@given(maps(1), maps(2))
def test_what_two_maps_make_is_what_holds_byte_by_byte(
    upper: list[DigestEntry], lower: list[DigestEntry]
) -> None:
    found = list(together(upper, lower))
    above, below, both = by_byte(upper), by_byte(lower), by_byte(found)
    assert both.keys() == above.keys() | below.keys()
    for at, entry in both.items():
        if at in above:
            assert entry == above[at]
        elif above.keys().isdisjoint(range(below[at].offset, sum(below[at][:2]))):
            assert entry == below[at]
        else:
            assert entry.digest == UNKNOWN
    ends = [0, *(sum(entry[:2]) for entry in found)]
    assert all(entry.offset >= end for entry, end in zip(found, ends, strict=False))
    assert all(entry.length > 0 for entry in found)


def write(path: Path, entries: list[DigestEntry]) -> Path:
    with DigestMap(path) as made:
        for entry in entries:
            made.add(*entry)
    return path


def test_all_of_the_child_s_is_compared_and_of_the_rest_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected, "SAMPLE_ENTRIES", 3)
    monkeypatch.setattr(expected, "CLUSTER_BYTES", 10)
    of_child = [
        DigestEntry(10 * number, 10, bytes([number % 3]) * 16) for number in range(0, 100, 2)
    ]
    others = [DigestEntry(10 * number, 10, bytes([number % 5]) * 16) for number in range(1, 100, 2)]
    child = write(tmp_path / "child", of_child)
    both = write(tmp_path / "both", sorted([*of_child, *others]))
    found = Expectation(both, child, 1000)
    parts = list(found.to_compare())
    assert parts == list(found.to_compare())
    assert {part.entry for part in parts if part.is_merged} == set(of_child)
    drawn = {part.entry for part in parts if not part.is_merged}
    assert len(drawn) == 3
    assert drawn < {entry for entry in others if entry.digest != UNKNOWN}
    assert found.bytes_to_compare == 10 * len(parts)
    unknown = sum(entry.digest == UNKNOWN for entry in [*of_child, *others])
    assert found.bytes_covered == 1000 - 10 * unknown


@pytest.mark.parametrize(
    ("copied", "around"),
    [
        ([(12, 3)], [(10, 2), (15, 5)]),
        ([(10, 10)], []),
        ([(12, 3), (16, 2)], [(10, 2), (15, 1), (18, 2)]),
        ([(5, 3), (29, 2)], [(0, 5), (8, 2), (20, 9), (31, 4)]),
        ([(0, 35)], []),
    ],
)
def test_the_rest_of_a_cluster_is_compared_with_the_child(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    copied: list[tuple[int, int]],
    around: list[tuple[int, int]],
) -> None:
    monkeypatch.setattr(expected, "CLUSTER_BYTES", 10)
    own = [DigestEntry(*extent, b"x" * 16) for extent in copied]
    child = write(tmp_path / "child", own)
    parts = list(Expectation(child, child, 35).to_compare())
    assert [part.entry for part in parts if part.entry.digest != UNKNOWN] == own
    assert [part.entry[:2] for part in parts if part.entry.digest == UNKNOWN] == around


def test_what_nobody_knows_anything_of_is_compared_as_a_whole(tmp_path: Path) -> None:
    size_bytes = 9 << 20
    both = write(tmp_path / "both", [DigestEntry(0, size_bytes, UNKNOWN)])
    found = Expectation(both, tmp_path / "missing", size_bytes)
    assert found.bytes_to_compare == size_bytes
    assert {part.entry.digest for part in found.to_compare()} == {UNKNOWN}
    assert max(part.entry.length for part in found.to_compare()) == REQUEST_BYTES
