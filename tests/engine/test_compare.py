from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from replication.engine import qemu
from replication.engine.compare import compare_image_with_raw
from replication.engine.directory import DirectoryRepository
from replication.engine.image import ImageReader, ImageWriter
from tests.engine.support import (
    MIB,
    copy_into,
    difference,
    files_of,
    make_raw,
    pwrite,
    same_by_qemu,
    whole,
)

SIZE = 32 * MIB


@pytest.fixture
def pair(repository: DirectoryRepository, tmp_path: Path) -> tuple[Path, Path]:
    """A raw disk and an image equal to it."""
    raw = make_raw(tmp_path / "raw", SIZE, 7, 10 * MIB)
    copy_into(repository, raw, "image", whole(SIZE))
    return repository.root / "image.qcow2", raw


def change(raw: Path, offset: int, content: bytes) -> None:
    with raw.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def test_equal_is_equal_and_progress_reaches_the_end(pair: tuple[Path, Path]) -> None:
    image, raw = pair
    seen: list[int] = []
    with ImageReader(files_of(image)) as reader:
        assert compare_image_with_raw(reader, raw, seen.append) is None
    assert seen == sorted(seen)
    assert same_by_qemu(image, raw)


@pytest.mark.parametrize("seed", range(8))
def test_one_changed_byte_is_found_where_it_is(pair: tuple[Path, Path], seed: int) -> None:
    image, raw = pair
    offset = random.Random(seed).choice([0, SIZE - 1, random.Random(seed).randrange(SIZE)])
    change(raw, offset, bytes([raw.read_bytes()[offset] ^ 1]))
    assert difference(image, raw) == offset


def test_the_first_of_several_differences_is_reported(pair: tuple[Path, Path]) -> None:
    image, raw = pair
    for offset in (20 * MIB, 12345678, 30 * MIB):
        change(raw, offset, bytes([raw.read_bytes()[offset] ^ 0xFF]))
    assert difference(image, raw) == 12345678


def test_data_over_a_hole_of_the_image_is_found(tmp_path: Path) -> None:
    qemu.create(tmp_path / "empty.qcow2", SIZE)
    raw = tmp_path / "raw"
    raw.touch()
    os.truncate(raw, SIZE)
    assert difference(tmp_path / "empty.qcow2", raw) is None
    change(raw, SIZE - 1, b"x")
    assert difference(tmp_path / "empty.qcow2", raw) == SIZE - 1


def test_data_over_a_hole_of_the_file_is_found(tmp_path: Path) -> None:
    image, raw = tmp_path / "image.qcow2", tmp_path / "raw"
    qemu.create(image, SIZE)
    with ImageWriter(files_of(image)) as writer:
        pwrite(writer.connect(), bytes(511) + b"x", 9 * MIB)
    raw.touch()
    os.truncate(raw, SIZE)
    assert difference(image, raw) == 9 * MIB + 511


def test_written_zeroes_are_equal_to_holes(tmp_path: Path) -> None:
    image, raw = tmp_path / "image.qcow2", tmp_path / "raw"
    qemu.create(image, SIZE)
    with ImageWriter(files_of(image)) as writer:
        pwrite(writer.connect(), bytes(MIB), 9 * MIB)
    raw.write_bytes(bytes(SIZE))
    assert difference(image, raw) is None


@pytest.mark.parametrize("raw_bytes", [SIZE - 512, SIZE + 512, 0])
def test_another_size_is_a_difference(pair: tuple[Path, Path], raw_bytes: int) -> None:
    image, raw = pair
    os.truncate(raw, raw_bytes)
    assert difference(image, raw) == min(raw_bytes, SIZE)
