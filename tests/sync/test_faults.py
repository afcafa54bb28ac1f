"""What goes wrong outside of vmrep: clear words, the last recovery point intact, nothing left."""

import socket
import threading
import time

import pytest

from contexts.models import ContextEvent, VCenter
from contexts.states import ContextStatus
from replication.errors import TryAgain
from replication.models import DiskImage, RecoveryPoint, ReplicationJob, VMSnapshot
from replication.services import cancel, finish, start
from replication.states import JobStatus
from replication.sync import cleanup, guard, runner, transfer
from tests import factories
from tests.sync.estate import MIB, try_again, work


@pytest.mark.parametrize(
    "method",
    [
        "QueryChangedDiskAreas",
        pytest.param("CreateSnapshot_Task", marks=pytest.mark.slow),
        pytest.param("RetrievePropertiesEx", marks=pytest.mark.slow),
        pytest.param("WaitForUpdatesEx", marks=pytest.mark.slow),
    ],
)
def test_a_connection_that_breaks_costs_an_attempt_at_most(estate, ready, method):
    estate.control.drop_connection(method, times=3)
    job = estate.run_job(ready)
    estate.control.clear_faults()
    while job.status == JobStatus.PENDING:
        assert job.error_message
        job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert job.bytes_transferred == 24 * MIB
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.minutes_later()
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)


@pytest.mark.usefixtures("no_sample")
def test_dropped_downloads_are_read_again(estate, ready):
    estate.control.drop_connection("GET /folder", nth=4, times=2)
    estate.replicate(ready)


@pytest.mark.usefixtures("no_sample")
def test_a_source_that_goes_away_returns_the_job_to_wait_with_its_image(estate, ready):
    estate.control.fail("GET /folder", nth=4, fault="503", times=1000)
    job = estate.run_job(ready)
    assert (job.status, job.attempt) == (JobStatus.PENDING, 2)
    assert "503" in job.error_message
    assert job.next_attempt_at is not None
    assert ready.current_status == ContextStatus.REPLICATING
    assert VMSnapshot.objects.get(job=job).state == "created"
    estate.control.clear_faults()
    job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(ready)


@pytest.mark.slow
def test_a_disk_that_leaves_between_two_attempts_leaves_no_file(estate, monkeypatch):
    context = estate.take("small2")

    def break_off(copies):
        raise TryAgain("The connection broke.")  # while both disks are open

    with monkeypatch.context() as patch:
        patch.setattr(transfer._Transfer, "_wait", break_off)
        job = estate.run_job(context)
    assert DiskImage.objects.filter(state="writing").count() == 2
    estate.remove_disk(context, 2001)
    job = try_again(job)
    assert job.status == JobStatus.PENDING  # its snapshot still has the disk: a new one is taken
    job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert job.recovery_point.disk_count == 1
    estate.assert_nothing_left_over(context)


@pytest.mark.slow
def test_an_expired_session_is_renewed(estate, ready, monkeypatch):
    make_plan = runner.make_plan

    def expire_and_plan(attempt):
        estate.control.expire_sessions()
        make_plan(attempt)

    monkeypatch.setattr(runner, "make_plan", expire_and_plan)
    estate.replicate(ready)


@pytest.mark.usefixtures("no_sample")
def test_a_session_that_expires_during_the_transfer_is_renewed(estate, ready, monkeypatch):
    estate.control.delay("GET /folder", 0.2)
    opened = transfer._Transfer._open

    def open_and_expire(self, plan, seat):
        active = opened(self, plan, seat)
        estate.control.expire_sessions()
        return active

    monkeypatch.setattr(transfer._Transfer, "_open", open_and_expire)
    assert estate.replicate(ready).attempt == 1


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("method", "fault", "times"),
    [
        pytest.param("Login", "SystemError", 1, marks=pytest.mark.slow),
        pytest.param("RetrievePropertiesEx", "InvalidState", 100, marks=pytest.mark.slow),
        ("CreateSnapshot_Task", "InvalidHostState", 1),
        pytest.param("QueryChangedDiskAreas", "HostNotConnected", 2, marks=pytest.mark.slow),
    ],
)
def test_a_fault_that_may_pass_costs_an_attempt(estate, ready, method, fault, times):
    estate.control.fail(method, fault=fault, times=times, message="not just now")
    job = estate.run_job(ready)
    assert (job.status, job.attempt) == (JobStatus.PENDING, 2)
    assert "not just now" in job.error_message
    estate.control.clear_faults()
    assert try_again(job).status == JobStatus.COMPLETED
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(ready)


@pytest.mark.slow
def test_a_locked_change_tracking_file_costs_a_whole_comparison(estate, ready):
    estate.control.fail("QueryChangedDiskAreas", fault="FileLocked", times=2)
    job = estate.replicate(ready)
    assert (job.attempt, job.replication_type) == (1, "checksum")
    assert "FileLocked" in job.steps.get(name="plan").message


def test_a_wrong_password_fails_the_job(estate, ready):
    factories.repoint(password="another")
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


@pytest.mark.usefixtures("no_sample")
def test_a_cancelled_transfer_stops_between_requests_and_leaves_nothing(estate, ready):
    first = RecoveryPoint.objects.get()
    estate.control.delay("GET /folder", 4)
    job = start.start(ready, trigger="manual", requested_by="ops")
    worker = threading.Thread(target=work)
    worker.start()
    while not ReplicationJob.objects.filter(pk=job.pk, bytes_transferred__gt=0).exists():
        assert worker.is_alive()
        time.sleep(0.02)
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


def test_a_cancel_in_the_last_moment_before_the_commit_still_cancels(estate, monkeypatch, small1):
    """Who was told that a job will be cancelled does not find it completed."""
    newest = small1.recovery_points.get()
    estate.control.fill("small1", 2000, 4 * MIB, 2 * MIB, seed=1)
    completed = finish.completed

    def cancel_and_complete(job_id, *rest):
        cancel.cancel(ReplicationJob.objects.get(pk=job_id), actor="ann")
        return completed(job_id, *rest)

    monkeypatch.setattr(finish, "completed", cancel_and_complete)
    job = estate.run_job(small1)
    assert (job.status, job.attempt) == (JobStatus.CANCELLED, 1)
    assert small1.recovery_points.get() == newest
    cleanup.clean_context(small1.pk)
    estate.assert_equal_to_snapshot(newest)
    estate.assert_nothing_left_over(small1)


@pytest.mark.slow
def test_a_hostile_name_is_only_a_name(estate):
    estate.take("small1")
    estate.control.rename("small1", "<script>alert(1)</script>/../x")
    estate.discover()
    context = estate.take("<script>alert(1)</script>/../x")
    estate.replicate(context)
    # The context keeps the ID that it got when it was taken.
    assert context.pk.startswith("ctx-small1-")


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


@pytest.mark.slow
@pytest.mark.usefixtures("no_sample")
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
    job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_nothing_left_over(ready)
