from __future__ import annotations

import os
import stat
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from replication.engine import qemu
from replication.engine.digests import DigestMap
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import (
    ImageDamaged,
    RepositoryFull,
    RepositoryUnavailable,
    TargetError,
)
from replication.engine.marker import MARKER
from replication.engine.target import Layer
from tests.engine.support import (
    MIB,
    copy_into,
    create,
    info,
    make_raw,
    names,
    opened,
    pwrite,
    same_by_qemu,
    sha256,
    whole,
)


def check_code(path: Path) -> int:
    return subprocess.run(["qemu-img", "check", "-q", path], check=False).returncode


def patch(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def refcount_block(path: Path) -> int:
    """The file offset of the image's first refcount block."""
    with path.open("rb") as file:
        file.seek(48)
        file.seek(int.from_bytes(file.read(8)))
        return int.from_bytes(file.read(8))


# Creating


def test_an_image_is_private_and_of_the_right_size(repository: DirectoryRepository) -> None:
    create(repository, "ctx/disk.tmp", 5 * MIB + 512)
    path = repository.root / "ctx" / "disk.tmp" / "image"
    assert info(path)["virtual-size"] == 5 * MIB + 512
    assert "backing-filename" not in info(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_unmounted_between_two_looks_is_away_and_not_missing(
    repository: DirectoryRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = DirectoryRepository.path

    def unmount_after_the_look(self: DirectoryRepository, locator: str) -> Path:
        path = look(self, locator)
        repository.root.rename(tmp_path / "unmounted")
        repository.root.mkdir()
        return path

    monkeypatch.setattr(DirectoryRepository, "path", unmount_after_the_look)
    with pytest.raises(RepositoryUnavailable):
        repository.check_image("ctx/disk.qcow2")


def test_a_parent_s_name_is_relative_so_that_the_repository_can_move(
    repository: DirectoryRepository, tmp_path: Path
) -> None:
    raw = make_raw(tmp_path / "raw", 4 * MIB, 1, 2 * MIB)
    copy_into(repository, raw, "one/base", whole(4 * MIB))
    copy_into(repository, raw, "two/top", [], parent="one/base.qcow2")
    assert info(repository.root / "two/top.qcow2")["backing-filename"] == "../one/base.qcow2"
    moved = repository.root.rename(tmp_path / "moved")
    assert same_by_qemu(moved / "two/top.qcow2", raw)


def test_an_image_never_replaces_another(repository: DirectoryRepository) -> None:
    create(repository, "a.tmp", MIB)
    before = sha256(repository.root / "a.tmp/image")
    with pytest.raises(TargetError, match="exists"):
        create(repository, "a.tmp", 2 * MIB)
    assert sha256(repository.root / "a.tmp/image") == before


def test_an_overlay_may_be_larger_but_never_smaller(repository: DirectoryRepository) -> None:
    create(repository, "base.qcow2", 2 * MIB)
    with pytest.raises(TargetError, match="shrank"):
        create(repository, "small.tmp", 2 * MIB - 512, "base.qcow2")
    assert not repository.exists("small.tmp")
    create(repository, "large.tmp", 4 * MIB, "base.qcow2")
    assert info(repository.root / "large.tmp/image")["virtual-size"] == 4 * MIB


def test_an_overlay_needs_its_parent(repository: DirectoryRepository) -> None:
    with pytest.raises(TargetError, match="missing"):
        repository.create([Layer("a.tmp", MIB), Layer("gone.qcow2", MIB)])
    assert not repository.exists("a.tmp")


def test_a_failed_create_leaves_nothing(repository: DirectoryRepository) -> None:
    (repository.root / "base.qcow2").write_bytes(b"not an image")
    with pytest.raises(TargetError, match="not a qcow2 image"):
        repository.create([Layer("a.tmp", MIB), Layer("base.qcow2", MIB)])
    with pytest.raises(TargetError):
        create(repository, "a.tmp", -1)
    assert names(repository.root) == ["base.qcow2", MARKER]


def test_no_room_to_create_is_reported(small_disk: Path) -> None:
    repository = DirectoryRepository.initialise(small_disk / "repository", str(uuid.uuid4()))
    (small_disk / "ballast").write_bytes(bytes(repository.room().free_bytes))
    with pytest.raises(RepositoryFull, match="Free space"):
        create(repository, "a.tmp", MIB)
    assert not repository.exists("a.tmp")


# Sealing and discarding


def test_seal_checks_syncs_renames_and_syncs_the_folder_in_this_order(
    repository: DirectoryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(repository, "f/a.tmp", MIB)
    done: list[str] = []
    sync, rename, check = os.fsync, Path.rename, qemu.check

    def spy_sync(descriptor: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync(descriptor)

    def spy_rename(source: Path, target: Path) -> Path:
        done.append(f"rename {source.name} {target.name}")
        return rename(source, target)

    def spy_check(path: Path, *more: object) -> qemu.CheckResult:
        done.append(f"check {path.name}")
        return check(path)

    monkeypatch.setattr(os, "fsync", spy_sync)
    monkeypatch.setattr(Path, "rename", spy_rename)
    monkeypatch.setattr(qemu, "check", spy_check)
    repository.seal("f/a.tmp", "f/a.qcow2")
    assert done == [
        "check image",
        "sync image",
        "rename image a.qcow2",
        "sync f",
        "sync a.tmp",
        "sync f",
    ]


def test_seal_reports_space_and_moves_the_digests_along(
    repository: DirectoryRepository, tmp_path: Path
) -> None:
    create(repository, "a.tmp", 64 * MIB)
    DigestMap(repository.digest_path("a.tmp")).close()
    with opened(repository, "a.tmp") as image:
        pwrite(image.connect(), b"x" * MIB, 0)
    sealed = repository.seal("a.tmp", "a.qcow2")
    path = repository.root / "a.qcow2"
    assert sealed[:2] == (path.stat().st_blocks * 512, path.stat().st_size)
    assert MIB <= sealed.allocated_bytes < 3 * MIB
    assert names(repository.root) == ["a.qcow2", "a.qcow2.digests", MARKER]


def test_seal_continues_after_a_crash_between_its_steps(repository: DirectoryRepository) -> None:
    create(repository, "a.tmp", MIB)
    DigestMap(repository.digest_path("a.tmp")).close()
    (repository.root / "a.tmp/image").rename(repository.root / "a.qcow2")
    first = repository.seal("a.tmp", "a.qcow2")
    assert names(repository.root) == ["a.qcow2", "a.qcow2.digests", MARKER]
    assert repository.seal("a.tmp", "a.qcow2") == first


def test_seal_continues_after_a_crash_in_the_middle_of_a_rename(
    repository: DirectoryRepository,
) -> None:
    """Where two folders' changes are not written together, both names are there afterwards."""
    create(repository, "a.tmp", MIB)
    DigestMap(repository.digest_path("a.tmp")).close()
    (repository.root / "a.qcow2").hardlink_to(repository.root / "a.tmp/image")
    (repository.root / "a.qcow2.digests").hardlink_to(repository.root / "a.tmp/digests")
    repository.seal("a.tmp", "a.qcow2")
    assert names(repository.root) == ["a.qcow2", "a.qcow2.digests", MARKER]
    assert (repository.root / "a.qcow2").stat().st_nlink == 1


def test_seal_never_replaces_an_image(repository: DirectoryRepository) -> None:
    create(repository, "a.qcow2", MIB)
    create(repository, "a.tmp", MIB)
    with pytest.raises(TargetError, match="never replaced"):
        repository.seal("a.tmp", "a.qcow2")
    assert repository.exists("a.tmp")


def test_seal_stays_in_the_folder_and_needs_an_image(repository: DirectoryRepository) -> None:
    create(repository, "f/a.tmp", MIB)
    with pytest.raises(TargetError, match="one folder"):
        repository.seal("f/a.tmp", "a.qcow2")
    with pytest.raises(TargetError, match="missing"):
        repository.seal("f/b.tmp", "f/b.qcow2")


def test_an_image_that_is_still_open_is_not_sealed(repository: DirectoryRepository) -> None:
    create(repository, "a.tmp", MIB)
    with opened(repository, "a.tmp"), pytest.raises(TargetError, match="lock"):
        repository.seal("a.tmp", "a.qcow2")
    assert repository.exists("a.tmp")
    assert not repository.exists("a.qcow2")


def test_leaked_clusters_are_no_damage(repository: DirectoryRepository) -> None:
    create(repository, "a.tmp", MIB)
    path = repository.root / "a.tmp/image"
    clusters = -(-path.stat().st_size // 65536)
    os.truncate(path, (clusters + 2) * 65536)
    patch(path, refcount_block(path) + 2 * clusters, b"\0\1\0\1")
    assert check_code(path) == 3
    assert qemu.check(path).leaked_clusters == 2
    repository.seal("a.tmp", "a.qcow2")
    assert repository.exists("a.qcow2")


def test_a_corrupt_image_is_refused_and_kept_under_its_temporary_name(
    repository: DirectoryRepository,
) -> None:
    create(repository, "a.tmp", MIB)
    with opened(repository, "a.tmp") as image:
        pwrite(image.connect(), b"x" * 65536, 0)
    path = repository.root / "a.tmp/image"
    patch(path, refcount_block(path), bytes(65536))
    assert check_code(path) == 2
    with pytest.raises(ImageDamaged, match="errors"):
        repository.seal("a.tmp", "a.qcow2")
    assert repository.exists("a.tmp")
    assert not repository.exists("a.qcow2")


def test_what_is_no_image_at_all_is_damaged(repository: DirectoryRepository) -> None:
    (repository.root / "a.tmp").mkdir()
    (repository.root / "a.tmp/image").write_bytes(b"garbage" * 10000)
    with pytest.raises(ImageDamaged):
        repository.seal("a.tmp", "a.qcow2")


def test_discard_removes_image_and_digests_and_can_be_repeated(
    repository: DirectoryRepository,
) -> None:
    create(repository, "f/a.tmp", MIB)
    DigestMap(repository.digest_path("f/a.tmp")).close()
    repository.discard("f/a.tmp")
    assert names(repository.root / "f") == []
    repository.discard("f/a.tmp")
    repository.discard("never/was.qcow2")


def test_what_an_earlier_version_left_unfinished_is_discarded(
    repository: DirectoryRepository,
) -> None:
    """It had the image and its digests as files beside one another."""
    (repository.root / "job.1.qcow2.1.tmp").write_bytes(b"left")
    (repository.root / "job.1.qcow2.1.tmp.digests").write_bytes(b"left")
    assert not repository.exists("job.1.qcow2.1.tmp")
    assert {(it.locator, it.attempt) for it in repository.stored()} == {("job.1.qcow2", 1)}
    repository.discard("job.1.qcow2.1.tmp")
    assert names(repository.root) == [MARKER]


def test_an_empty_place_that_nobody_will_use_is_taken_away_by_the_next_image(
    repository: DirectoryRepository,
) -> None:
    """A worker was paused before it made it, and killed before it asked for its lease."""
    for name in ("old.1.tmp", "young.1.tmp", "full.1.tmp"):
        (repository.root / "f" / name).mkdir(parents=True, mode=0o700)
    (repository.root / "f/full.1.tmp/precious").write_bytes(b"somebody's")
    for name in ("old.1.tmp", "full.1.tmp"):
        os.utime(repository.root / "f" / name, (0, 0))
    create(repository, "f/a.tmp", MIB)
    assert names(repository.root / "f") == ["a.tmp", "full.1.tmp", "young.1.tmp"]


def test_an_empty_place_that_nobody_will_use_is_taken_away_by_a_discard_beside_it(
    repository: DirectoryRepository,
) -> None:
    """No further image may ever be made there: that of a VM that is not replicated any more."""
    for name in ("old.1.tmp", "young.1.tmp", "mine.1.tmp"):
        (repository.root / "f" / name).mkdir(parents=True, mode=0o700)
    os.utime(repository.root / "f/old.1.tmp", (0, 0))
    repository.discard("f/mine.1.tmp")
    assert names(repository.root / "f") == ["young.1.tmp"]
    os.utime(repository.root / "f/young.1.tmp", (0, 0))
    repository.discard("f/mine.qcow2")
    assert names(repository.root / "f") == []


def test_a_worker_whose_clock_is_hours_ahead_takes_away_no_place_that_was_just_made(
    repository: DirectoryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage's own clock says how old a place is."""
    present = time.time
    monkeypatch.setattr(time, "time", lambda: present() + 6 * 3600)
    (repository.root / "f/just-made.1.tmp").mkdir(parents=True, mode=0o700)
    create(repository, "f/a.tmp", MIB)
    assert names(repository.root / "f") == ["a.tmp", "just-made.1.tmp"]


def test_an_empty_place_is_listed_with_what_is_stored(repository: DirectoryRepository) -> None:
    (repository.root / "f/late.qcow2.3.tmp").mkdir(parents=True, mode=0o700)
    (repository.root / "f/someone-elses-folder").mkdir()
    assert [*repository.stored()] == [("f/late.qcow2.3.tmp", "f/late.qcow2", 3)]
