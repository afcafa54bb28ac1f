"""A VM that is moved to another repository is copied in full there; what it left goes as before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from contexts.services import management
from replication.engine.errors import TargetError
from replication.errors import PreflightRefused, RepositoryInUse
from replication.models import CBTHistory, DiskImage, PointRemoval, RecoveryPoint, Repository
from replication.retention import run as retention_run
from replication.retention import services as retention
from replication.services import moving, repositories
from replication.services.left_overs import contexts_to_clean
from replication.states import RemovalState
from replication.sync import cleanup, plan, runner
from tests.sync.estate import MIB


@pytest.fixture
def there(estate, tmp_path) -> Repository:
    return repositories.add_directory("there", str(tmp_path / "there"))


def replicated(estate, context, repository, seed):
    estate.control.fill(context.vm_name, 2000, 4 * MIB, 2 * MIB, seed=seed)
    job = estate.run_job(context)
    assert job.status == "completed", job.error_message
    assert job.repository == repository
    for point in RecoveryPoint.objects.filter(state="available"):
        estate.assert_equal_to_snapshot(point)
    return job, job.recovery_point.images.get()


def test_a_moved_vm_begins_a_chain_there_and_goes_on_with_its_old_one_when_it_comes_back(
    estate, small1, there
):
    here = estate.repository
    assert moving.move(small1, there, actor="ops")
    assert not moving.move(small1, there, actor="ops")
    assert "moves from here to repository there" in small1.events.order_by("-pk")[0].why

    first, root = replicated(estate, small1, there, seed=1)
    assert (first.replication_type, root.parent) == ("initial", None)
    second, overlay = replicated(estate, small1, there, seed=2)
    assert (second.replication_type, overlay.parent) == ("incremental", root)

    old = DiskImage.objects.get(repository=here)
    moving.move(small1, here, actor="ops")
    back, newest = replicated(estate, small1, here, seed=3)
    assert (back.replication_type, newest.parent) == ("checksum", old)
    assert replicated(estate, small1, here, seed=4)[0].replication_type == "incremental"


@pytest.mark.slow
def test_what_spoke_against_tracking_still_does_where_nobody_compared(
    estate, small1, there, monkeypatch
):
    """Tracking loses writes, which the next replication here notices, but does not end. The copy
    there has them; the last one here has not, and tracking will never name them."""
    estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=1)
    estate.replicate(small1)
    estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=2)
    estate.control.lie_about_changes("small1", 2000, "nothing")
    with monkeypatch.context() as patched:
        patched.setattr(runner, "verify", refuse_it)
        assert estate.run_job(small1).status == "failed"
    assert "Change tracking is wrong" in small1.disks.get().tracking_doubt

    moving.move(small1, there, actor="ops")
    estate.control.lie_about_changes("small1", 2000)
    assert replicated(estate, small1, there, seed=3)[0].replication_type == "initial"
    assert small1.disks.get().tracking_doubt == ""

    moving.move(small1, estate.repository, actor="ops")
    estate.control.lie_about_changes("small1", 2000, "nothing")
    monkeypatch.setattr(plan, "what_tracking_missed", lambda *_: "")  # as it may
    job = estate.run_job(small1)
    assert job.status == "completed", job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    assert "read whole for a later recovery point" in CBTHistory.objects.get(job=job).note


def refuse_it(*_: object) -> None:
    raise PreflightRefused("Not now.")


@pytest.mark.slow
def test_a_removal_that_cannot_end_in_a_repository_that_is_away_holds_up_no_job_elsewhere(
    estate, small1, there, monkeypatch
):
    replicated(estate, small1, estate.repository, seed=1)
    replicated(estate, small1, estate.repository, seed=2)
    middle = RecoveryPoint.objects.order_by("pk")[1]

    def refuse(*_):
        raise TargetError("the share is gone")

    with monkeypatch.context() as patched:
        patched.setattr("replication.engine.directory.DirectoryRepository.take_name", refuse)
        retention.delete(middle, actor="ops")
        retention_run.run_next()
    assert PointRemoval.objects.get().state == RemovalState.UNDER_WAY
    estate.repository_folder.rename(estate.repository_folder.with_name("away"))

    moving.move(small1, there, actor="ops")
    estate.control.fill(small1.vm_name, 2000, 4 * MIB, MIB, seed=3)
    job = estate.run_job(small1)
    assert job.status == "completed", job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)

    estate.repository_folder.with_name("away").rename(estate.repository_folder)
    PointRemoval.objects.update(next_attempt_at=None)
    retention_run.run_next()
    assert PointRemoval.objects.get().state == RemovalState.DONE
    for point in RecoveryPoint.objects.filter(state="available"):
        estate.assert_equal_to_snapshot(point)


def test_a_repository_goes_when_nothing_is_kept_there_any_more(estate, small1, there):
    here = estate.repository
    with pytest.raises(RepositoryInUse) as refused:
        repositories.remove(here, actor="ops")
    assert "1 VM is kept there. Move each to another repository" in str(refused.value)
    assert "1 recovery point is there. Delete them" in str(refused.value)

    moving.move(small1, there, actor="ops")
    asked = retention.delete_all_in(small1, here, actor="ops")
    assert asked.going == 0
    assert list(asked.staying.values()) == [1]  # it is the only one of all
    replicated(estate, small1, there, seed=1)
    assert retention.delete_all_in(small1, here, actor="ops") == (1, {})
    retention_run.run_next()
    for context_id in contexts_to_clean():
        cleanup.clean_context(context_id)
    repositories.remove(here, actor="ops")

    assert list(Repository.objects.all()) == [there]
    assert not (Path(here.config["path"]) / "vmrep-repository.json").exists()
    former = RecoveryPoint.objects.get(state="expired")
    assert former.repository.name == "here"  # history stays
    assert former.job.repository.removed_by == "ops"
    again = repositories.add_directory("here", here.config["path"])  # name and folder are free
    with pytest.raises(IntegrityError), transaction.atomic():
        type(small1).objects.filter(pk=small1.pk).update(repository=here)
    moving.move(small1, again, actor="ops")
    job, image = replicated(estate, small1, again, seed=4)
    assert (job.replication_type, image.parent) == ("initial", None)


def test_a_vm_outside_of_management_loses_a_removed_repository_and_gets_the_next_one(
    estate, small1, there
):
    moving.move(small1, there, actor="ops")
    management.release(small1, actor="ops")
    assert repositories.remove(there, actor="ops") == 1
    small1.refresh_from_db()
    assert small1.repository is None
    assert "its repository there was removed" in small1.events.order_by("-pk")[0].why
    assert estate.take("small1").repository == estate.repository
    shutil.rmtree(there.config["path"])
