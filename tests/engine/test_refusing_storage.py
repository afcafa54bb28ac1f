"""Storage that refuses, on real mounts: each error has its remedy, and the remedy helps."""

from __future__ import annotations

import errno
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from replication.engine.directory import DirectoryRepository
from replication.engine.errors import (
    REMEDIES,
    ImageMissing,
    RepositoryFull,
    RepositoryUnavailable,
    TargetError,
    target_error,
)
from replication.engine.target import Layer
from tests.engine.support import MIB, create, opened
from tests.mounts import Ext4, RefusingShare, refusing_share, small_ext4  # noqa: F401


def repository_at(folder: Path) -> DirectoryRepository:
    name = str(uuid.uuid4())
    DirectoryRepository.initialise(folder, name)
    return DirectoryRepository(folder, name)


def mount_again(disk: Ext4, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk.folder], check=True)


def test_a_file_system_that_became_read_only_says_so_and_is_mounted_again(
    small_ext4: Ext4,  # noqa: F811
) -> None:
    repository = repository_at(small_ext4.folder / "repository")
    create(repository, "ctx/disk/a.qcow2.tmp", MIB)
    mount_again(small_ext4, "ro")
    try:
        for attempt in (
            lambda: create(repository, "ctx/disk/b.qcow2.tmp", MIB),
            lambda: opened(repository, "ctx/disk/a.qcow2.tmp"),
            lambda: repository.discard("ctx/disk/a.qcow2.tmp"),
            repository.try_writing,
        ):
            with pytest.raises(TargetError, match="mounted read-only") as problem:
                attempt()
            assert "mount -o remount,rw" in str(problem.value)
    finally:
        mount_again(small_ext4, "rw")  # as the remedy says
    create(repository, "ctx/disk/b.qcow2.tmp", MIB)
    repository.discard("ctx/disk/a.qcow2.tmp")


def test_what_qemu_calls_not_permitted_is_read_only_where_it_is(
    small_ext4: Ext4,  # noqa: F811
) -> None:
    """In NBD both have one number."""
    about = ("writing x", errno.EPERM, "Operation not permitted", small_ext4.folder)
    assert REMEDIES[errno.EPERM] in str(target_error(*about))
    mount_again(small_ext4, "ro")
    assert REMEDIES[errno.EROFS] in str(target_error(*about))


@pytest.mark.parametrize(
    ("refused", "kind", "words"),
    [
        (errno.EDQUOT, RepositoryFull, "quota"),
        (errno.ENOSPC, RepositoryFull, "Free space"),
        (errno.EIO, TargetError, "dmesg"),
        (errno.ESTALE, TargetError, "umount -l"),
        (errno.ENOTCONN, TargetError, "umount -l"),
        (errno.EROFS, TargetError, "remount,rw"),
        (errno.EACCES, TargetError, "permission"),
    ],
)
def test_each_refusal_of_a_share_has_its_remedy(
    tmp_path: Path,
    refusing_share,  # noqa: F811
    refused: int,
    kind: type[TargetError],
    words: str,
) -> None:
    repository = repository_at(tmp_path / "repository")
    folder = repository.root / "ctx"
    folder.mkdir(mode=0o700)
    with refusing_share(folder, refused, RefusingShare.CHANGES):
        with pytest.raises(TargetError) as problem:
            create(repository, "ctx/disk/a.qcow2.tmp", MIB)
        assert type(problem.value) is kind
        assert os.strerror(refused) in str(problem.value)
        assert words in str(problem.value)
    create(repository, "ctx/disk/a.qcow2.tmp", MIB)


@pytest.mark.parametrize("refused", [errno.ESTALE, errno.EIO, errno.EACCES])
def test_an_image_that_a_share_does_not_show_is_not_called_missing(
    tmp_path: Path,
    refusing_share,  # noqa: F811
    refused: int,
) -> None:
    """Where only one folder of the repository refuses, so that the marker can be read."""
    repository = repository_at(tmp_path / "repository")
    create(repository, "ctx/disk/a.qcow2.1.tmp", MIB)
    repository.seal("ctx/disk/a.qcow2.1.tmp", "ctx/disk/a.qcow2")
    chain = [Layer("ctx/disk/a.qcow2", MIB)]
    with refusing_share(repository.root / "ctx" / "disk", refused, RefusingShare.LOOKS):
        for look in (
            lambda: repository.exists(chain[0].locator),
            lambda: repository.differences(chain),
            lambda: repository.check_image(chain[0].locator),
            lambda: repository.digest(chain[0].locator),
            lambda: repository.sample_digests(chain[0].locator, 1),
            lambda: repository.open_readonly(chain),
            lambda: repository.seal("ctx/disk/a.qcow2.1.tmp", chain[0].locator),
            lambda: repository.still_stored([chain[0].locator]),
            lambda: repository.discard(chain[0].locator),
        ):
            with pytest.raises(TargetError) as problem:
                look()
            assert not isinstance(problem.value, ImageMissing)
            assert REMEDIES[refused] in str(problem.value)
    assert repository.differences(chain) == []


@pytest.mark.parametrize("refused", [errno.ESTALE, errno.EIO, errno.ENOTCONN])
def test_a_marker_that_cannot_be_read_says_what_helps(
    tmp_path: Path,
    refusing_share,  # noqa: F811
    refused: int,
) -> None:
    """A share that is mounted again is the repository again."""
    repository = repository_at(tmp_path / "repository")
    with refusing_share(repository.root, refused, RefusingShare.LOOKS):
        with pytest.raises(RepositoryUnavailable) as problem:
            repository.check()
        assert REMEDIES[refused] in str(problem.value)
    repository.check()
