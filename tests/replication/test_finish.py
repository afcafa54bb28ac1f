"""How a job ends: outcome, counters, status and recovery point together."""

import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now

from contexts.models import ContextEvent
from contexts.states import ContextStatus
from contexts.vsphere.lineage import Lineage
from replication.errors import JobNotActive, LeaseLost, TryAgain
from replication.models import (
    CBTHistory,
    DiskImage,
    JobStep,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.services import cancel, finish
from replication.services.leases import Lease
from replication.states import ImageState, JobStatus, LeaseHolder
from tests import factories
from tests.factories import MIB

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def _counters(context) -> tuple[int, int, int, int]:
    context.refresh_from_db()
    return (
        context.total_jobs_run,
        context.successful_jobs,
        context.failed_jobs,
        context.cancelled_jobs,
    )


def test_a_completed_job_makes_a_recovery_point():
    context = factories.context()
    job = factories.completed_job(context)
    point = RecoveryPoint.objects.get()
    assert (job.status, job.replication_type) == (JobStatus.COMPLETED, "initial")
    assert job.bytes_transferred == job.total_bytes == 32 * MIB
    assert (point.job, point.state, point.disk_count) == (job, "available", 1)
    assert DiskImage.objects.get().recovery_point == point
    assert context.current_status == ContextStatus.READY
    assert (context.current_job, context.last_successful_job) == (None, job)
    assert _counters(context) == (1, 1, 0, 0)


def test_cbt_history_counts_blocks_of_64_kib_rounded_up():
    context = factories.context()
    factories.completed_job(context, planned_bytes=(64 << 10) + 512)
    entry = CBTHistory.objects.get()
    assert (entry.blocks_changed, entry.bytes_transferred) == (2, (64 << 10) + 512)
    assert entry.sync_success


def test_a_second_completed_job_is_incremental():
    context = factories.context()
    factories.completed_job(context)
    assert factories.completed_job(context).replication_type == "incremental"
    assert _counters(context) == (2, 2, 0, 0)


def test_a_failed_job_without_recovery_point_makes_the_context_failed():
    context = factories.context()
    job = factories.failed_job(context, "The repository is full.")
    assert job.error_message == "The repository is full."
    assert context.current_status == ContextStatus.FAILED
    assert _counters(context) == (1, 0, 1, 0)


def test_a_failed_job_leaves_a_context_with_a_recovery_point_ready():
    context = factories.context()
    first = factories.completed_job(context)
    factories.failed_job(context)
    assert context.current_status == ContextStatus.READY
    assert context.last_successful_job == first
    assert RecoveryPoint.objects.get().state == "available"
    assert _counters(context) == (2, 1, 1, 0)


def test_a_cancelled_job_returns_the_context_to_what_it_was():
    context = factories.context()
    factories.cancelled_job(context)
    assert context.current_status == ContextStatus.DISCOVERED
    factories.failed_job(context)
    factories.cancelled_job(context)
    assert context.current_status == ContextStatus.FAILED
    factories.completed_job(context)
    factories.cancelled_job(context)
    assert context.current_status == ContextStatus.READY
    assert _counters(context) == (5, 1, 1, 3)


def test_cancelling_a_running_job_only_asks_its_worker():
    job = cancel.cancel(factories.running_job(factories.context()), actor="ops")
    assert job.status == JobStatus.RUNNING
    assert (job.cancel_requested_by, job.cancel_requested_at is None) == ("ops", False)


def test_an_ended_job_cannot_be_cancelled():
    job = factories.completed_job(factories.context())
    with pytest.raises(JobNotActive, match="completed"):
        cancel.cancel(job, actor="ops")


def test_unfinished_images_of_a_failed_job_are_left_to_the_clean_up():
    context = factories.context()
    job = factories.running_job(context)
    finish.failed(job.pk, "no")
    assert DiskImage.objects.get().state == ImageState.DELETING
    assert not CBTHistory.objects.get().sync_success


def test_a_worker_without_the_lease_cannot_end_the_job():
    context = factories.context()
    job = factories.running_job(context)
    stranger = Lease(context.pk, LeaseHolder.JOB, uuid.uuid4())
    for attempt in (
        lambda: finish.failed(job.pk, "no", lease=stranger),
        lambda: finish.cancelled(job.pk, actor="x", lease=stranger),
        lambda: finish.try_again(job.pk, "no", lease=stranger),
        lambda: finish.completed(job.pk, stranger, job.snapshots.get(), Lineage("vm-1"), []),
    ):
        with pytest.raises(LeaseLost), transaction.atomic():
            attempt()
    assert ReplicationJob.objects.get().status == JobStatus.RUNNING
    assert _counters(context) == (1, 0, 0, 0)


def test_an_ended_job_cannot_end_again():
    context = factories.context()
    job = factories.failed_job(context)
    with pytest.raises(LeaseLost), transaction.atomic():
        finish.failed(job.pk, "again")
    assert _counters(context) == (1, 0, 1, 0)


def test_every_change_of_status_leaves_an_event():
    context = factories.context()
    factories.failed_job(context, "The vCenter is away.")
    changes = [
        (event.old, event.new, event.why)
        for event in ContextEvent.objects.filter(vm_context=context).order_by("id")
    ]
    assert changes[-2:] == [
        ("discovered", "replicating", "replication started (manual)"),
        ("replicating", "failed", "The vCenter is away."),
    ]


def test_an_image_on_another_than_the_last_one_of_its_disk_is_not_committed(monkeypatch):
    """It holds what changed since its parent; what the one between holds would be lost."""
    context = factories.context()
    first = factories.completed_job(context)
    factories.completed_job(context)
    images = factories.images_of

    def on_the_first(job, snapshot, planned_bytes):
        made = images(job, snapshot, planned_bytes)
        parent = DiskImage.objects.get(job=first)
        DiskImage.objects.filter(pk__in=[image.pk for image in made]).update(parent=parent)
        return made

    monkeypatch.setattr(factories, "images_of", on_the_first)
    with pytest.raises(TryAgain, match="no longer the last image"):
        factories.completed_job(context)
    assert RecoveryPoint.objects.count() == 2
    assert ReplicationJob.objects.filter(status=JobStatus.COMPLETED).count() == 2


FOREIGN = "a NUL \0 and half a pair \udcff"
KEPT = "a NUL \ufffd and half a pair ?"


@pytest.mark.parametrize(
    "end", [finish.failed, finish.try_again, finish.wait_for_others], ids=lambda end: end.__name__
)
def test_foreign_words_that_a_database_cannot_keep_end_a_job_all_the_same(end):
    job = factories.running_job(factories.context())
    step = JobStep.objects.create(job=job, attempt=1, name="commit", started_at=Now())
    end(job.pk, FOREIGN)
    job.refresh_from_db()
    step.refresh_from_db()
    assert job.status != JobStatus.RUNNING
    assert job.error_message == step.message == KEPT


def test_a_job_that_fails_after_its_cancel_is_cancelled_and_its_log_has_the_reason():
    context = factories.context()
    job = factories.running_job(context)
    cancel.cancel(job, actor="ann")
    finish.failed(job.pk, "The repository is full.")
    job.refresh_from_db()
    assert (job.status, job.error_message) == (JobStatus.CANCELLED, "")
    assert "The repository is full." in " ".join(line.message for line in job.log_lines.all())
    assert _counters(context) == (1, 0, 0, 1)


@pytest.mark.parametrize(("waited", "minutes"), [(0, 2), (5, 2), (30, 5), (120, 10), (1380, 10)])
def test_the_longer_vsphere_takes_the_later_the_job_looks_again(waited, minutes):
    job = factories.running_job(factories.context())
    VMSnapshot.objects.update(consistent_at=Now() - timedelta(minutes=waited))
    finish.wait_for_others(job.pk, "vSphere's task task-1 still runs.")
    job.refresh_from_db()
    delay = job.next_attempt_at - job.updated_at
    assert round(delay / timedelta(minutes=1)) == minutes
