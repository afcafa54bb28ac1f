"""A repository that is full, away or hanging, and one that lost an image."""

import os
import resource
import shutil
import signal
import threading
import time

import pytest

from replication.models import DiskImage, RecoveryPoint, ReplicationJob
from replication.services import cancel, start
from replication.states import JobStatus
from replication.sync import cleanup, runner, transfer
from tests.sync.estate import MIB, try_again, work


def test_a_full_repository_fails_the_job_with_the_remedy(estate, ready, monkeypatch):
    """The daemon's file size limit stands in for the full disk: the same error from the kernel.

    This process has it, too: it must leave room for an SQLite database with its log.
    """
    first = RecoveryPoint.objects.get()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    spawn = runner.transfer

    def transfer_with_little_room(attempt):
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 * MIB, hard))
        try:
            return spawn(attempt)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    monkeypatch.setattr(runner, "transfer", transfer_with_little_room)
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "room" in job.error_message
    monkeypatch.undo()
    estate.assert_equal_to_snapshot(first)
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)


def test_a_repository_that_vanishes_in_between_is_waited_for(estate, ready, monkeypatch):
    away = estate.repository_folder.with_name("away")
    verify = runner.verify

    def unmount_and_verify(attempt, disks):
        estate.repository_folder.rename(away)
        verify(attempt, disks)

    monkeypatch.setattr(runner, "verify", unmount_and_verify)
    job = estate.run_job(ready)
    monkeypatch.undo()
    assert job.status == JobStatus.PENDING
    assert "mounted" in job.error_message
    ReplicationJob.objects.update(next_attempt_at=None)
    assert runner.run_next() is None
    away.rename(estate.repository_folder)
    job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)


def test_a_lost_parent_image_is_named_and_the_disk_copied_into_a_new_chain(estate, ready):
    """By the same attempt: it looks before it begins anything."""
    (image,) = DiskImage.objects.all()
    shutil.move(estate.repository_folder / image.locator, estate.repository_folder.parent)
    job = estate.run_job(ready)
    assert (job.status, job.replication_type) == (JobStatus.COMPLETED, "initial")
    assert image.locator in job.images.get().plan_note
    estate.assert_equal_to_snapshot(job.recovery_point)
    image.recovery_point.refresh_from_db()
    assert image.locator in image.recovery_point.damage


@pytest.mark.usefixtures("no_sample")
def test_a_cancel_is_honoured_while_the_storage_hangs(estate, ready, monkeypatch):
    monkeypatch.setattr(transfer, "STOP_SECONDS", 1.0)
    estate.control.delay("GET /folder", 0.5)
    job = start.start(ready, trigger="manual", requested_by="ops")
    worker = threading.Thread(target=work)
    worker.start()
    while not DiskImage.objects.filter(job=job, writer_pid__isnull=False).exists():
        assert worker.is_alive()
        time.sleep(0.02)
    os.kill(estate.daemons()[0], signal.SIGSTOP)
    time.sleep(1)  # the copy's next write waits for the daemon
    cancel.cancel(job, actor="ann")
    worker.join(60)
    assert not worker.is_alive()
    assert estate.daemons() == []
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    estate.control.clear_faults()
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)
