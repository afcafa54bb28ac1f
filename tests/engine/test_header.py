"""A header read without a process says what qemu-img says."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from replication.engine import qemu
from replication.engine.errors import ImageDamaged, TargetError
from replication.engine.header import read_image_file
from tests.engine.support import info, name_the_backing_file, patch

MIB = 1 << 20


def test_it_says_what_qemu_img_says(tmp_path: Path) -> None:
    root, overlay = tmp_path / "root.qcow2", tmp_path / "sub" / "overlay.qcow2"
    overlay.parent.mkdir()
    qemu.create(root, 5 * MIB)
    qemu.create(overlay, 7 * MIB, "../root.qcow2")
    for path in (root, overlay):
        header, said = read_image_file(path).header, info(path)
        assert header.size_bytes == said["virtual-size"]
        assert header.backing == said.get("backing-filename")
        assert header.backing_format == said.get("backing-filename-format")
        assert header.oddities == ()
    assert read_image_file(overlay).header.backing == "../root.qcow2"


@pytest.mark.parametrize(
    "content", [b"", b"QFI\xfb", b"x" * 4096, b"QFI\xfb" + b"\xff" * 4096], ids=len
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image").write_bytes(content)
    with pytest.raises(ImageDamaged):
        read_image_file(tmp_path / "image")


def test_an_image_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image"
    qemu.create(path, 5 * MIB)
    path.write_bytes(path.read_bytes()[:4096])
    with pytest.raises(ImageDamaged, match="cut short"):
        read_image_file(path)


def test_a_missing_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(TargetError):
        read_image_file(tmp_path / "nothing")


@pytest.mark.parametrize("offset", [1 << 63, (1 << 64) - 1, 1 << 40], ids=hex)
def test_a_backing_name_beyond_the_end_is_refused(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "image"
    qemu.create(path, 5 * MIB)
    patch(path, 8, struct.pack(">QI", offset, 3))
    with pytest.raises(ImageDamaged, match="beyond its end"):
        read_image_file(path)


def test_extensions_beyond_the_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "image"
    qemu.create(path, 5 * MIB)
    patch(path, 100, b"\xff" * 4)
    with pytest.raises(ImageDamaged, match="beyond its end"):
        read_image_file(path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"x\xffy", r"x\xffy"),
        (b"a\0b\n", r"a\x00b\n"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        ("\u202eé".encode(), r"\u202eé"),
    ],
)
def test_a_backing_name_that_is_no_plain_text_is_shown_escaped(
    tmp_path: Path, name: bytes, shown: str
) -> None:
    path = tmp_path / "image"
    qemu.create(path, 5 * MIB)
    name_the_backing_file(path, name)
    header = read_image_file(path).header
    assert header.backing == shown
    assert header.backing.isprintable()


def test_the_words_about_a_header_are_escaped_and_cut(tmp_path: Path) -> None:
    """The name of a file with the data (here an extension), and the backing file's format."""
    path = tmp_path / "image"
    qemu.create(path, 5 * MIB)
    data_file, backing_format = b"\xff\0" * 500, b"\0\xff" * 500
    patch(
        path,
        int.from_bytes(path.read_bytes()[100:104]),
        struct.pack(">II", 0x44415441, 1000)
        + data_file
        + struct.pack(">II", 0xE2792ACA, 1000)
        + backing_format
        + bytes(8),
    )
    header = read_image_file(path).header
    (oddity,) = header.oddities
    assert r"\xff\x00\xff" in oddity
    for words in (oddity, header.backing_format or ""):
        assert words.isprintable()
        assert len(words) < 300
