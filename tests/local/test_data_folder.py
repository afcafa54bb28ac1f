"""The demo's data folder and port: whose they are, and what starting over may remove."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from vmrep.local.errors import LocalError
from vmrep.local.folder import DataFolder, database_of
from vmrep.local.ports import listen


def test_a_second_demo_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    held = DataFolder(tmp_path)
    with pytest.raises(LocalError, match="is already running"):
        DataFolder(held.path)


def test_what_a_demo_keeps_is_chosen_once(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.is_new
    chosen = folder.remembered("")
    assert not folder.is_new
    assert folder.remembered("") == chosen


def test_starting_over_removes_what_vmrep_made_and_nothing_else(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.remembered("")
    for name in ("vmrep.sqlite3", "vmrep.sqlite3-wal", "secret_key", "notes.txt"):
        (tmp_path / name).write_text("x")
    for name in ("repository", "my-disks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "disk.qcow2").write_text("x")
    folder.start_over()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "demo.lock",
        "my-disks",
        "notes.txt",
    ]
    assert folder.is_new


def test_starting_over_does_not_follow_links(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "disk.qcow2").write_text("x")
    folder = DataFolder(tmp_path / "var")
    folder.remembered("")
    folder.repository.symlink_to(elsewhere)
    folder.start_over()
    assert not folder.repository.is_symlink()
    assert (elsewhere / "disk.qcow2").exists()


def test_starting_over_leaves_a_folder_alone_that_no_demo_used(tmp_path: Path) -> None:
    (tmp_path / "vmrep.sqlite3").write_text("an installation's")
    assert DataFolder(tmp_path).start_over() is None
    assert (tmp_path / "vmrep.sqlite3").exists()


def test_starting_over_leaves_a_folder_alone_whose_marker_is_not_vmreps(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text('{"scenes": 4}')
    (tmp_path / "log").mkdir()
    with pytest.raises(LocalError, match="was not written by vmrep"):
        DataFolder(tmp_path).start_over()
    assert (tmp_path / "log").exists()


def test_redis_listens_in_the_folder_unless_the_path_is_too_long_for_a_socket(
    tmp_path: Path,
) -> None:
    assert DataFolder(tmp_path).redis_socket() == tmp_path / "redis" / "redis.sock"
    deep = DataFolder(tmp_path / ("d" * 100))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(deep.redis_socket()))
    assert deep.redis_socket() == deep.redis_socket()


def test_a_taken_port_is_refused_with_a_way_out() -> None:
    with listen(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(LocalError, match=f"port {port} on 127.0.0.1 is taken.*--port"):
            listen(port)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (None, ""),
        ("", ""),
        ("postgres://vmrep:secret@db:5432/vmrep", "postgres://db:5432/vmrep?"),
        ("sqlite:////srv/vmrep.sqlite3", "sqlite:////srv/vmrep.sqlite3?"),
    ],
)
def test_a_database_is_remembered_without_its_password(url: str | None, name: str) -> None:
    assert database_of(url) == name
