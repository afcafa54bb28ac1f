"""The versions of a manifest in a folder: the highest counts, and the others go."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from replication.engine import durable
from replication.engine.errors import RepositoryIsNewer
from replication.engine.manifest import Manifest, RepositoryPart, encode
from replication.engine.manifest_files import ManifestFiles
from tests.engine.support import names

CHANGES = {"open", "os.link", "os.rename", "os.remove", "os.truncate"}
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


def test_a_writer_may_be_killed_anywhere(tmp_path: Path) -> None:
    """With -9, before each change of a file, and with half of the content written: what is read is
    the former one or the new one, whole, and the next writer leaves nothing beside its own."""
    for number in itertools.count():
        folder = tmp_path / str(number)
        folder.mkdir()
        files = ManifestFiles(folder)
        files.write(version(1))
        status = _write_and_die(files, version(2), number)
        found = files.read(UUID)
        assert found in (version(1), version(2)), number
        assert files.head().version == found.version
        files.write(version(3))
        assert names(folder) == [name(3)], number
        if not status:
            break
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert found == version(2)
    assert number > 5


def _write_and_die(files: ManifestFiles, manifest: Manifest, number: int) -> int:
    """In a process of its own, whose end it returns."""
    if child := os.fork():
        return os.waitpid(child, 0)[1]
    numbers = itertools.count()

    def die_at(*_: object) -> None:
        if next(numbers) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def half(file: IO[bytes]) -> None:
        file.truncate(len(encode(manifest)) // 2)
        die_at()
        os.pwrite(file.fileno(), encode(manifest), 0)
        file.truncate(len(encode(manifest)))
        os.fsync(file.fileno())

    def flushing(file: IO[bytes]) -> None:
        file.flush()
        half(file)

    durable.fsync_open_file = flushing
    sys.addaudithook(lambda event, _: die_at() if event in CHANGES else None)
    try:
        files.write(manifest)
    finally:
        os._exit(0)
