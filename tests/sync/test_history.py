"""The history of a VM whose workers are killed with -9: counted once, told once."""

import pytest
from django.db.models.functions import Now

from contexts.models import VMContext
from replication.models import ReplicationJob
from replication.services import cancel, finish, left_overs, start
from replication.states import StepStatus
from replication.sync import cleanup, runner
from tests.sync.estate import MIB, Estate


def _counters(context: VMContext) -> tuple[int, int, int, int]:
    context.refresh_from_db()
    return (
        context.total_jobs_run,
        context.successful_jobs,
        context.failed_jobs,
        context.cancelled_jobs,
    )


def _changes(context: VMContext, job: ReplicationJob) -> list[tuple[str, str, str]]:
    events = context.events.filter(job=job).order_by("id")
    return list(events.values_list("old", "new", "actor"))


@pytest.fixture
def context(estate: Estate, small1: VMContext) -> VMContext:
    """With a recovery point, and 24 MiB that changed since."""
    estate.control.fill("small1", 2000, 4 * MIB, 24 * MIB, seed=1)
    return small1


def test_a_job_that_is_taken_over_is_one_job(estate, context):
    first = context.last_successful_job
    job = start.start(context, trigger="manual", requested_by="anna")
    estate.worker_that_dies("within transfer")
    assert _counters(context) == (2, 1, 0, 0)
    assert (context.current_job, context.last_successful_job) == (job, first)
    assert context.current_status == "replicating"
    last_job_at, last_status_change = context.last_job_at, context.last_status_change

    estate.take_over()
    assert _counters(context) == (2, 1, 0, 0)
    assert (context.current_job, context.last_job_at) == (job, last_job_at)
    assert context.last_status_change == last_status_change
    assert runner.run_next() == job.pk
    assert _counters(context) == (2, 2, 0, 0)
    assert (context.current_job, context.last_successful_job) == (None, job)
    assert context.last_job_at == last_job_at
    assert context.last_status_change > last_status_change
    assert _changes(context, job) == [
        ("ready_for_failover", "replicating", "anna"),
        ("replicating", "ready_for_failover", "worker"),
    ]


def test_a_worker_that_dies_after_the_commit_has_counted_it(estate, context):
    job = start.start(context, trigger="manual", requested_by="anna")
    estate.worker_that_dies("after commit")
    estate.take_over()
    cleanup.clean_context(context.pk)
    assert _counters(context) == (2, 2, 0, 0)
    assert (context.current_job, context.last_successful_job) == (None, job)
    assert len(_changes(context, job)) == 2
    estate.assert_nothing_left_over(context)


def test_a_job_that_is_cancelled_while_its_worker_is_dead_is_counted_as_cancelled(estate, context):
    first = context.last_successful_job
    job = start.start(context, trigger="manual", requested_by="anna")
    estate.worker_that_dies("within transfer")
    cancel.cancel(job, actor="bert")
    estate.take_over()
    assert _counters(context) == (2, 1, 0, 1)
    assert (context.current_job, context.last_successful_job) == (None, first)
    assert _changes(context, job)[1:] == [("replicating", "ready_for_failover", "bert")]
    assert not context.cbt_history.get(job=job).sync_success


@pytest.mark.slow
def test_a_job_whose_every_worker_dies_fails_once(estate):
    context = estate.take("small1")
    job = start.start(context, trigger="manual", requested_by="anna")
    for attempt in range(1, finish.MAX_ATTEMPTS + 1):
        ReplicationJob.objects.update(next_attempt_at=Now())
        estate.worker_that_dies("within snapshot")
        job.refresh_from_db()
        assert (job.status, job.attempt) == ("running", attempt)
        assert _counters(context) == (1, 0, 0, 0)
        estate.take_over()
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("failed", finish.MAX_ATTEMPTS)
    assert job.error_message.startswith("Given up after 5 attempts. The worker ")
    assert _counters(context) == (1, 0, 1, 0)
    assert (context.current_job, context.current_status) == (None, "failed")
    assert _changes(context, job) == [
        ("discovered", "replicating", "anna"),
        ("replicating", "failed", "worker"),
    ]
    cut_short = job.steps.filter(name="snapshot").order_by("attempt")
    assert [step.status for step in cut_short] == [StepStatus.INTERRUPTED] * 4 + [StepStatus.FAILED]

    assert left_overs.contexts_to_clean() == [context.pk]
    cleanup.clean_context(context.pk)
    estate.assert_nothing_left_over(context)
    estate.replicate(context)
    assert _counters(context) == (2, 1, 1, 0)
    assert context.current_status == "ready_for_failover"
