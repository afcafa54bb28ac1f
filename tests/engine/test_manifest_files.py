"""The versions of a manifest in a folder: the highest counts, and the others go."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from replication.engine.manifest import Manifest, RepositoryPart
from replication.engine.manifest_files import ManifestFiles
from tests.engine.support import names

UUID = "7b0f2f0e-5a53-4a8e-9f1c-0a4e6a3f5c11"


def version(number: int) -> Manifest:
    part = RepositoryPart(f"name {number}", 0)
    return Manifest(number, UUID, "1", datetime(2026, 1, 1, tzinfo=UTC), None, part)


def name(number: int) -> str:
    return f".vmrep-manifest-{number:010}"


def test_a_writer_that_was_paused_leaves_nothing_beside_the_newer_version(tmp_path: Path) -> None:
    files = ManifestFiles(tmp_path)
    for number in (1, 3, 2):
        files.write(version(number))
    assert names(tmp_path) == [name(3)]
    assert files.read(UUID) == version(3)


def test_what_a_dead_writer_left_half_written_goes_with_the_next_of_its_version(
    tmp_path: Path,
) -> None:
    """The repository's own manifest has no row that would give each writer another one."""
    for number in (1, 2, 3):
        (tmp_path / f"{name(number)}.{number:032x}.new").write_bytes(b"half")
    files = ManifestFiles(tmp_path)
    files.write(version(2))
    assert names(tmp_path) == [name(2), f"{name(3)}.{3:032x}.new"]
