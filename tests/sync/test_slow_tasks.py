"""vSphere's tasks that take longer than anybody waits: the process goes, the job waits, and nothing
is asked of vSphere twice."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from pyVmomi import vim

from contexts.models import VMContext
from contexts.services import vcenters
from contexts.vsphere import cbt, snapshots, tasks
from contexts.vsphere.session import Session
from contexts.vsphere.stub import Stub
from replication.models import JobStep, ReplicationJob, VMSnapshot
from replication.services import cancel, finish
from replication.states import JobStatus, SnapshotState, StepName, StepStatus
from replication.sync import cleanup, job_run, runner
from tests.sync.estate import MIB, Estate

CREATE, REMOVE, RECONFIGURE = "CreateSnapshot_Task", "RemoveSnapshot_Task", "ReconfigVM_Task"
LONG_SECONDS = 4.0  # of a task; nobody waits for one here
WAITING = "Waiting for vSphere’s task to end"


@pytest.fixture
def context(estate: Estate, small1: VMContext) -> VMContext:
    """A VM whose changes are tracked already."""
    estate.control.fill("small1", 2000, 4 * MIB, 4 * MIB, seed=1)
    return small1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (tasks, "OTHERS_SECONDS"),
        (tasks, "REMOVE_SNAPSHOT_SECONDS"),
        (cleanup._CleanUp, "removal_seconds"),
    ):
        monkeypatch.setattr(module, name, 0.0)


@pytest.fixture
def impatient_with_new(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with what the job itself asks for; whatever it is, it may take a second look."""
    monkeypatch.setattr(snapshots, "CREATE_SNAPSHOT_SECONDS", 0.0)
    monkeypatch.setattr(cbt, "RECONFIGURE_SECONDS", 0.0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that were asked for, in order."""
    made: list[str] = []
    call = Stub.InvokeMethod

    def noted(self: Stub, mo: Any, info: Any, args: Any) -> Any:
        if info.wsdlName.endswith("_Task"):
            made.append(info.wsdlName)
        return call(self, mo, info, args)

    monkeypatch.setattr(Stub, "InvokeMethod", noted)
    return made


def look_again(job: ReplicationJob) -> ReplicationJob:
    ReplicationJob.objects.filter(pk=job.pk).update(next_attempt_at=None)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    return job


def until_vsphere_is_done(estate: Estate, context: VMContext) -> None:
    with Session(vcenters.endpoint(estate.vcenter)) as session:
        deadline = time.monotonic() + 60
        while tasks.running_task(session, context.moref, ""):
            assert time.monotonic() < deadline, "the task never ends"
            time.sleep(0.1)


def run_to_its_end(estate: Estate, context: VMContext, job: ReplicationJob) -> ReplicationJob:
    for _ in range(20):
        until_vsphere_is_done(estate, context)
        job = look_again(job)
        if job.status != JobStatus.PENDING:
            break
    assert job.status == JobStatus.COMPLETED, job.error_message
    return job


def clean_up(estate: Estate, context: VMContext) -> None:
    """Until nothing is left: a removal may take a second look."""
    for _ in range(20):
        until_vsphere_is_done(estate, context)
        estate.minutes_later()
        cleanup.clean_context(context.pk)
        if not VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exists():
            break
    estate.assert_nothing_left_over(context)


def require_waiting(job: ReplicationJob) -> None:
    assert job.status == JobStatus.PENDING, job.error_message
    assert job.current_operation == WAITING
    assert "is still running" in job.error_message
    assert job.next_attempt_at is not None


def test_a_snapshot_that_takes_long_is_found_again_and_not_asked_for_twice(
    estate: Estate, context: VMContext, impatient_with_new: None, asked: list[str]
) -> None:
    estate.control.delay(CREATE, LONG_SECONDS)
    job = estate.run_job(context)
    require_waiting(job)
    assert VMSnapshot.objects.get(job=job).state == SnapshotState.INTENDED
    require_waiting(look_again(job))
    job = run_to_its_end(estate, context, job)
    assert asked.count(CREATE) == 1
    assert VMSnapshot.objects.filter(job=job).count() == 1
    estate.assert_equal_to_snapshot(job.recovery_point)


@pytest.mark.slow
def test_tracking_that_takes_long_to_enable_is_not_enabled_twice(
    estate: Estate, impatient_with_new: None, asked: list[str]
) -> None:
    context = estate.take("small1")
    estate.control.delay(RECONFIGURE, LONG_SECONDS)
    job = estate.run_job(context)
    require_waiting(job)
    require_waiting(look_again(job))
    job = run_to_its_end(estate, context, job)
    assert asked.count(RECONFIGURE) == 1
    assert asked.count(CREATE) == 1


@pytest.mark.slow
def test_a_removal_that_takes_long_is_a_warning_and_not_asked_for_twice(
    estate: Estate, context: VMContext, impatient: None, asked: list[str]
) -> None:
    estate.control.delay(REMOVE, LONG_SECONDS)
    job = estate.run_job(context)
    assert job.status == JobStatus.COMPLETED, job.error_message
    step = JobStep.objects.get(job=job, name=StepName.CLEAN_UP)
    assert (step.status, "is still running" in step.message) == (StepStatus.WARNING, True)
    cleanup.clean_context(context.pk)  # looks, and leaves again
    until_vsphere_is_done(estate, context)
    cleanup.clean_context(context.pk)
    assert asked.count(REMOVE) == 1
    estate.assert_nothing_left_over(context)


@pytest.mark.slow
def test_a_job_waits_for_the_removal_of_what_an_earlier_one_left(
    estate: Estate, context: VMContext, impatient: None, asked: list[str]
) -> None:
    estate.control.delay(REMOVE, LONG_SECONDS)
    estate.run_job(context)
    job = estate.run_job(context)
    require_waiting(job)
    assert asked.count(CREATE) == 1  # the earlier one's
    until_vsphere_is_done(estate, context)
    estate.control.clear_faults()
    run_to_its_end(estate, context, job)
    clean_up(estate, context)


@pytest.mark.slow
def test_nothing_is_believed_of_a_snapshot_while_another_one_is_removed(
    estate: Estate, context: VMContext, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another product merges files of this VM when the copy is done and is to be verified."""
    verify = runner.verify

    def meanwhile(*args: Any) -> None:
        with Session(vcenters.endpoint(estate.vcenter)) as session:
            vm = session.object(vim.VirtualMachine, context.moref)
            vm.ConsolidateVMDisks_Task()
        verify(*args)

    estate.control.delay("ConsolidateVMDisks_Task", LONG_SECONDS)
    with monkeypatch.context() as patched:
        patched.setattr(runner, "verify", meanwhile)
        job = estate.run_job(context)
    require_waiting(job)
    assert not hasattr(job, "recovery_point")
    job = run_to_its_end(estate, context, job)
    estate.assert_equal_to_snapshot(job.recovery_point)


def test_waiting_is_no_attempt_that_came_no_further_and_other_jobs_run_meanwhile(
    estate: Estate, context: VMContext, impatient_with_new: None
) -> None:
    other = estate.take("small2")
    estate.control.delay(CREATE, LONG_SECONDS)
    job = estate.run_job(context)
    for _ in range(finish.MAX_ATTEMPTS + 2):
        ReplicationJob.objects.filter(pk=job.pk).update(next_attempt_at=None, status="running")
        finish.wait_for_others(job.pk, "vSphere's task task-1 still runs.")
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    estate.control.clear_faults()
    assert estate.run_job(other).started_at is not None


def test_a_job_does_not_wait_for_longer_than_its_snapshot_may_be_kept(
    estate: Estate, context: VMContext, impatient_with_new: None
) -> None:
    estate.control.delay(CREATE, LONG_SECONDS)
    job = estate.run_job(context)
    old = Now() - finish.WAIT_AT_MOST - timedelta(minutes=1)
    VMSnapshot.objects.filter(job=job).update(consistent_at=old)
    job = look_again(job)
    assert job.status == JobStatus.FAILED
    assert "Given up after 24 hours" in job.error_message
    clean_up(estate, context)


def test_a_job_that_waits_can_be_cancelled(
    estate: Estate, context: VMContext, impatient_with_new: None
) -> None:
    estate.control.delay(CREATE, LONG_SECONDS)
    job = estate.run_job(context)
    cancel.cancel(job, actor="ops")
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    clean_up(estate, context)


def test_a_job_is_cancelled_between_two_pages_of_changed_areas(
    estate: Estate, context: VMContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_run, "CANCEL_ASKED_EVERY_SECONDS", 0.0)
    estate.control.set_pages(extents=1, span_bytes=1 << 20)
    call = Stub.InvokeMethod
    pages: list[int] = []

    def cancels_at_the_second(self: Stub, mo: Any, info: Any, args: Any) -> Any:
        if info.wsdlName == "QueryChangedDiskAreas":
            pages.append(len(pages))
            if len(pages) == 2:
                running = ReplicationJob.objects.get(status=JobStatus.RUNNING)
                cancel.cancel(running, actor="ops")
        return call(self, mo, info, args)

    monkeypatch.setattr(Stub, "InvokeMethod", cancels_at_the_second)
    job = estate.run_job(context)
    estate.control.set_pages()
    assert job.status == JobStatus.CANCELLED
    assert len(pages) == 2
    clean_up(estate, context)
