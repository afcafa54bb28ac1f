"""The folder of a repository: its marker, how full it is, and which names lead into it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from replication.engine import qemu
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import (
    RepositoryUnavailable,
    TargetError,
)
from replication.engine.marker import MARKER
from replication.engine.target import Layer
from tests.engine.support import (
    MIB,
    chain_of,
    create,
    names,
)
from tests.mounts import Ext4

# The marker


def test_initialise_can_be_done_again_but_not_as_another_repository(tmp_path: Path) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    root = tmp_path / "a" / "b"
    DirectoryRepository.initialise(root, first)
    content = (root / MARKER).read_bytes()
    DirectoryRepository.initialise(root, first).check()
    with pytest.raises(RepositoryUnavailable, match=first):
        DirectoryRepository.initialise(root, second)
    assert (root / MARKER).read_bytes() == content
    assert [entry.name for entry in root.iterdir()] == [MARKER]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "mounted"),
        (b"", "not a repository's marker"),
        (b"[]", "not a repository's marker"),
        (b"{}", "not a repository's marker"),
        (json.dumps({"format": 1, "uuid": str(uuid.uuid4())}).encode(), "right storage"),
        (json.dumps({"format": 2, "uuid": "same"}).encode(), "format 2"),
    ],
    ids=["missing", "empty", "list", "no fields", "other uuid", "other format"],
)
def test_nothing_works_without_the_right_marker(
    repository: DirectoryRepository, content: bytes | None, words: str
) -> None:
    create(repository, "there.qcow2", MIB)
    there = chain_of(repository, "there.qcow2")
    marker = repository.root / MARKER
    if content is None:
        marker.unlink()
    else:
        marker.write_bytes(content.replace(b"same", repository.uuid.encode()))
    for action in (
        repository.check,
        repository.room,
        lambda: repository.exists("there.qcow2"),
        lambda: repository.create([Layer("new.tmp", MIB)]),
        lambda: repository.open(there),
        lambda: repository.open_readonly(there),
        lambda: repository.seal("there.tmp", "final.qcow2"),
        lambda: repository.discard("there.qcow2"),
    ):
        with pytest.raises(RepositoryUnavailable, match=words):
            action()
    assert names(repository.root) == sorted(
        ["there.qcow2"] + ([MARKER] if content is not None else [])
    )


def test_a_share_that_is_not_mounted_is_unavailable(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "nowhere", str(uuid.uuid4()))
    with pytest.raises(RepositoryUnavailable, match="mounted"):
        repository.exists("a.qcow2")
    assert not (tmp_path / "nowhere").exists()


def test_the_room_is_what_somebody_who_is_not_root_can_use(small_ext4: Ext4) -> None:
    """5 % of this file system is kept for root: neither free for us nor there."""
    folder = small_ext4.folder
    repository = DirectoryRepository.initialise(folder / "r", str(uuid.uuid4()))
    (folder / "r/ballast").write_bytes(os.urandom(8 * MIB))
    found, usage = repository.room(), shutil.disk_usage(folder)  # as df reckons
    assert found.free_bytes == usage.free
    assert found.total_bytes == usage.used + usage.free < usage.total
    assert found.device == folder.stat().st_dev


def _device(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"[" * 2000)
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "not an ordinary file"),
        (Path.mkdir, "not an ordinary file"),
        (_device, "not an ordinary file"),
        (lambda path: path.symlink_to(path), "not an ordinary file"),
        (lambda path: path.symlink_to("/dev/zero"), "not an ordinary file"),
        (_huge, "not a repository's marker"),
        (lambda path: path.write_bytes(b"[" * 1024), "not a repository's marker"),
        (lambda path: path.write_bytes(b'{"format": 1, "uuid": "me"}'), "not a repository's"),
        (lambda path: path.write_bytes(b'{"format": Infinity, "uuid": 1}'), "not a repository's"),
        (lambda path: path.write_bytes(b'{"format": 1, "uuid": {}}'), "not a repository's marker"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not a repository's marker"),
    ],
    ids=[
        *("pipe", "folder", "device", "loop", "link", "huge"),
        *("nested", "no uuid", "no number", "other types", "no text"),
    ],
)
def test_what_lies_in_the_marker_s_place_is_neither_waited_for_nor_believed(
    repository: DirectoryRepository, make: Callable[[Path], None], words: str
) -> None:
    marker = repository.root / MARKER
    marker.unlink()
    make(marker)
    with pytest.raises(RepositoryUnavailable, match=words):
        repository.check()


def test_of_two_at_once_one_makes_the_folder_its_own(tmp_path: Path) -> None:
    def initialise(number: int) -> str:
        try:
            return DirectoryRepository.initialise(tmp_path / "r", str(uuid.UUID(int=number))).uuid
        except RepositoryUnavailable:
            return ""

    with ThreadPoolExecutor(16) as pool:
        made = [found for found in pool.map(initialise, range(64)) if found]
    assert len(made) == 1
    DirectoryRepository(tmp_path / "r", made[0]).check()


# Locators


@pytest.mark.parametrize(
    "locator",
    [
        "",
        "/etc/passwd",
        "../outside.qcow2",
        "a/../../outside.qcow2",
        "a/./b",
        "a//b",
        "a/",
        ".hidden",
        "-q",
        "a b",
        "nbd:unix:/x",
        "json:{}",
        "a,driver=raw",
        "a\nb",
        "a\n",
        "a\0b",
        "a\\b",
        "<script>",
        "ü",
        "a" * 201,
        "a.qcow2.digests",
        MARKER,
        f"{MARKER}.new",
    ],
)
def test_a_hostile_locator_is_refused(repository: DirectoryRepository, locator: str) -> None:
    for action in (
        lambda: repository.exists(locator),
        lambda: repository.create([Layer(locator, MIB)]),
        lambda: repository.create([Layer("good.tmp", MIB), Layer(locator, MIB)]),
        lambda: repository.seal("good.tmp", locator),
        lambda: repository.discard(locator),
    ):
        with pytest.raises(TargetError, match="not a name"):
            action()
    assert names(repository.root) == [MARKER]


def test_a_symbolic_link_is_not_followed(repository: DirectoryRepository, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    qemu.create(outside / "disk.qcow2", MIB)
    (repository.root / "folder").symlink_to(outside)
    (repository.root / "disk.qcow2").symlink_to(outside / "disk.qcow2")
    for locator in ("folder/disk.qcow2", "disk.qcow2"):
        with pytest.raises(TargetError, match="symbolic link"):
            repository.exists(locator)
        with pytest.raises(TargetError, match="symbolic link"):
            repository.discard(locator)
    assert (outside / "disk.qcow2").exists()


def test_a_repository_reached_through_a_link_works(
    repository: DirectoryRepository, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(repository.root)
    linked = DirectoryRepository(tmp_path / "link", repository.uuid)
    linked.create([Layer("a/b.tmp", MIB)])
    assert repository.exists("a/b.tmp")


def test_a_repository_that_goes_away_is_not_made_again_below_its_mount_point(
    repository: DirectoryRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its share is unmounted just after somebody looked: the folder is gone, or an empty one."""
    away = tmp_path / "away"
    real_path = repository.path

    def path_then_unmount(locator: str) -> Path:
        found = real_path(locator)
        repository.root.rename(away)
        if is_mount_point_left:
            repository.root.mkdir()
        return found

    for is_mount_point_left in (False, True):
        monkeypatch.setattr(repository, "path", path_then_unmount)
        with pytest.raises(TargetError):
            repository.create([Layer("a/b.1.tmp", MIB)])
        assert repository.root.exists() is is_mount_point_left
        assert not list(repository.root.rglob("*.qcow2"))
        monkeypatch.undo()
        shutil.rmtree(repository.root, ignore_errors=True)
        away.rename(repository.root)
