"""Storage that hangs holds up nobody but itself: a share whose server is away, a named pipe in the
marker's place, a file system that is frozen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now

from replication.engine.directory import DirectoryRepository
from replication.engine.errors import RepositoryUnavailable
from replication.errors import RepositoryRefused
from replication.integrity import files
from replication.integrity.findings import Scope
from replication.integrity.look import find
from replication.models import (
    ContextLease,
    DiskImage,
    JobStep,
    RecoveryPoint,
    Repository,
    VMSnapshot,
)
from replication.scheduler import tick
from replication.services import queue, removal, repositories
from replication.states import ImageState, JobStatus, SnapshotState, StepName, StepStatus
from replication.storage import errands, folders, looks
from replication.sync import cleanup, removing
from tests import factories
from tests.web.conftest import facts_are_read_at_once, user, web  # noqa: F401

pytestmark = pytest.mark.django_db

MARKER = "vmrep-repository.json"
SOON = 0.2
LONG = 30.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    monkeypatch.setattr(folders, "ACT_SECONDS", SOON)
    monkeypatch.setattr(looks, "ACT_SECONDS", SOON)


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


def until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waits_for(job) -> str:
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    return str(job.current_operation)


def test_jobs_of_other_repositories_are_claimed_and_jobs_of_this_one_say_why_they_wait(
    share, hanging, tmp_path
):
    waiting = [factories.pending_job(factories.context(keep_in=share)) for _ in range(3)]
    disk = factories.repository("disk", tmp_path / "disk")
    jobs = [factories.pending_job(factories.context(keep_in=disk)) for _ in range(2)]
    assert [queue.claim_next()[0].pk for _ in jobs] == [job.pk for job in jobs]
    assert queue.claim_next() is None
    for job in waiting:
        assert waits_for(job).startswith(f"Waiting for the repository: {tmp_path}/share")


def test_a_job_continues_when_its_repository_answers_again(share, tmp_path, hanging_share):
    job = factories.pending_job(factories.context(keep_in=share))
    with hanging_share(tmp_path / "share"):
        assert queue.claim_next() is None
        before = waits_for(job), job.updated_at
        assert "share does not respond. Check its storage" in before[0]
        assert queue.claim_next() is None
        assert (waits_for(job), job.updated_at) == before  # nothing new for pages to fetch
    until(lambda: (claimed := queue.claim_next()) and claimed[0].pk == job.pk)


def test_a_job_is_not_claimed_where_it_could_not_write(tmp_path, small_ext4):
    """A frozen file system is read as ever; whoever writes there waits, and cannot be killed."""
    frozen = factories.repository("frozen", small_ext4.folder / "r")
    waiting = factories.pending_job(factories.context(keep_in=frozen))
    disk = factories.repository("disk", tmp_path / "disk")
    job = factories.pending_job(factories.context(keep_in=disk))
    with small_ext4.frozen():
        assert looks.look(frozen).problem == ""
        assert queue.claim_next()[0].pk == job.pk
        assert queue.claim_next() is None
        assert "ext4/r can be read, but writing to it hangs" in waits_for(waiting)
    until(lambda: (claimed := queue.claim_next()) and claimed[0].pk == waiting.pk)
    assert [it.name for it in (small_ext4.folder / "r").iterdir()] == [MARKER]


def test_the_tick_completes(share, hanging, monkeypatch):
    factories.pending_job(factories.context(keep_in=share))
    sent = []
    monkeypatch.setattr("replication.messages.send", lambda *message: sent.append(message))
    tick.tick()
    assert ("replication.tasks.run_next_job",) in sent


def test_pages_say_that_the_repository_does_not_respond(share, hanging, web):  # noqa: F811
    context = factories.context(keep_in=share)
    factories.completed_job(context)
    listed = web.get("/repositories/").content.decode()
    assert "Unavailable" in listed
    points = web.get(f"/virtual-machines/?vm={context.pk}&tab=points").content.decode()
    assert "share" in points
    assert "1 not reachable" in web.get("/virtual-machines/").content.decode()


def test_replica_data_is_not_deleted_while_its_files_cannot_be_removed(share, hanging):
    context = factories.context(keep_in=share)
    factories.completed_job(context)
    with pytest.raises(RepositoryUnavailable):
        removal.delete_replica_data(context, confirm_vm_name=context.vm_name, actor="ops")
    assert RecoveryPoint.objects.get().state == "available"
    assert DiskImage.objects.get().state == "committed"


def test_another_repository_can_be_added(share, hanging, tmp_path):
    assert repositories.add_directory("new", str(tmp_path / "new"))


def test_a_folder_on_hanging_storage_cannot_be_added(tmp_path, hanging_share):
    (tmp_path / "share").mkdir()
    with hanging_share(tmp_path / "share"):
        with pytest.raises(RepositoryRefused, match="inside/it does not respond"):
            repositories.add_directory("new", str(tmp_path / "share/inside/it"))
        assert not Repository.objects.exists()


def test_vmrep_does_not_wait_for_each_of_many_hanging_folders(tmp_path, hanging_share):
    (tmp_path / "share").mkdir()
    with hanging_share(tmp_path / "share"):
        for number in range(folders.MOST_THAT_HANG):
            with pytest.raises(RepositoryRefused, match="does not respond"):
                repositories.add_directory("new", str(tmp_path / f"share/{number}"))
        with pytest.raises(RepositoryRefused, match="4 folders that were entered before"):
            repositories.add_directory("new", str(tmp_path / "share/more"))


@pytest.mark.django_db(transaction=True)
def test_an_unused_repository_can_be_removed(share, hanging):
    repositories.remove(share, actor="ops")
    assert not Repository.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_waiting_for_a_folder(tmp_path, monkeypatch):
    open_meanwhile = []
    mark = folders.mark

    def watched(*arguments: object) -> None:
        open_meanwhile.append(connection.in_atomic_block)
        mark(*arguments)

    monkeypatch.setattr(folders, "mark", watched)
    repositories.add_directory("new", str(tmp_path / "new"))
    assert open_meanwhile == [False]


def test_a_folder_that_is_created_too_late_loses_its_marker(small_ext4):
    """What hangs is the making of the folder; it goes on when the file system does."""
    with small_ext4.frozen(), pytest.raises(RepositoryRefused, match="new does not respond"):
        repositories.add_directory("new", str(small_ext4.folder / "new"))
    folder = small_ext4.folder / "new"
    until(lambda: folder.exists() and not errands.count("folder") and not list(folder.iterdir()))
    assert repositories.add_directory("new", str(small_ext4.folder / "new"))


# ------------------------------------------------------------- in workers


@pytest.fixture
def left(share):
    """A context with a file to remove, which is in no recovery point."""
    context = factories.context(keep_in=share)
    removal.delete_replica_data(
        factories.completed_job(context).vm_context, confirm_vm_name=context.vm_name, actor="ops"
    )
    VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=Now())
    return context


@pytest.mark.django_db(transaction=True)
def test_a_clean_up_ends_and_is_repeated_later(share, left, tmp_path, hanging_share, monkeypatch):
    monkeypatch.setattr(removing, "REMOVE_SECONDS", SOON)
    image = DiskImage.objects.get()
    file = tmp_path / "share" / image.locator
    file.parent.mkdir(parents=True)
    file.write_bytes(b"of a disk")
    with hanging_share(tmp_path / "share"):
        for _ in range(2):
            cleanup.clean_context(left.pk)
            step = JobStep.objects.get(name=StepName.CLEAN_UP)
            assert step.status == StepStatus.WARNING
            assert "share does not respond" in step.message
            assert not ContextLease.objects.exists()
            assert DiskImage.objects.get().state == ImageState.DELETING
    until(lambda: cleanup.clean_context(left.pk) or not DiskImage.objects.exists())
    assert not file.exists()
    assert JobStep.objects.get(name=StepName.CLEAN_UP).status == StepStatus.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_a_clean_up_of_another_repository_is_not_delayed(share, left, tmp_path, hanging_share):
    disk = factories.repository("disk", tmp_path / "disk")
    other = factories.context(keep_in=disk)
    factories.completed_job(other)
    removal.delete_replica_data(other, confirm_vm_name=other.vm_name, actor="ops")
    VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=Now())
    with hanging_share(tmp_path / "share"):
        cleanup.clean_context(other.pk)
    assert [it.repository for it in DiskImage.objects.all()] == [share]


def test_the_integrity_check_reports_it_and_continues_with_the_others(share, hanging, tmp_path):
    factories.completed_job(factories.context(keep_in=share))
    disk = factories.repository("disk", tmp_path / "disk")
    factories.completed_job(factories.context(keep_in=disk))
    found = {it.code: it for it in find(Scope()) if "repository" in it.code or "file" in it.code}
    assert set(found) == {"repository_unavailable", "image_file_missing"}
    assert "share was not checked: " in found["repository_unavailable"].what
    assert f"{tmp_path}/disk/" in found["image_file_missing"].what


def test_a_repository_that_hangs_in_the_middle_of_the_check_is_reported(
    share, tmp_path, hanging_share, monkeypatch
):
    """Its images that seemed to be missing before that are not told: it is not known."""
    monkeypatch.setattr(files, "LOOK_SECONDS", SOON)
    for _ in range(3):
        factories.completed_job(factories.context(keep_in=share))
    disk = factories.repository("disk", tmp_path / "disk")
    factories.completed_job(factories.context(keep_in=disk))
    with ExitStack() as stack:
        looked_at = []

        def hang_at_the_second(self: DirectoryRepository, locator: str) -> Path:
            looked_at.append(locator)
            if len(looked_at) == 2:
                stack.enter_context(hanging_share(tmp_path / "share"))
            return path(self, locator)

        path = DirectoryRepository.path
        monkeypatch.setattr(DirectoryRepository, "path", hang_at_the_second)
        found = [it for it in find(Scope()) if "repository" in it.code or "file" in it.code]
    assert sorted(it.code for it in found) == ["image_file_missing", "repository_unavailable"]
    assert "share was not checked completely: " in found[-1].what
