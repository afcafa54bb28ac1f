"""What vmrep makes is nobody else's to read, whatever the umask of who starts it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from vmrep.local.errors import LocalError
from vmrep.local.folder import DataFolder
from vmrep.private import NotPrivate, make_private_files, make_private_folder

PROJECT = Path(__file__).resolve().parents[2]


def open_to_others(folder: Path) -> list[str]:
    """All below that group or others may do anything with."""
    return sorted(
        f"{stat.filemode(path.lstat().st_mode)} {path}"
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    )


def manage(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """manage.py, as a shell with the usual umask starts it."""
    own = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, PROJECT / "manage.py", *arguments],
        env=own | {"VMREP_DATA_DIR": str(data)} | more,
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )


def test_a_new_installation_is_its_accounts_alone(tmp_path):
    data = tmp_path / "data"
    result = manage(data, "migrate", "contenttypes")  # the others make no more files
    assert result.returncode == 0, result.stderr
    assert (data / "vmrep.sqlite3").exists()
    assert open_to_others(data) == []


@pytest.mark.slow
def test_one_that_was_open_is_closed_at_the_next_start(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)  # this process's umask is vmrep's
    for name in ("vmrep.sqlite3", "vmrep.sqlite3-wal", "secret_key", "field_keys"):
        (data / name).touch()
        (data / name).chmod(0o644)
    (data / "secret_key").write_text("x" * 50)
    result = manage(data, "check")
    assert result.returncode == 0, result.stderr
    assert open_to_others(data) == []


@pytest.mark.parametrize("name", ["beat-schedule", "beat-schedule.db", "vmrep.sqlite3-wal"])
def test_whatever_vmrep_leaves_there_shows_that_the_folder_is_its_own(tmp_path, name):
    """With PostgreSQL and keys from the environment, beat's schedule is all that there is."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    (data / name).touch()
    make_private_folder(data)
    assert data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["log", "lab", "redis", "repository"])
def test_a_name_that_others_use_too_does_not_make_the_folder_vmreps(tmp_path, name):
    """`VMREP_DATA_DIR=/var` must not shut everybody else out of /var."""
    shared = tmp_path / "var"
    (shared / name).mkdir(parents=True)
    shared.chmod(0o755)
    with pytest.raises(NotPrivate):
        make_private_folder(shared)


@pytest.mark.slow
def test_a_database_elsewhere_is_closed_too(tmp_path):
    database = tmp_path / "elsewhere" / "vmrep.sqlite3"
    database.parent.mkdir()
    database.parent.chmod(0o755)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version=1")
    database.chmod(0o644)
    result = manage(tmp_path / "data", "check", DATABASE_URL=f"sqlite:///{database}")
    assert result.returncode == 0, result.stderr
    assert open_to_others(database.parent) == [f"drwxr-xr-x {database.parent}"]


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_folder_that_is_not_vmreps_alone_is_refused_and_left(tmp_path, mode):
    """`VMREP_DATA_DIR=/srv` must not shut everybody else out of /srv."""
    shared = tmp_path / "srv"
    shared.mkdir()
    (shared / "of others").touch()
    (shared / "of others").chmod(0o644)
    shared.chmod(mode)
    with pytest.raises(NotPrivate, match="VMREP_DATA_DIR"):
        make_private_folder(shared)
    assert shared.stat().st_mode & 0o777 == mode
    assert (shared / "of others").stat().st_mode & 0o777 == 0o644
    with pytest.raises(LocalError, match="chmod 700"):
        DataFolder(shared)


def test_what_everybody_may_write_to_is_refused_even_when_it_looks_like_vmreps(tmp_path):
    planted = tmp_path / "data"
    planted.mkdir()
    (planted / "secret_key").write_text("known to whoever put it here")
    planted.chmod(0o1777)
    with pytest.raises(NotPrivate):
        make_private_folder(planted)


def test_what_belongs_to_another_account_is_said_with_what_to_do(tmp_path, monkeypatch):
    theirs = tmp_path / "vmrep.sqlite3"
    theirs.touch()
    theirs.chmod(0o644)

    def refused(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    with pytest.raises(NotPrivate, match="chmod 600"):
        make_private_files(theirs)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another account")
@pytest.mark.parametrize("whose", ["folder", "file"])
def test_what_belongs_to_another_account_is_not_used(tmp_path, whose):
    """Who owns a folder reads and replaces what is in it, and changes its mode at will."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    file = folder / "vmrep.sqlite3"
    file.touch(mode=0o600)
    asked = folder if whose == "folder" else file
    os.chown(asked, 12345, 12345)
    make_private = make_private_folder if whose == "folder" else make_private_files
    with pytest.raises(NotPrivate, match=r"12345.*chown"):
        make_private(asked)
