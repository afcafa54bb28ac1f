"""Snapshots that cannot be taken or removed, or are not vmrep's: said, and never doubled."""

import threading
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from contexts.services import vcenters
from contexts.vsphere import snapshots
from contexts.vsphere.errors import ObjectGone, SnapshotNotListed
from contexts.vsphere.session import Session
from replication import tasks
from replication.models import RecoveryPoint, VMSnapshot
from replication.policies import services
from replication.services import left_overs, start
from replication.states import JobStatus, SnapshotState, StepStatus
from replication.sync import cleanup, removing, runner, verdict
from tests.sync.estate import try_again


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
    ("fault", "in_task"),
    [
        ("ApplicationQuiesceFault", True),
        pytest.param("GenericVmConfigFault", False, marks=pytest.mark.slow),
    ],
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


@pytest.mark.slow
def test_a_policy_says_whether_a_guest_is_quiesced_and_what_if_it_cannot_be(estate, ready):
    services.set_own(ready, {"quiesce": "never"}, actor="ops")
    assert not estate.replicate(ready).recovery_point.quiesced
    services.set_own(ready, {"quiesce": "required"}, actor="ops")
    assert estate.replicate(ready).recovery_point.quiesced
    fault = "ApplicationQuiesceFault"
    estate.control.fail("CreateSnapshot_Task", fault=fault, times=3, in_task=True, message="busy")
    job = estate.run_job(ready)
    assert job.status == JobStatus.PENDING, "it is tried again, and never without quiescing"
    assert "busy" in job.error_message
    assert try_again(job).recovery_point.quiesced
    estate.control.configure("small1", tools=None)
    job = estate.run_job(ready)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "preflight_refused")
    assert "VMware Tools do not run in it" in job.error_message
    estate.assert_nothing_left_over(ready)


def test_a_users_snapshot_refuses_the_job_and_says_what_to_do(estate, ready, monkeypatch):
    monkeypatch.setattr(verdict, "PASSES_WITHIN", timedelta(0))  # as if it were hours old
    _users_snapshot(estate, ready)
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "small1" in job.error_message
    assert "before the update" in job.error_message
    assert RecoveryPoint.objects.count() == 1


def _users_snapshot(estate, context):
    with Session(vcenters.endpoint(estate.vcenter)) as session:
        snapshots.create(session, context.moref, "before the update", "", False)


@pytest.mark.slow
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
        second = try_again(second)
    assert second.status == JobStatus.FAILED
    (vm,) = [vm for vm in estate.control.list_vms() if vm["name"] == "small1"]
    assert vm["snapshots"] == [left.moref]
    assert VMSnapshot.objects.count() == 1
    estate.assert_equal_to_snapshot(first.recovery_point)

    estate.control.refuse_snapshot_removal("small1", on=False)
    estate.replicate(context)


@pytest.mark.slow
def test_a_snapshot_that_cannot_be_removed_is_not_tried_at_every_tick(estate):
    context = estate.take("small1")
    estate.control.refuse_snapshot_removal("small1")
    estate.run_job(context)
    assert left_overs.contexts_to_clean() == []
    VMSnapshot.objects.update(updated_at=Now() - left_overs.CLEAN_AGAIN_AFTER)
    assert left_overs.contexts_to_clean() == [context.pk]


@pytest.mark.slow
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
    job = try_again(job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_nothing_left_over(ready)


@pytest.mark.slow
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


def _snapshots_of(estate, vm_name):
    (vm,) = [vm for vm in estate.control.list_vms() if vm["name"] == vm_name]
    return vm["snapshots"]


@pytest.mark.slow
def test_snapshots_that_are_made_but_not_listed_do_not_pile_up(estate, ready, monkeypatch):
    monkeypatch.setattr(snapshots, "LISTED_SECONDS", 0.0)
    estate.control.unlist_snapshots("small1")
    for _ in range(2):
        job = estate.run_job(ready)
        assert (job.status, job.error_code) == (JobStatus.FAILED, "snapshot_not_listed")
        for words in ("small1", job.snapshots.get().moref, "does not list it", "register it again"):
            assert words in job.error_message
        assert _snapshots_of(estate, "small1") == []
    estate.control.unlist_snapshots("small1", on=False)
    estate.replicate(ready)


@pytest.mark.slow
def test_one_that_is_not_listed_and_cannot_be_removed_stays_the_only_one(
    estate, ready, monkeypatch
):
    monkeypatch.setattr(snapshots, "LISTED_SECONDS", 0.0)
    estate.control.unlist_snapshots("small1")
    estate.control.refuse_snapshot_removal("small1")
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    again = estate.run_job(ready)
    assert again.status in (JobStatus.PENDING, JobStatus.FAILED)
    assert len(_snapshots_of(estate, "small1")) == 1
    estate.control.refuse_snapshot_removal("small1", on=False)
    cleanup.clean_context(ready.pk) if again.status == JobStatus.FAILED else try_again(again)
    assert _snapshots_of(estate, "small1") == []


def test_one_that_a_killed_attempt_left_unlisted_is_not_followed_by_another(
    estate, ready, monkeypatch
):
    """Its reference was not recorded: the disks, and the result of vSphere's task, tell of it."""
    monkeypatch.setattr(snapshots, "LISTED_SECONDS", 0.0)
    estate.control.unlist_snapshots("small1")
    job = start.start(ready, trigger="manual", requested_by="ops")
    with Session(vcenters.endpoint(estate.vcenter)) as session:
        with pytest.raises(SnapshotNotListed):
            snapshots.create(session, ready.moref, f"vmrep:{job.pk}:1", "", False)
        with pytest.raises(SnapshotNotListed, match="small1: vSphere made the snapshot snapshot-"):
            snapshots.require_all_listed(session, ready.moref, "small1")
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    assert "there are snapshots" in job.current_operation + job.error_message
    assert len(_snapshots_of(estate, "small1")) == 1


@pytest.mark.slow
def test_one_that_is_listed_a_little_later_is_used(estate, ready):
    estate.control.unlist_snapshots("small1")
    later = threading.Timer(3, estate.control.unlist_snapshots, ("small1",), {"on": False})
    later.start()
    job = estate.run_job(ready)
    later.join()
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
