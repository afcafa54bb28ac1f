"""What goes wrong outside of vmrep: clear words, the last recovery point intact, nothing left."""

import os
import resource
import shutil
import signal
import socket
import threading
import time
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.models.functions import Now

from contexts import crypto
from contexts.clock import database_now
from contexts.models import ContextEvent, VCenter
from contexts.services import vcenters
from contexts.states import ContextStatus
from contexts.vsphere import snapshots
from contexts.vsphere.errors import ObjectGone
from contexts.vsphere.session import Session
from replication import tasks
from replication.errors import TryAgain
from replication.models import ContextLease, DiskImage, RecoveryPoint, ReplicationJob, VMSnapshot
from replication.services import cancel, left_overs, start
from replication.states import JobStatus, SnapshotState, StepStatus
from replication.sync import cleanup, guard, images, removing, runner, snapshot, transfer
from tests.sync.estate import MIB


@pytest.fixture
def ready(estate):
    """A VM with one recovery point and 24 MiB changed since."""
    context = estate.take("small1")
    estate.replicate(context)
    estate.control.fill("small1", 2000, 4 * MIB, 24 * MIB, seed=1)
    return context


def _try_again(job: ReplicationJob) -> ReplicationJob:
    ReplicationJob.objects.filter(pk=job.pk).update(next_attempt_at=None)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    "method",
    [
        "RetrievePropertiesEx",
        "CreateSnapshot_Task",
        "QueryChangedDiskAreas",
        "WaitForUpdatesEx",
    ],
)
def test_a_connection_that_breaks_costs_an_attempt_at_most(estate, ready, method):
    estate.control.drop_connection(method, times=3)
    job = estate.run_job(ready)
    estate.control.clear_faults()
    while job.status == JobStatus.PENDING:
        assert job.error_message
        job = _try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert job.bytes_transferred == 24 * MIB
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.minutes_later()
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)


def test_dropped_downloads_are_read_again(estate, ready):
    estate.control.drop_connection("GET /folder", nth=3, times=2)
    estate.replicate(ready)


def test_a_source_that_goes_away_returns_the_job_to_wait_with_its_image(estate, ready):
    estate.control.fail("GET /folder", nth=4, fault="503", times=1000)
    job = estate.run_job(ready)
    assert (job.status, job.attempt) == (JobStatus.PENDING, 2)
    assert "503" in job.error_message
    assert job.next_attempt_at is not None
    assert ready.current_status == ContextStatus.REPLICATING
    assert VMSnapshot.objects.get(job=job).state == "created"
    estate.control.clear_faults()
    job = _try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(ready)


def test_a_disk_that_leaves_between_two_attempts_leaves_no_file(estate, monkeypatch):
    context = estate.take("small2")

    def break_off(copies):
        raise TryAgain("The connection broke.")  # while both disks are open

    with monkeypatch.context() as patch:
        patch.setattr(transfer._Transfer, "_wait", break_off)
        job = estate.run_job(context)
    assert DiskImage.objects.filter(state="writing").count() == 2
    estate.remove_disk(context, 2001)
    job = _try_again(job)
    assert job.status == JobStatus.PENDING  # its snapshot still has the disk: a new one is taken
    job = _try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert job.recovery_point.disk_count == 1
    estate.assert_nothing_left_over(context)


def test_an_expired_session_is_renewed(estate, ready, monkeypatch):
    make_plan = runner.make_plan

    def expire_and_plan(attempt):
        estate.control.expire_sessions()
        make_plan(attempt)

    monkeypatch.setattr(runner, "make_plan", expire_and_plan)
    estate.replicate(ready)


def test_a_session_that_expires_during_the_transfer_is_renewed(estate, ready, monkeypatch):
    estate.control.delay("GET /folder", 0.2)
    opened = transfer._Transfer._open

    def open_and_expire(self, plan):
        active = opened(self, plan)
        estate.control.expire_sessions()
        return active

    monkeypatch.setattr(transfer._Transfer, "_open", open_and_expire)
    assert estate.replicate(ready).attempt == 1


