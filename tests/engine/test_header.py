"""A header read without a process says what qemu-img says."""

from __future__ import annotations

from pathlib import Path

import pytest

from replication.engine import qemu
from replication.engine.errors import ImageDamaged, TargetError
from replication.engine.header import read_image_file
from tests.engine.support import info

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
