"""Other products that work on the VM, and disks that move: wait, look again, then decide."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from pyVmomi import vim

from contexts.models import VCenter, VMContext
from contexts.services import vcenters
from contexts.vsphere import snapshots, tasks
from contexts.vsphere.session import Session
from replication.models import ReplicationJob, VMSnapshot
from replication.services import finish
from replication.states import JobStatus
from replication.sync import runner, transfer, verdict
from tests.sync.estate import MIB, Estate


def _again(estate: Estate, job: ReplicationJob) -> ReplicationJob:
    ReplicationJob.objects.filter(pk=job.pk).update(next_attempt_at=None)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    return job


def _completes(estate: Estate, job: ReplicationJob) -> None:
    job = _again(estate, job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(job.vm_context)


def _waits_for_others(job: ReplicationJob) -> None:
    assert (job.status, job.current_operation) == (JobStatus.PENDING, finish.FOR_OTHERS)
    assert "“of another product”" in job.error_message
    assert job.fruitful_attempts == 1  # it does not count as an attempt without progress


@pytest.fixture
def context(estate):
    return estate.take("small1")


def test_a_passing_snapshot_is_waited_for(estate, context):
    estate.control.take_snapshot("small1", "of another product")
    job = estate.run_job(context)
    _waits_for_others(job)
    estate.control.remove_snapshots("small1")
    _completes(estate, job)


def test_a_snapshot_that_stays_is_refused_in_words(estate, context, monkeypatch):
    estate.control.take_snapshot("small1", "by hand")
    _waits = estate.run_job(context)
    assert _waits.status == JobStatus.PENDING
    monkeypatch.setattr(verdict, "PASSES_WITHIN", timedelta(0))
    job = _again(estate, _waits)
    assert job.status == JobStatus.FAILED
    assert "“by hand”" in job.error_message
    assert "Remove the snapshots" in job.error_message


def _before(monkeypatch: pytest.MonkeyPatch, step: str, do: Callable[[], object]) -> None:
    original = getattr(runner, step)

    def do_and_go_on(*given: object) -> object:
        monkeypatch.setattr(runner, step, original)
        do()
        return original(*given)

    monkeypatch.setattr(runner, step, do_and_go_on)


@pytest.mark.slow
def test_a_passing_snapshot_that_comes_after_prepare_is_waited_for_too(
    estate, context, monkeypatch
):
    """vmrep's own is taken away meanwhile: it would be on top of the other one."""
    _before(
        monkeypatch,
        "take_snapshot",
        lambda: estate.control.take_snapshot("small1", "of another product"),
    )
    job = estate.run_job(context)
    _waits_for_others(job)
    assert not VMSnapshot.objects.exclude(state="removed").exists()
    estate.control.remove_snapshots("small1")
    _completes(estate, job)


def _move(estate: Estate) -> None:
    estate.control.move("small1", "Tests", datastore="datastore2")


@pytest.mark.parametrize(
    ("transport", "step"),
    [
        ("datastore", "transfer"),
        pytest.param("datastore", "make_plan", marks=pytest.mark.slow),
        pytest.param("datastore", "verify", marks=pytest.mark.slow),
        pytest.param("nfc", "make_plan", marks=pytest.mark.slow),
        pytest.param("nfc", "transfer", marks=pytest.mark.slow),
        pytest.param("nfc", "verify", marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_moves_costs_an_attempt_at_most(estate, context, monkeypatch, transport, step):
    VCenter.objects.update(transport=transport)
    _before(monkeypatch, step, lambda: _move(estate))
    job = estate.run_job(context)
    if step != "make_plan":
        assert job.status == JobStatus.PENDING, job.error_message
        assert "moved to other storage" in job.error_message
        job = _again(estate, job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)


@pytest.mark.parametrize("transport", [pytest.param("datastore", marks=pytest.mark.slow), "nfc"])
def test_a_disk_that_moves_while_it_is_read_costs_an_attempt_at_most(
    estate, context, monkeypatch, transport
):
    VCenter.objects.update(transport=transport)
    estate.control.delay("GET /folder", 0.3)
    begin, moved = transfer._Transfer._begin_more, []

    def begin_and_move(self: transfer._Transfer, disks: object) -> None:
        begin(self, disks)
        if not moved:
            moved.append(True)
            _move(estate)

    monkeypatch.setattr(transfer._Transfer, "_begin_more", begin_and_move)
    job = estate.run_job(context)
    estate.control.clear_faults()
    assert job.status == JobStatus.PENDING, job.error_message
    assert "moved to other storage" in job.error_message
    _completes(estate, job)


@pytest.mark.slow
def test_a_snapshot_that_somebody_removes_while_it_is_read_is_taken_anew(
    estate, context, monkeypatch
):
    for step in ("transfer", "verify"):
        with monkeypatch.context() as patched:
            _before(patched, step, lambda: estate.control.remove_snapshots("small1"))
            job = estate.run_job(context)
        assert job.status == JobStatus.PENDING, (step, job.error_message)
        estate.control.fill("small1", 2000, 40 * MIB, MIB, seed=step)
        _completes(estate, job)


def test_what_does_not_pass_stays_lasting(estate, context):
    estate.control.deny_privilege("VirtualMachine.Provisioning.DiskRandomRead")
    job = estate.run_job(context)
    assert job.status == JobStatus.FAILED
    assert "DiskRandomRead" in job.error_message


def vm_is_busy(estate: Estate, context: VMContext) -> bool:
    with Session(vcenters.endpoint(estate.vcenter)) as session:
        return snapshots.running_snapshot_task(session, context.moref) is not None


@pytest.mark.slow
def test_a_snapshot_that_fails_while_vsphere_works_on_the_vm_is_taken_later(
    estate, context, monkeypatch
):
    """The server refuses for good what it only refuses meanwhile."""
    monkeypatch.setattr(tasks, "OTHERS_SECONDS", 0.2)
    estate.control.delay("ConsolidateVMDisks_Task", 3)
    with Session(vcenters.endpoint(estate.vcenter)) as session:
        vm = session.object(vim.VirtualMachine, context.moref)
        _before(monkeypatch, "take_snapshot", lambda: vm.ConsolidateVMDisks_Task())
        estate.control.fail("CreateSnapshot_Task", fault="NotSupported", times=10)
        job = estate.run_job(context)
    assert (job.status, job.current_operation) == (JobStatus.PENDING, finish.FOR_TASK)
    assert "consolidate" in job.error_message.lower()
    estate.control.clear_faults()
    while vm_is_busy(estate, context):
        time.sleep(0.1)
    job = _again(estate, job)
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