def test_a_missing_privilege_fails_the_job_and_is_named(estate, ready):
    estate.control.deny_privilege("VirtualMachine.State.CreateSnapshot")
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "VirtualMachine.State.CreateSnapshot" in job.error_message
    assert ready.current_status == ContextStatus.READY
    estate.control.deny_privilege("VirtualMachine.State.CreateSnapshot", on=False)
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)
    estate.replicate(ready)


def test_a_snapshot_that_cannot_be_removed_is_a_warning_and_left_to_do(estate, ready):
    estate.control.refuse_snapshot_removal("small1")
    job = estate.run_job(ready)
    assert job.status == JobStatus.COMPLETED
    step = job.steps.get(name="clean_up")
    assert step.status == StepStatus.WARNING
    assert VMSnapshot.objects.get(job=job).name in step.message
    assert VMSnapshot.objects.get(job=job).problem
    estate.control.refuse_snapshot_removal("small1", on=False)
    tasks.clean_up(ready.pk)  # as a hint that waited in line since before it was tried
    assert VMSnapshot.objects.get(job=job).state != SnapshotState.REMOVED
    VMSnapshot.objects.update(updated_at=Now() - left_overs.CLEAN_AGAIN_AFTER)
    assert left_overs.contexts_to_clean() == [ready.pk]
    tasks.clean_up(ready.pk)
    estate.assert_nothing_left_over(ready)


def test_the_next_job_finishes_the_clean_up_of_the_last(estate, ready):
    estate.control.refuse_snapshot_removal("small1")
    estate.run_job(ready)
    estate.control.refuse_snapshot_removal("small1", on=False)
    estate.replicate(ready)


@pytest.mark.parametrize(
    ("fault", "in_task"), [("ApplicationQuiesceFault", True), ("GenericVmConfigFault", False)]
)
def test_a_guest_that_cannot_be_quiesced_is_copied_crash_consistent(estate, ready, fault, in_task):
    estate.control.fail(
        "CreateSnapshot_Task",
        fault=fault,
        times=3,
        in_task=in_task,
        message="the guest did not come to rest",
    )
    job = estate.replicate(ready)
    assert not job.recovery_point.quiesced
    step = job.steps.get(name="snapshot")
    assert step.status == StepStatus.WARNING
    assert "crash-consistent" in step.message


@pytest.mark.parametrize(
    ("method", "fault", "times"),
    [
        ("Login", "SystemError", 1),
        ("RetrievePropertiesEx", "InvalidState", 2),
        ("CreateSnapshot_Task", "InvalidHostState", 1),
        ("QueryChangedDiskAreas", "HostNotConnected", 2),
    ],
)
def test_a_fault_that_may_pass_costs_an_attempt(estate, ready, method, fault, times):
    estate.control.fail(method, fault=fault, times=times, message="not just now")
    job = estate.run_job(ready)
    assert (job.status, job.attempt) == (JobStatus.PENDING, 2)
    assert "not just now" in job.error_message
    assert _try_again(job).status == JobStatus.COMPLETED
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(ready)


def test_a_locked_change_tracking_file_costs_a_whole_comparison(estate, ready):
    estate.control.fail("QueryChangedDiskAreas", fault="FileLocked", times=2)
    job = estate.replicate(ready)
    assert (job.attempt, job.replication_type) == (1, "checksum")
    assert "FileLocked" in job.steps.get(name="plan").message


def test_a_users_snapshot_refuses_the_job_and_says_what_to_do(estate, ready):
    _users_snapshot(estate, ready)
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "small1" in job.error_message
    assert "before the update" in job.error_message
    assert RecoveryPoint.objects.count() == 1


def _users_snapshot(estate, context):
    with Session(vcenters.endpoint(estate.vcenter)) as session:
        snapshots.create(session, context.moref, "before the update", "", False)


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
    job = _try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)


def test_a_lost_parent_image_fails_the_job_and_is_named(estate, ready):
    (image,) = DiskImage.objects.all()
    shutil.move(estate.repository_folder / image.locator, estate.repository_folder.parent)
    job = estate.run_job(ready)
    while job.status == JobStatus.PENDING:
        job = _try_again(job)
    assert job.status == JobStatus.FAILED
    assert image.locator in job.error_message


def test_a_wrong_password_fails_the_job(estate, ready):
    VCenter.objects.update(password_encrypted=crypto.encrypt("another"))
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "password" in job.error_message
    assert "another" not in job.error_message


