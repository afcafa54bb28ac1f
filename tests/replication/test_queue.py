"""The database as the queue: claiming, and taking over from dead workers."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from contexts.errors import TransitionRefused
from contexts.states import ContextStatus
from replication.models import ContextLease, DiskImage, ReplicationJob, VMSnapshot
from replication.scheduler import tick
from replication.services import cancel, finish, leases, left_overs, queue
from replication.states import ImageState, JobStatus, LeaseHolder, SnapshotState, StepStatus
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
# What every tick asks for besides.
LOOKS = [("replication.tasks.look_at_repositories",), ("replication.tasks.ask_vcenters",)]


@pytest.fixture
def context(tmp_path):
    return factories.context(keep_in=factories.repository(path=tmp_path / "repository"))


def _kill_worker(context) -> None:
    ContextLease.objects.filter(vm_context=context).update(expires_at=Now() - timedelta(seconds=1))


def test_a_claimed_job_runs_and_holds_the_lease(context):
    job = factories.pending_job(context)
    claimed, lease = queue.claim_next()
    assert claimed.pk == job.pk
    assert (claimed.status, claimed.worker_name) == (JobStatus.RUNNING, leases.this_worker())
    assert claimed.started_at is not None
    assert ContextLease.objects.get().token == lease.token


def test_a_stale_message_finds_nothing(context):
    factories.pending_job(context)
    assert queue.claim_next()
    assert queue.claim_next() is None


def test_the_oldest_job_is_claimed_first(context):
    first = factories.pending_job(context)
    factories.pending_job(factories.context("other", keep_in=context.repository))
    assert queue.claim_next()[0].pk == first.pk


def test_a_job_waits_until_its_next_attempt(context):
    job = factories.pending_job(context)
    ReplicationJob.objects.update(next_attempt_at=Now() + timedelta(minutes=1))
    assert queue.claim_next() is None
    ReplicationJob.objects.update(next_attempt_at=Now())
    assert queue.claim_next()[0].pk == job.pk


def test_a_job_waits_while_somebody_else_holds_the_context(context):
    factories.pending_job(context)
    lease = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    assert queue.claim_next() is None
    leases.release(lease)
    assert queue.claim_next()


def test_jobs_whose_repository_is_away_do_not_hide_those_of_another(context, tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "LOOK_AT", 1)
    factories.pending_job(context)
    other = factories.context("other", keep_in=factories.repository(path=tmp_path / "other"))
    job = factories.pending_job(other)
    (tmp_path / "repository").rename(tmp_path / "unmounted")
    assert queue.claim_next()[0].pk == job.pk


def test_a_job_whose_repository_is_away_waits_and_says_so(context, tmp_path):
    job = factories.pending_job(context)
    (tmp_path / "repository").rename(tmp_path / "unmounted")
    assert queue.claim_next() is None
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    assert "Waiting for the repository" in job.current_operation
    (tmp_path / "unmounted").rename(tmp_path / "repository")
    assert queue.claim_next()


def test_a_live_worker_keeps_its_job(context):
    factories.running_job(context)
    queue.take_over_expired()
    assert ReplicationJob.objects.get().status == JobStatus.RUNNING


def test_a_dead_workers_job_goes_back_to_wait_at_once(context, hints):
    job = factories.running_job(context)
    _kill_worker(context)
    queue.take_over_expired()
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.PENDING, 2)
    assert leases.this_worker() in job.error_message
    assert job.steps.get(name="transfer").status == StepStatus.INTERRUPTED
    context.refresh_from_db()
    assert context.current_job == job
    assert queue.claim_next()[0].pk == job.pk


def test_later_take_overs_wait_longer(context):
    factories.running_job(context, attempt=2)
    _kill_worker(context)
    queue.take_over_expired()
    job = ReplicationJob.objects.get()
    assert (job.status, job.attempt) == (JobStatus.PENDING, 3)
    assert queue.claim_next() is None


def test_after_the_last_attempt_the_job_fails_with_the_reason(context):
    factories.running_job(context, attempt=finish.MAX_ATTEMPTS)
    _kill_worker(context)
    queue.take_over_expired()
    job = ReplicationJob.objects.get()
    assert job.status == JobStatus.FAILED
    assert "Given up after 5 attempts" in job.error_message
    context.refresh_from_db()
    assert context.current_status == ContextStatus.FAILED
    assert (context.current_job, context.failed_jobs) == (None, 1)


def test_attempts_that_came_further_do_not_count(context):
    job = factories.running_job(context)
    for attempt in range(1, 2 * finish.MAX_ATTEMPTS + 1):
        DiskImage.objects.update(checkpoint_bytes=attempt << 20)
        _kill_worker(context)
        queue.take_over_expired()
        ReplicationJob.objects.update(next_attempt_at=None)
        assert queue.claim_next()[0].pk == job.pk
    for _ in range(finish.MAX_ATTEMPTS):
        _kill_worker(context)
        queue.take_over_expired()
        ReplicationJob.objects.update(next_attempt_at=None)
        queue.claim_next()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert "Given up after 15 attempts, 5 of them without progress." in job.error_message


def test_a_dead_workers_cancelled_job_is_cancelled(context):
    job = factories.running_job(context)
    cancel.cancel(job, actor="ops")
    _kill_worker(context)
    queue.take_over_expired()
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    context.refresh_from_db()
    assert (context.current_status, context.cancelled_jobs) == (ContextStatus.DISCOVERED, 1)


def test_an_unfinished_image_of_a_job_that_ended_is_found(context):
    """A worker that was paused began it when another one had ended the job already."""
    job = factories.running_job(context)
    VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=Now())
    image = DiskImage.objects.get()
    finish.failed(job.pk, "no")
    DiskImage.objects.filter(pk=image.pk).update(state=ImageState.WRITING)
    ContextLease.objects.all().delete()
    assert left_overs.contexts_to_clean() == [context.pk]


def test_what_a_failed_job_left_is_found(context):
    job = factories.running_job(context)
    assert left_overs.contexts_to_clean() == []
    finish.failed(job.pk, "no")
    assert DiskImage.objects.get().state == ImageState.DELETING
    assert left_overs.contexts_to_clean() == []  # its worker may still be at it
    ContextLease.objects.all().delete()
    assert left_overs.contexts_to_clean() == [context.pk]
    DiskImage.objects.all().delete()
    assert left_overs.contexts_to_clean() == [context.pk]
    VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=Now())
    assert left_overs.contexts_to_clean() == []


def test_a_job_that_cannot_be_taken_over_keeps_nothing_else_from_being_done(
    context, hints, monkeypatch, caplog
):
    odd = factories.running_job(factories.context("odd", keep_in=context.repository))
    other = factories.running_job(context)
    for job in (odd, other):
        _kill_worker(job.vm_context)
    failed = factories.running_job(factories.context("failed", keep_in=context.repository))
    finish.failed(failed.pk, "no")
    ContextLease.objects.filter(vm_context=failed.vm_context).delete()
    discovery = factories.discovery(factories.vcenter(), "pending", started_at=None)
    hints.clear()
    try_again = finish.try_again

    def refuse_odd(job_id: str, why: str, **how: Any) -> None:
        if job_id == odd.pk:
            raise TransitionRefused("Another process changed odd at the same moment.")
        try_again(job_id, why, **how)

    monkeypatch.setattr(finish, "try_again", refuse_odd)
    with pytest.raises(ExceptionGroup) as raised:
        tick.tick()
    assert raised.value.subgroup(TransitionRefused) is not None
    other.refresh_from_db()
    assert other.status == JobStatus.PENDING
    assert ("replication.tasks.run_next_job",) in hints
    assert ("replication.tasks.clean_up", failed.vm_context_id) in hints
    assert ("contexts.tasks.discover", discovery.pk) in hints
    assert odd.pk in caplog.text


def test_a_part_that_fails_keeps_no_other_part_from_being_done(context, hints, monkeypatch):
    def break_down() -> None:
        raise ValueError("broken")

    factories.pending_job(context)
    hints.clear()
    monkeypatch.setattr(tick, "PARTS", (break_down, *tick.PARTS))
    with pytest.raises(ExceptionGroup) as raised:
        tick.tick()
    assert raised.value.subgroup(ValueError) is not None
    assert hints == [("replication.tasks.run_next_job",), *LOOKS]


def test_the_tick_wakes_as_many_workers_as_are_free_and_have_something_to_do(context, hints):
    """All of them after a quiet time, when no job ends that would wake the next."""

    def hinted() -> int:
        hints.clear()
        tick.tick()
        return hints.count(("replication.tasks.run_next_job",))

    factories.pending_job(context)
    others = [factories.context(f"vm-{number}", keep_in=context.repository) for number in range(12)]
    for other in others[:11]:
        factories.pending_job(other)
    assert hinted() == 1, "a worker may just have been started"
    factories.sign_of_life("worker", "copies", slots=50)
    assert hinted() == 12
    factories.sign_of_life("worker", "copies", slots=11)
    factories.running_job(others[11])
    assert hinted() == 10


def test_the_tick_requests_some_clean_ups_of_each_vcenter(hints, tmp_path, monkeypatch):
    monkeypatch.setattr(tick, "CLEAN_UPS_PER_VCENTER", 2)
    monkeypatch.setattr(tick, "CLEAN_UPS_PER_TICK", 3)
    repository = factories.repository(path=tmp_path / "repository")
    vcenters = [factories.vcenter(), factories.vcenter()]
    of_vcenter = {}
    for number in range(8):
        vcenter = vcenters[number % 2]
        context = factories.context(f"vm-{number}", at=vcenter, keep_in=repository)
        finish.failed(factories.running_job(context).pk, "no")
        of_vcenter[context.pk] = vcenter.pk
    ContextLease.objects.all().delete()
    hints.clear()
    tick.tick()
    hinted = [of_vcenter[context_id] for _, context_id in hints[: -len(LOOKS)]]
    assert sorted(hinted.count(vcenter.pk) for vcenter in vcenters) == [1, 2]
