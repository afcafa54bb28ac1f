"""Storage that hangs holds up nobody but itself: a share whose server is away, a named pipe in the
marker's place, a file system that is frozen."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection

from replication.engine.errors import RepositoryUnavailable
from replication.errors import RepositoryRefused
from replication.models import DiskImage, RecoveryPoint, Repository
from replication.scheduler import tick
from replication.services import queue, removal, repositories
from replication.states import JobStatus
from replication.storage import folders, looks
from tests import factories
from tests.web.conftest import facts_are_read_at_once, user, web  # noqa: F401

pytestmark = pytest.mark.django_db

MARKER = "vmrep-repository.json"
SOON = 0.2
LONG = 30.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    for module in (looks, queue, folders):
        monkeypatch.setattr(module, "ACT_SECONDS", SOON)


@pytest.fixture
def share(tmp_path):
    return factories.repository("share", tmp_path / "share")


@pytest.fixture(params=["the server is away", "a pipe for a marker"])
def hanging(share, request):
    """The repository `share`, which cannot be used now."""
    folder = Path(share.config["path"])
    with ExitStack() as stack:
        if request.param == "a pipe for a marker":
            (folder / MARKER).unlink()
            os.mkfifo(folder / MARKER)
        else:
            stack.enter_context(request.getfixturevalue("hanging_share")(folder))
        yield share


def waits_for(job) -> str:
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    return str(job.current_operation)


def test_jobs_of_other_repositories_are_claimed_and_those_of_this_one_say_why_not(
    share, hanging, tmp_path
):
    waiting = [factories.pending_job(factories.context(keep_in=share)) for _ in range(3)]
    disk = factories.repository("disk", tmp_path / "disk")
    jobs = [factories.pending_job(factories.context(keep_in=disk)) for _ in range(2)]
    assert [queue.claim_next()[0].pk for _ in jobs] == [job.pk for job in jobs]
    assert queue.claim_next() is None
    for job in waiting:
        assert waits_for(job).startswith(f"Waiting for the repository: {tmp_path}/share")


def test_a_job_goes_on_when_its_repository_answers_again(share, tmp_path, hanging_share):
    job = factories.pending_job(factories.context(keep_in=share))
    with hanging_share(tmp_path / "share"):
        assert queue.claim_next() is None
        before = waits_for(job), job.updated_at
        assert "share does not answer. Is its storage hanging" in before[0]
        assert queue.claim_next() is None
        assert (waits_for(job), job.updated_at) == before  # nothing new for pages to fetch
    deadline = time.monotonic() + LONG
    while (claimed := queue.claim_next()) is None:
        assert time.monotonic() < deadline
    assert claimed[0].pk == job.pk


def test_the_tick_goes_round(share, hanging, monkeypatch):
    factories.pending_job(factories.context(keep_in=share))
    sent = []
    monkeypatch.setattr("replication.messages.send", lambda *message: sent.append(message))
    tick.tick()
    assert ("replication.tasks.run_next_job",) in sent


def test_pages_say_that_it_cannot_be_used(share, hanging, web):  # noqa: F811
    context = factories.context(keep_in=share)
    factories.completed_job(context)
    listed = web.get("/repositories/").content.decode()
    assert "Unavailable" in listed
    points = web.get(f"/virtual-machines/?vm={context.pk}&tab=points").content.decode()
    assert "share" in points
    assert "1 not reachable" in web.get("/virtual-machines/").content.decode()


def test_replica_data_is_not_deleted_where_it_could_not_be_removed(share, hanging):
    context = factories.context(keep_in=share)
    factories.completed_job(context)
    with pytest.raises(RepositoryUnavailable):
        removal.delete_replica_data(context, confirm_vm_name=context.vm_name, actor="ops")
    assert RecoveryPoint.objects.get().state == "available"
    assert DiskImage.objects.get().state == "committed"


def test_a_repository_beside_it_can_be_added(share, hanging, tmp_path):
    assert repositories.add_directory("new", str(tmp_path / "new"))


def test_a_folder_on_it_cannot_be_added(tmp_path, hanging_share):
    (tmp_path / "share").mkdir()
    with hanging_share(tmp_path / "share"):
        with pytest.raises(RepositoryRefused, match="inside/it does not answer"):
            repositories.add_directory("new", str(tmp_path / "share/inside/it"))
        assert not Repository.objects.exists()


def test_many_folders_that_hang_are_not_all_waited_for(tmp_path, hanging_share):
    (tmp_path / "share").mkdir()
    with hanging_share(tmp_path / "share"):
        for number in range(folders.MOST_THAT_HANG):
            with pytest.raises(RepositoryRefused, match="does not answer"):
                repositories.add_directory("new", str(tmp_path / f"share/{number}"))
        with pytest.raises(RepositoryRefused, match="4 folders that were named before"):
            repositories.add_directory("new", str(tmp_path / "share/more"))


@pytest.mark.django_db(transaction=True)
def test_an_unused_one_can_be_removed(share, hanging):
    repositories.remove(share)
    assert not Repository.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_folder_is_waited_for(tmp_path, monkeypatch):
    open_meanwhile = []
    mark = folders.mark

    def watched(*arguments: object) -> None:
        open_meanwhile.append(connection.in_atomic_block)
        mark(*arguments)

    monkeypatch.setattr(folders, "mark", watched)
    repositories.add_directory("new", str(tmp_path / "new"))
    assert open_meanwhile == [False]


def test_a_folder_that_is_made_too_late_is_not_left_marked(small_ext4):
    """What hangs is the making of the folder; it goes on when the file system does."""
    with small_ext4.frozen(), pytest.raises(RepositoryRefused, match="new does not answer"):
        repositories.add_directory("new", str(small_ext4.folder / "new"))
    deadline = time.monotonic() + LONG
    while not (small_ext4.folder / "new").exists() or list((small_ext4.folder / "new").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert repositories.add_directory("new", str(small_ext4.folder / "new"))