def test_another_estate_at_the_same_address_is_refused(estate, ready):
    VCenter.objects.update(instance_uuid="another")
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert RecoveryPoint.objects.count() == 1


def test_a_vm_that_is_gone_fails_the_job(estate, ready):
    estate.control.destroy("small1")
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert ready.current_status == ContextStatus.READY


def test_a_cancelled_transfer_stops_between_requests_and_leaves_nothing(estate, ready):
    first = RecoveryPoint.objects.get()
    estate.control.delay("GET /folder", 4)
    job = start.start(ready, trigger="manual", requested_by="ops")
    worker = threading.Thread(target=_work)
    worker.start()
    while not ReplicationJob.objects.filter(pk=job.pk, bytes_transferred__gt=0).exists():
        assert worker.is_alive()
    cancel.cancel(job, actor="ann")
    worker.join(30)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert 0 < job.bytes_transferred < job.total_bytes
    event = ContextEvent.objects.filter(job=job).first()
    assert (event.new, event.actor) == ("ready_for_failover", "ann")
    estate.control.clear_faults()
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)
    estate.assert_equal_to_snapshot(first)


def _work() -> None:
    runner.run_next()
    connection.close()


def test_a_hostile_name_is_only_a_name(estate):
    estate.take("small1")
    estate.control.rename("small1", "<script>alert(1)</script>/../x")
    estate.discover()
    context = estate.take("<script>alert(1)</script>/../x")
    estate.replicate(context)
    # The context keeps the ID that it got when it was taken.
    assert context.pk.startswith("ctx-small1-")


def test_no_new_snapshot_is_taken_while_one_of_ours_cannot_be_removed(estate):
    context = estate.take("small1")
    estate.control.refuse_snapshot_removal("small1")
    first = estate.run_job(context)
    assert first.status == JobStatus.COMPLETED
    (left,) = VMSnapshot.objects.exclude(state="removed")

    second = estate.run_job(context)
    for _ in range(4):
        assert second.status == JobStatus.PENDING
        assert left.name in second.error_message
        assert "in vSphere" in second.error_message
        second = _try_again(second)
    assert second.status == JobStatus.FAILED
    (vm,) = [vm for vm in estate.control.list_vms() if vm["name"] == "small1"]
    assert vm["snapshots"] == [left.moref]
    assert VMSnapshot.objects.count() == 1
    estate.assert_equal_to_snapshot(first.recovery_point)

    estate.control.refuse_snapshot_removal("small1", on=False)
    estate.replicate(context)


def test_a_snapshot_that_cannot_be_removed_is_not_tried_at_every_tick(estate):
    context = estate.take("small1")
    estate.control.refuse_snapshot_removal("small1")
    estate.run_job(context)
    assert left_overs.contexts_to_clean() == []
    VMSnapshot.objects.update(updated_at=Now() - left_overs.CLEAN_AGAIN_AFTER)
    assert left_overs.contexts_to_clean() == [context.pk]


def _away(*args, **kwargs):
    raise OperationalError("server closed the connection unexpectedly")


def test_a_database_that_goes_away_during_the_transfer_leaves_no_daemon(estate, monkeypatch):
    context = estate.take("small2")
    estate.control.delay("GET /folder", 3)
    served = []

    def away(self):
        served.extend(estate.daemons())
        _away()

    monkeypatch.setattr(transfer._Transfer, "_report", away)
    monkeypatch.setattr(transfer._Transfer, "_save_checkpoint", _away)
    start.start(context, trigger="manual", requested_by="ops")
    runner.run_next()
    assert len(served) == 2
    assert estate.daemons() == []


def test_a_database_that_goes_away_before_a_daemon_is_recorded_leaves_no_daemon(
    estate, monkeypatch
):
    context = estate.take("small1")
    served = []

    def away(*args):
        served.extend(estate.daemons())
        _away()

    monkeypatch.setattr(images, "record_writer", away)
    start.start(context, trigger="manual", requested_by="ops")
    runner.run_next()
    assert len(served) == 1
    assert estate.daemons() == []


