"""A worker that stands still (SIGSTOP, hanging storage, a lost network) while another goes on.

When it awakes it must do no harm: not to the recovery point that the other one made, and nothing
that nobody would ever find.
"""

import threading

import pytest
from django.db import connection
from django.db.models.functions import Now

from contexts.vsphere import snapshots
from contexts.vsphere.errors import ConnectionLost
from replication.engine.directory import DirectoryRepository
from replication.models import DiskImage, ReplicationJob, VMSnapshot
from replication.services import finish, left_overs, start
from replication.states import ImageState, JobStatus, SnapshotState
from replication.storage import errands
from replication.sync import cleanup, images, runner
from tests.sync.estate import MIB, Estate


def _another_worker_takes_over(estate: Estate) -> None:
    """40 seconds pass; the tick takes the job back, and another worker runs it to its end."""
    estate.take_over()
    ReplicationJob.objects.update(next_attempt_at=None)
    worker = threading.Thread(target=_work)
    worker.start()
    worker.join()


def _work() -> None:
    runner.run_next()
    connection.close()


def test_a_worker_paused_before_it_removes_a_file_cannot_remove_a_committed_one(
    estate, monkeypatch, small1
):
    estate.control.fill("small1", 2000, 4 * MIB, 24 * MIB, seed=1)
    job = start.start(small1, trigger="manual", requested_by="ops")
    estate.worker_that_dies("between seal and commit")  # the file has its final name
    estate.take_over()
    discard = DirectoryRepository.discard

    removed = threading.Event()

    def pause_and_discard(self, locator):
        if not locator.endswith(".qcow2"):
            return discard(self, locator)
        monkeypatch.setattr(DirectoryRepository, "discard", discard)
        # The other worker is another process, which knows nothing of this one's errands.
        with errands._lock:  # this one is on the list by now
            monkeypatch.setattr(errands, "_under_way", {})
        _another_worker_takes_over(estate)
        discard(self, locator)
        removed.set()

    monkeypatch.setattr(DirectoryRepository, "discard", pause_and_discard)
    runner.run_next()  # it hears meanwhile that its lease is lost, and leaves the removal behind
    assert removed.wait(60)

    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 3)
    assert DirectoryRepository.discard is discard  # it was paused
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(small1)


def test_a_paused_worker_cannot_give_up_a_file_that_another_goes_on_with(estate, monkeypatch):
    context = estate.take("small1")
    estate.control.fail("GET /folder", nth=4, fault="503", times=1000)
    job = estate.run_job(context)
    estate.control.clear_faults()
    image = DiskImage.objects.get(job=job, state=ImageState.WRITING)
    # This worker finds that it cannot go on with it (its plan is another one); the other can.
    can_resume = images._can_resume

    def pause_and_refuse(run, plan, found):
        monkeypatch.setattr(images, "_can_resume", can_resume)
        _another_worker_takes_over(estate)
        return False

    monkeypatch.setattr(images, "_can_resume", pause_and_refuse)
    ReplicationJob.objects.update(next_attempt_at=None)
    runner.run_next()

    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 3)
    assert job.recovery_point.images.get() == image
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)


@pytest.mark.slow
def test_a_snapshot_that_a_paused_worker_makes_too_late_is_removed(estate, monkeypatch, small1):
    job = start.start(small1, trigger="manual", requested_by="ops")
    create = snapshots.create

    def pause_and_create(*args, **kwargs):
        monkeypatch.setattr(snapshots, "create", create)
        _another_worker_takes_over(estate)
        return create(*args, **kwargs)

    monkeypatch.setattr(snapshots, "create", pause_and_create)
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED
    (vm,) = [vm for vm in estate.control.list_vms() if vm["snapshots"]]
    assert vm["name"] == "small1"

    VMSnapshot.objects.update(updated_at=Now() - left_overs.CLEAN_AGAIN_AFTER)
    for context_id in left_overs.contexts_to_clean():
        cleanup.clean_context(context_id)
    estate.assert_nothing_left_over(small1)


@pytest.mark.slow
def test_a_snapshot_that_never_comes_hinders_no_job_and_is_forgotten(estate, monkeypatch, small1):
    job = start.start(small1, trigger="manual", requested_by="ops")

    def lost(*args, **kwargs):
        raise ConnectionLost("Creating the snapshot: no answer in time.")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "create", lost)
        for _ in range(finish.MAX_ATTEMPTS):
            ReplicationJob.objects.update(next_attempt_at=None)
            assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    cleanup.clean_context(small1.pk)
    asked_for = set(VMSnapshot.objects.filter(job=job, state=SnapshotState.INTENDED))
    assert len(asked_for) == job.attempt

    assert estate.run_job(small1).status == JobStatus.COMPLETED
    assert set(VMSnapshot.objects.exclude(state=SnapshotState.REMOVED)) == asked_for
    estate.minutes_later()
    assert left_overs.contexts_to_clean() == [small1.pk]
    cleanup.clean_context(small1.pk)
    estate.assert_nothing_left_over(small1)
