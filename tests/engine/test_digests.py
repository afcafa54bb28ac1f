from __future__ import annotations

import os
from pathlib import Path

import pytest

from replication.engine.digests import HEADER, DigestMap, digest_of, read_digests
from replication.engine.errors import EngineError, ImageDamaged

ENTRIES = [(n * 4096, 4096, digest_of(bytes([n]))) for n in range(10)]


def written(path: Path, entries: list[tuple[int, int, bytes]] = ENTRIES) -> str:
    with DigestMap(path) as digests:
        for entry in entries:
            digests.add(*entry)
        return digests.digest()


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    written(tmp_path / "map")
    assert [tuple(entry) for entry in read_digests(tmp_path / "map")] == ENTRIES
    assert (tmp_path / "map").stat().st_size == len(HEADER) + 32 * len(ENTRIES)


def test_the_digest_depends_on_every_entry(tmp_path: Path) -> None:
    digest = written(tmp_path / "map")
    assert len(digest) == 32
    assert written(tmp_path / "again") == digest
    others = [
        written(tmp_path / "map", [*ENTRIES[:n], (n * 4096, 4096, bytes(16)), *ENTRIES[n + 1 :]])
        for n in range(len(ENTRIES))
    ]
    assert len({digest, *others}) == 1 + len(ENTRIES)


@pytest.mark.parametrize("torn", [0, 1, 31])
@pytest.mark.parametrize("keep", [1, 5, 10])
def test_a_resume_drops_what_is_at_or_above_the_offset(
    tmp_path: Path, keep: int, torn: int
) -> None:
    digest = written(tmp_path / "map")
    with (tmp_path / "map").open("ab") as file:
        file.write(b"\xff" * torn)
    with DigestMap(tmp_path / "map", resume_offset=keep * 4096) as digests:
        assert digests.bytes_covered == keep * 4096
        for entry in ENTRIES[keep:]:
            digests.add(*entry)
        assert digests.digest() == digest
    assert [tuple(entry) for entry in read_digests(tmp_path / "map")] == ENTRIES


def test_a_new_map_forgets_an_old_one(tmp_path: Path) -> None:
    written(tmp_path / "map")
    with DigestMap(tmp_path / "map") as digests:
        assert digests.bytes_covered == 0
    assert list(read_digests(tmp_path / "map")) == []


def test_a_resume_without_a_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageDamaged, match="missing"):
        DigestMap(tmp_path / "map", resume_offset=512)


def test_a_resume_in_the_middle_of_an_entry_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "map")
    with pytest.raises(ImageDamaged, match="not a checkpoint"):
        DigestMap(tmp_path / "map", resume_offset=4096 + 512)


def test_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map").write_bytes(HEADER[:-1] + b"\x02")
    with pytest.raises(ImageDamaged, match="version"):
        DigestMap(tmp_path / "map", resume_offset=512)


def test_a_hole_in_the_file_is_refused(tmp_path: Path) -> None:
    """What a power cut can leave of a file whose length was permanent but its content was not."""
    written(tmp_path / "map")
    with (tmp_path / "map").open("r+b") as file:
        file.seek(len(HEADER) + 3 * 32)
        file.write(bytes(32))
    with pytest.raises(ImageDamaged, match="broken"):
        DigestMap(tmp_path / "map", resume_offset=5 * 4096)


def test_offsets_must_ascend_without_overlap(tmp_path: Path) -> None:
    with DigestMap(tmp_path / "map") as digests:
        digests.add(4096, 4096, bytes(16))
        for offset, length in [(0, 512), (4096, 4096), (8191, 512), (8192, 0)]:
            with pytest.raises(EngineError, match="out of order"):
                digests.add(offset, length, bytes(16))
        assert digests.bytes_covered == 4096


def test_a_flush_writes_everything_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        real(descriptor)

    with DigestMap(tmp_path / "map") as digests:
        digests.add(*ENTRIES[0])
        monkeypatch.setattr(os, "fsync", fsync)
        digests.flush()
    assert sizes == [len(HEADER) + 32]
