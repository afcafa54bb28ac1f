"""Files that removing a snapshot left: consolidated, and told of until they are."""

from __future__ import annotations

import pytest

from contexts.vsphere import snapshots
from replication.models import JobStep, ReplicationJob
from replication.states import JobStatus, StepName, StepStatus
from replication.sync import runner
from tests.sync.estate import MIB, Estate


@pytest.fixture
def context(estate):
    return estate.take("small1")


def _files(estate: Estate) -> int:
    """How many files the VM's disk consists of."""
    (folder,) = {path.parent for path in estate.lab.folder.rglob("small1-flat.vmdk")}
    return len(list(folder.glob("small1*.vmdk")))


TOLD = [pytest.param(True, marks=pytest.mark.slow), False]


@pytest.mark.parametrize("told", TOLD)
def test_what_a_removal_leaves_is_consolidated_by_the_job_itself(estate, context, told):
    estate.control.leave_consolidation("small1", told=told)
    estate.replicate(context)
    assert _files(estate) == 1
    assert context.consolidation_needed is False
    estate.control.fill("small1", 2000, 40 * MIB, MIB, seed=1)
    assert estate.replicate(context).bytes_transferred == MIB


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.slow
def test_what_cannot_be_consolidated_is_a_warning_and_the_next_jobs_first_work(
    estate, context, told
):
    estate.control.leave_consolidation("small1", told=told)
    estate.control.refuse_consolidation("small1")
    first = estate.run_job(context)
    assert first.status == JobStatus.COMPLETED, first.error_message
    step = JobStep.objects.get(job=first, name=StepName.CLEAN_UP)
    assert (step.status, "it left files" in step.message) == (StepStatus.WARNING, True)
    context.refresh_from_db()
    assert context.consolidation_needed is True

    second = estate.run_job(context)
    assert second.status == JobStatus.PENDING
    assert "consolidate" in second.error_message
    assert "linked clone" not in second.error_message
    assert "locked" in second.error_message  # vSphere's own words

    estate.control.refuse_consolidation("small1", on=False)
    estate.control.leave_consolidation("small1", on=False)
    ReplicationJob.objects.update(next_attempt_at=None)
    assert runner.run_next() == second.pk
    second.refresh_from_db()
    assert second.status == JobStatus.COMPLETED, second.error_message
    estate.assert_equal_to_snapshot(second.recovery_point)
    estate.assert_nothing_left_over(context)
    assert _files(estate) == 1
    context.refresh_from_db()
    assert context.consolidation_needed is False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("deny_privilege", ("System.Read",), "System.Read"),
        pytest.param(
            *("refuse_property", ("small1", "runtime.consolidationNeeded"), "small1"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("refuse_property", ("small1", "config.instanceUuid"), "config.instanceUuid"),
            marks=pytest.mark.slow,
        ),
        pytest.param("spoil_reading", ("small1",), "SystemError", marks=pytest.mark.slow),
    ],
)
def test_what_is_not_known_of_a_removal_is_not_called_left(
    estate, context, monkeypatch, verb, arguments, words
):
    """The VM cannot be read any more after the removal, for a missing right or otherwise."""
    remove = snapshots.remove

    def remove_and_refuse(*given, **more):
        remove(*given, **more)
        estate.control.call(verb, **dict(zip(NAMES[verb], arguments, strict=True)))

    monkeypatch.setattr(snapshots, "remove", remove_and_refuse)
    job = estate.run_job(context)
    assert job.status == JobStatus.COMPLETED, job.error_message
    step = JobStep.objects.get(job=job, name=StepName.CLEAN_UP)
    assert step.status == StepStatus.WARNING
    assert "could not check the VM for files that it left" in step.message
    assert words in step.message
    assert "but it left files" not in step.message
    estate.control.clear_faults()
    estate.control.clear_odd_properties()
    monkeypatch.undo()
    estate.replicate(context)


NAMES = {
    "deny_privilege": ("privilege",),
    "refuse_property": ("entity", "path"),
    "spoil_reading": ("entity",),
}
