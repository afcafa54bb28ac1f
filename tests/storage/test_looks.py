"""Is a repository there, and how full is it: real folders, and a share that hangs."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from replication.engine.directory import DirectoryRepository
from replication.engine.errors import RepositoryUnavailable
from replication.errors import RepositoryRefused
from replication.models import Repository
from replication.services import repositories
from replication.storage import looks
from tests import factories

pytestmark = pytest.mark.django_db

SOON = 0.2
LONG = 30.0


def errand_threads() -> int:
    return sum(thread.name == "errand" for thread in threading.enumerate())


def test_an_available_repository_has_room_and_no_problem(tmp_path):
    state = looks.look(factories.repository("here", tmp_path / "here"))
    assert state.problem == ""
    assert 0 < state.room.free_bytes <= state.room.total_bytes


def test_a_hanging_share_is_asked_once(tmp_path, hanging_share, monkeypatch):
    monkeypatch.setattr(looks, "ACT_SECONDS", SOON)
    monkeypatch.setattr(looks, "LONGEST_KEPT_SECONDS", 0)
    repository = factories.repository("share", tmp_path / "share")
    before = errand_threads()
    with hanging_share(tmp_path / "share"):
        for _ in range(5):
            state = looks.look(repository, seconds=SOON)
            assert state.problem.startswith(f"{tmp_path / 'share'} does not respond.")
            assert state.room is None
        assert errand_threads() == before + 1
        with pytest.raises(RepositoryUnavailable, match="does not respond"):
            looks.require([repository])
    looks.look(repository, seconds=LONG)  # it may still be the one that was left behind
    assert looks.look(repository, seconds=LONG).problem == ""


def test_one_hanging_repository_does_not_affect_the_others(tmp_path, hanging_share):
    share = factories.repository("share", tmp_path / "share")
    disk = factories.repository("disk", tmp_path / "disk")
    with hanging_share(tmp_path / "share"):
        first, second, third = looks.look_at_all([share, disk, share], seconds=SOON)
    assert (first.room, third.room, second.problem) == (None, None, "")


def test_a_late_answer_is_used_the_next_time(tmp_path, monkeypatch):
    """Nobody's patience lasts as long as this storage takes."""
    repository = factories.repository("slow", tmp_path / "slow")
    room, door = DirectoryRepository.room, threading.Event()
    monkeypatch.setattr(DirectoryRepository, "room", lambda it: door.wait() and room(it))
    assert "does not respond" in looks.look(repository, seconds=SOON).problem
    (errand,) = (it for it in looks._asked.values() if not it.is_over)  # this test's own
    errand.began_at -= 100
    door.set()
    assert errand.wait(LONG)
    door.clear()
    assert looks.look(repository, seconds=SOON).problem == ""
    errand.ended_at -= looks.LONGEST_KEPT_SECONDS
    assert "does not respond" in looks.look(repository, seconds=SOON).problem
    door.set()


def test_a_problem_is_seen_at_once_whatever_age_an_answer_may_have(tmp_path):
    repository = factories.repository("share", tmp_path / "share")
    for _ in range(2):
        assert looks.look(repository).problem == ""
        shutil.move(tmp_path / "share", tmp_path / "away")
        assert "is missing" in looks.look(repository).problem
        shutil.move(tmp_path / "away", tmp_path / "share")


def test_a_good_answer_is_kept_as_long_as_allowed(tmp_path):
    repository = factories.repository("share", tmp_path / "share")
    first = looks.look_at_all([repository], max_age=100)
    (tmp_path / "share/vmrep-repository.json").rename(tmp_path / "marker")
    assert looks.look_at_all([repository], max_age=100) == first
    assert looks.look(repository).problem
    (tmp_path / "marker").rename(tmp_path / "share/vmrep-repository.json")
    assert looks.look_at_all([repository], max_age=100)[0].problem == ""


@pytest.mark.parametrize("config", [{}, {"path": ""}, {"path": "/a\0b"}, {"path": 7}, [], None])
def test_a_row_that_names_no_folder_says_so(config):
    repository = Repository(name="odd", config=config)
    assert (
        looks.look(repository).problem
        == "The row of the repository odd names no folder. Correct its config."
    )


def loop(folder: Path) -> None:
    folder.symlink_to(folder)


@pytest.mark.parametrize("put", [loop, os.mkfifo, Path.touch])
def test_a_path_that_is_no_folder_is_reported_and_does_not_affect_the_others(tmp_path, put):
    odd, fine = (factories.repository(name, tmp_path / name) for name in ("odd", "fine"))
    (tmp_path / "odd").rename(tmp_path / "moved")
    put(tmp_path / "odd")
    told, room = looks.try_writing_to_all([odd, fine])
    assert "odd" in told.problem
    assert room.problem == ""
    with pytest.raises(RepositoryUnavailable):
        DirectoryRepository(tmp_path / "odd", str(odd.uuid)).path("a.qcow2")
    with pytest.raises(RepositoryRefused):
        repositories.add_directory("another", str(tmp_path / "odd"))
