"""Tasks of which a vCenter tells something untrue, or nothing: what there is counts."""

from __future__ import annotations

import pytest
from pyVmomi import vim

from contexts.services import vcenters
from contexts.vsphere import snapshots
from contexts.vsphere.session import Session
from replication import tasks
from replication.services import left_overs
from replication.states import JobStatus
from tests.sync.estate import try_again

CREATE, REMOVE, CONFIGURE = "CreateSnapshot_Task", "RemoveSnapshot_Task", "ReconfigVM_Task"


def left(estate) -> list[str]:
    return [one for vm in estate.control.list_vms() for one in vm["snapshots"]]


@pytest.mark.slow
def test_a_snapshot_that_is_there_although_it_failed_is_removed(estate):
    """The VM is off, so that nothing is quiesced."""
    context = estate.take("small2")
    estate.control.lie_about_tasks(CREATE, "failed")
    job = estate.run_job(context)
    assert job.status == JobStatus.PENDING
    assert left(estate) == []
    assert try_again(job).status == JobStatus.COMPLETED
    estate.assert_nothing_left_over(context)


@pytest.mark.slow
def test_of_snapshots_that_are_there_although_they_failed_to_be_quiesced_none_stays(estate, ready):
    """Each attempt to quiesce left one, all of the same name."""
    estate.control.lie_about_tasks(CREATE, "failed", times=3)
    job = estate.replicate(ready)
    assert "crash-consistent" in job.steps.get(name="snapshot").message
    assert left(estate) == []


@pytest.mark.slow
def test_a_snapshot_that_is_said_to_be_removed_and_is_not(estate, ready):
    estate.control.lie_about_tasks(REMOVE, "done")
    job = estate.run_job(ready)
    assert job.status == JobStatus.COMPLETED
    assert "the snapshot is still there" in job.steps.get(name="clean_up").message
    estate.minutes_later()
    assert left_overs.contexts_to_clean() == [ready.pk]
    tasks.clean_up(ready.pk)
    estate.assert_nothing_left_over(ready)


def test_a_snapshot_that_is_said_to_be_made_and_is_not_costs_an_attempt(estate, ready):
    estate.control.lie_about_tasks(CREATE, "done")
    job = estate.run_job(ready)
    assert job.status == JobStatus.PENDING
    assert try_again(job).status == JobStatus.COMPLETED
    estate.minutes_later()  # until then it may still appear
    tasks.clean_up(ready.pk)
    estate.assert_nothing_left_over(ready)


@pytest.mark.slow
def test_tracking_that_is_said_to_be_on_and_is_not_makes_a_whole_copy(estate):
    context = estate.take("small1")
    estate.control.lie_about_tasks(CONFIGURE, "done")
    job = estate.replicate(context)
    assert "no change ID" in job.steps.get(name="snapshot").message


@pytest.mark.parametrize("lie", ["silent", pytest.param("untold", marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", [CREATE, pytest.param(REMOVE, marks=pytest.mark.slow)])
def test_a_task_whose_end_is_not_told_as_usual_is_found_out(estate, ready, method, lie):
    estate.control.lie_about_tasks(method, lie)
    estate.replicate(ready)


def test_a_task_without_a_name_may_be_any(estate, ready):
    """A second snapshot must not be begun beside it."""
    estate.control.lie_about_tasks(CREATE, "unnamed")
    estate.control.delay(CREATE, 3)
    with Session(vcenters.endpoint(estate.vcenter)) as session:
        vm = session.object(vim.VirtualMachine, ready.moref)
        vm.CreateSnapshot_Task(name="n", description="", memory=False, quiesce=False)
        running = snapshots.running_snapshot_task(session, ready.moref)
    assert running is not None
    estate.control.clear_faults()
