"""A job that did not complete shows its clean-up as a step, too, and how it went."""

from __future__ import annotations

from datetime import timedelta

import pytest

from replication.models import JobStep, VMSnapshot
from replication.states import JobStatus, SnapshotState, StepName, StepStatus
from replication.sync import cleanup, verdict


@pytest.fixture
def failed_after_its_snapshot(estate):
    """A job that failed for good and left its snapshot and image."""
    context = estate.take("small1")
    estate.control.fail("GET /folder", nth=4, fault="403", times=1000)
    job = estate.run_job(context)
    estate.control.clear_faults()
    assert job.status == JobStatus.FAILED
    assert VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exists()
    return job


def clean_up_of(job) -> JobStep:
    return JobStep.objects.get(job=job, name=StepName.CLEAN_UP)


def test_what_a_failed_job_left_is_removed_in_a_step_of_its_own(estate, failed_after_its_snapshot):
    job = failed_after_its_snapshot
    cleanup.clean_context(job.vm_context_id)
    step = clean_up_of(job)
    assert (step.status, step.attempt) == (StepStatus.COMPLETED, job.attempt)
    assert step.completed_at >= step.started_at >= job.completed_at
    estate.assert_nothing_left_over(job.vm_context)


@pytest.mark.slow
def test_what_cannot_be_removed_is_a_warning_with_its_reason(estate, failed_after_its_snapshot):
    job = failed_after_its_snapshot
    estate.control.refuse_snapshot_removal("small1")
    for _ in range(2):  # trying again makes no second step
        cleanup.clean_context(job.vm_context_id)
    step = clean_up_of(job)
    assert step.status == StepStatus.WARNING
    assert "could not be removed" in step.message
    assert VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).get().problem
    estate.control.refuse_snapshot_removal("small1", on=False)
    cleanup.clean_context(job.vm_context_id)
    estate.assert_nothing_left_over(job.vm_context)
    step.refresh_from_db()
    assert step.status == StepStatus.COMPLETED
    assert step.message.startswith("Done at a later attempt. Before: ")
    assert "could not be removed" in step.message


def test_a_job_that_left_nothing_has_no_clean_up(estate, monkeypatch):
    monkeypatch.setattr(verdict, "PASSES_WITHIN", timedelta(0))
    context = estate.take("small1")
    estate.control.take_snapshot("small1", "of somebody else")
    job = estate.run_job(context)
    assert job.status == JobStatus.FAILED
    cleanup.clean_context(context.pk)
    assert not JobStep.objects.filter(job=job, name=StepName.CLEAN_UP).exists()
