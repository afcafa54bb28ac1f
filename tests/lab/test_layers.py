"""A layer's journal: what a torn or long one becomes when it is read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmrep.lab.disks.layers import Layer

MIB = 1 << 20


def reopened(layer: Layer) -> Layer:
    return Layer(layer.data, layer.journal)


def test_a_torn_record_is_cut_off(tmp_path: Path) -> None:
    layer = Layer.create(tmp_path / "data", tmp_path / "journal", MIB)
    layer.write(1, 4096, b"x" * 512)
    with layer.journal.open("ab") as file:
        file.write(b"torn")
    again = reopened(layer)
    again.write(2, 8192, b"y" * 512)
    last = reopened(again)
    assert list(last.held) == [(4096, 4608), (8192, 8704)]
    assert last.changed_after(1) == [(8192, 8704)]


def test_a_long_journal_becomes_short_and_says_the_same(tmp_path: Path) -> None:
    layer = Layer.create(tmp_path / "data", tmp_path / "journal", MIB)
    for n in range(100):
        layer.write(1 + n // 50, n * 512, b"x" * 512)
    assert layer.journal.stat().st_size == 100 * 24
    again = reopened(layer)
    assert again.journal.stat().st_size == 2 * 24
    last = reopened(again)
    assert {e: list(r) for e, r in last.eras.items()} == {
        1: [(0, 25600)],
        2: [(25600, 51200)],
    }


def test_the_journal_knows_of_a_write_before_the_data(tmp_path: Path) -> None:
    layer = Layer.create(tmp_path / "data", tmp_path / "journal", MIB)
    layer.data.unlink()
    with pytest.raises(FileNotFoundError):
        layer.write(1, 0, b"x" * 512)
    layer.data.touch()
    assert list(reopened(layer).held) == [(0, 512)]
