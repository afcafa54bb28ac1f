"""The versions of a manifest in a folder: the highest counts, and the others go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from replication.engine import durable
from replication.engine.errors import RepositoryIsNewer
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


def _file_system_without_second_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(durable.os, "link", refuse)


@pytest.mark.parametrize("has_second_names", [True, False])
def test_what_another_one_wrote_under_a_version_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_second_names: bool
) -> None:
    """Two databases, of which one began as a copy of the other, give the same versions."""
    if not has_second_names:
        _file_system_without_second_names(monkeypatch)
    files, first = ManifestFiles(tmp_path), version(2)
    files.write(first)
    for later in (
        replace(first, of_repository=RepositoryPart("other", 0)),
        replace(first, written_at=first.written_at + timedelta(microseconds=1)),
    ):
        with pytest.raises(RepositoryIsNewer, match="another vmrep wrote it"):
            files.write(later)
        assert files.read(UUID) == first
        assert names(tmp_path) == [name(2)]
    files.write(first)  # the very same, whose writer did not hear that it was done
    assert names(tmp_path) == [name(2)]