def test_what_the_database_refuses_fails_the_job_with_the_reason(estate, ready, monkeypatch):
    """It is not away: the same would be refused at every attempt."""

    def refused(run):
        raise IntegrityError("CHECK constraint failed: some_rule")

    monkeypatch.setattr(runner, "make_plan", refused)
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "some_rule" in job.error_message


def test_a_clock_that_steps_back_does_not_fork_the_chain(estate, ready, monkeypatch):
    with monkeypatch.context() as patched:
        ahead = timedelta(minutes=5)
        patched.setattr(snapshot, "database_now", lambda: database_now() + ahead)
        second = estate.replicate(ready)
    estate.control.fill("small1", 2000, 8 * MIB, MIB, seed=2)
    third = estate.replicate(ready)
    estate.control.fill("small1", 2000, 12 * MIB, MIB, seed=3)
    fourth = estate.replicate(ready)
    parents = {image.job: image.parent.job for image in DiskImage.objects.exclude(parent=None)}
    assert (parents[third], parents[fourth]) == (second, third)


def test_a_name_server_that_is_away_costs_an_attempt_and_no_progress(estate, ready, monkeypatch):
    job = start.start(ready, trigger="manual", requested_by="ops")
    estate.worker_that_dies("within transfer")
    estate.take_over()

    def away(*args, **kwargs):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", away)
        runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING, job.error_message
    assert DiskImage.objects.get(job=job).checkpoint_bytes > 0


def test_a_snapshot_task_that_the_vcenter_forgot_costs_an_attempt(estate, ready, monkeypatch):
    """As after its restart: the task is unknown, but it was carried out."""
    wait_for_task = snapshots.wait_for_task

    def forgotten(*args, **kwargs):
        wait_for_task(*args, **kwargs)
        raise ObjectGone("Creating the snapshot: the task does not exist any more.")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "wait_for_task", forgotten)
        job = estate.run_job(ready)
    assert job.status == JobStatus.PENDING, job.error_message
    job = _try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_nothing_left_over(ready)


def test_a_snapshot_that_was_not_removed_is_not_taken_for_removed(estate, ready, monkeypatch):
    """After a restart the task that was to remove it is unknown; the snapshot is still there."""

    def forgotten(*args, **kwargs):
        raise ObjectGone("Removing the snapshot: the task does not exist any more.")

    with monkeypatch.context() as patched:
        patched.setattr(removing.snapshots, "remove", forgotten)
        job = estate.run_job(ready)
    assert job.status == JobStatus.COMPLETED
    assert VMSnapshot.objects.get(job=job).state == "created"
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)


def test_a_cancel_is_honoured_while_the_storage_hangs(estate, ready, monkeypatch):
    monkeypatch.setattr(transfer, "STOP_SECONDS", 1.0)
    estate.control.delay("GET /folder", 0.5)
    job = start.start(ready, trigger="manual", requested_by="ops")
    worker = threading.Thread(target=_work)
    worker.start()
    while not DiskImage.objects.filter(job=job, writer_pid__isnull=False).exists():
        assert worker.is_alive()
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


def test_a_transfer_in_which_no_byte_comes_is_tried_again(estate, ready, monkeypatch):
    monkeypatch.setattr(guard, "STALLED_AFTER_SECONDS", 2.0)
    # The guard's own look, which ends the whole process, comes later than the test's end.
    monkeypatch.setattr(guard, "RENEW_EVERY_SECONDS", 25.0)
    monkeypatch.setattr(transfer, "STOP_SECONDS", 1.0)
    estate.control.delay("GET /folder", 6)
    job = estate.run_job(ready)
    assert job.status == JobStatus.PENDING
    assert "no bytes were copied" in job.error_message
    estate.control.clear_faults()
    job = _try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_nothing_left_over(ready)


def test_a_job_whose_end_cannot_be_recorded_fails_instead_of_staying_running(
    estate, ready, monkeypatch
):
    """Whatever recording the first reason raises: the job must not wait for its lease's end."""
    estate.control.deny_privilege("VirtualMachine.State.CreateSnapshot")

    def cannot(*_: object) -> None:
        raise ValueError("no place for these words")

    monkeypatch.setattr(runner, "_settle", cannot)
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "no place for these words" in job.error_message
    assert not ContextLease.objects.exists()
