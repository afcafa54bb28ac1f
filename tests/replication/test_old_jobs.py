"""Deleting old jobs: what goes with them, what keeps them, and what stays counted."""

import os
import subprocess
import sys
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from contexts import event_chains
from contexts.models import ContextEvent, VMContext
from replication import tasks
from replication.integrity.findings import Scope
from replication.integrity.jobs import completed_without_point
from replication.models import (
    CBTHistory,
    ContextLease,
    DiskImage,
    JobLogLine,
    JobSample,
    JobStep,
    PointRemoval,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.services import cancel, finish, leases, old_jobs, removal, start
from replication.states import JobStatus, LeaseHolder, SnapshotState, Trigger
from tests import factories

pytestmark = pytest.mark.django_db
COUNTERS = ("total_jobs_run", "successful_jobs", "failed_jobs", "cancelled_jobs")


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture
def context(tmp_path):
    return factories.context(keep_in=factories.repository(path=tmp_path / "here"))


def _age(*jobs: ReplicationJob, days: float = 40) -> None:
    ReplicationJob.objects.filter(pk__in=[job.pk for job in jobs]).update(
        completed_at=timezone.now() - timedelta(days=days)
    )


def _run(*, days: int = 30, dry_run: bool = False) -> list[str]:
    out = StringIO()
    call_command("delete_old_jobs", older_than_days=days, dry_run=dry_run, stdout=out)
    return out.getvalue().splitlines()


def _ids() -> set[str]:
    return set(ReplicationJob.objects.values_list("pk", flat=True))


def _failed_in_its_transfer(context) -> ReplicationJob:
    """With all that a job tells, CBT history, an image and a snapshot that are cleaned up."""
    job = factories.running_job(context)
    JobLogLine.objects.create(job=job, attempt=1, at=Now(), level="info", message="Begun.")
    JobSample.objects.create(
        job=job, attempt=1, at=Now(), seconds=1.0, bytes_transferred=1, bytes_per_second=1.0
    )
    finish.failed(job.pk, "The vCenter did not answer.")
    job.images.all().delete()
    job.snapshots.update(state=SnapshotState.REMOVED, removed_at=Now())
    ContextLease.objects.all().delete()
    context.refresh_from_db()
    job.refresh_from_db()
    return job


def test_old_jobs_go_with_what_only_they_own(context):
    old, new = _failed_in_its_transfer(context), _failed_in_its_transfer(context)
    cancelled = factories.cancelled_job(context)
    _age(old, cancelled)
    assert _run() == ["Deleted 2 jobs, kept 0."]
    assert _ids() == {new.pk}
    for model in (JobStep, JobSample, JobLogLine, CBTHistory, VMSnapshot):
        assert set(model.objects.values_list("job_id", flat=True)) == {new.pk}


def test_counters_and_times_continue_counting_what_ran(context):
    jobs = [_failed_in_its_transfer(context), factories.cancelled_job(context)]
    first = factories.completed_job(context)
    last = factories.completed_job(context)
    kept = (*COUNTERS, "first_job_at", "last_job_at", "last_status_change", "current_status")
    kept += ("last_successful_job_id", "current_job_id")
    before = VMContext.objects.values(*kept).get()
    _age(*jobs, first, last)
    _run()
    assert _ids() == {first.pk, last.pk}
    assert VMContext.objects.values(*kept).get() == before
    assert [before[name] for name in COUNTERS] == [4, 2, 1, 1]


def test_events_stay_and_still_name_the_job(context):
    job = factories.failed_job(context, "The vCenter is away.")
    count = ContextEvent.objects.count()
    _age(job)
    _run()
    assert ContextEvent.objects.count() == count
    failed = context.events.get(new="failed")
    assert failed.job is None
    assert failed.reason == f"The vCenter is away. ({job.pk}, since deleted)"
    assert job.pk in context.events.get(new="replicating").reason
    assert event_chains.verify().faults == []


def test_a_job_of_a_recovery_point_is_kept_even_when_that_has_expired(context):
    job = factories.completed_job(context)
    _age(job)
    kept = ["Deleted 0 jobs, kept 1.", "  kept 1: a recovery point refers to it"]
    assert _run() == kept
    removal.delete_replica_data(context, confirm_vm_name="pgtest1", actor="ops")
    job.images.all().delete()
    VMContext.objects.update(last_successful_job=None)
    assert _run() == kept
    assert CBTHistory.objects.filter(job=job).exists()


def test_active_jobs_and_the_last_successful_one_are_kept(context):
    successful = factories.completed_job(context)
    successful.images.all().delete()
    successful.recovery_point.delete()
    running = factories.running_job(context)
    waiting = factories.pending_job(factories.context("other", keep_in=context.repository))
    _age(successful)
    ReplicationJob.objects.update(created_at=timezone.now() - timedelta(days=99))
    assert _run() == ["Deleted 0 jobs, kept 1.", "  kept 1: its context refers to it"]
    assert _ids() == {successful.pk, running.pk, waiting.pk}


def test_a_job_that_left_something_is_kept_until_it_is_cleaned_up(context):
    job = factories.running_job(context)
    finish.failed(job.pk, "no")
    _age(job)
    assert _run()[1:] == ["  kept 1: its files are not removed yet"]
    job.images.all().delete()
    assert _run()[1:] == ["  kept 1: its snapshot is not removed yet"]
    job.snapshots.update(state=SnapshotState.REMOVED, removed_at=Now())
    assert _run()[1:] == ["  kept 1: its worker is still running"]
    ContextLease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert _run() == ["Deleted 1 job, kept 0."]
    assert not ContextLease.objects.exists()


def test_another_holder_of_the_context_is_left_alone(context):
    job = factories.failed_job(context)
    _age(job)
    lease = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    assert _run() == ["Deleted 1 job, kept 0."]
    assert ContextLease.objects.get().token == lease.token


def test_a_dry_run_says_the_same_and_does_nothing(context):
    jobs = [factories.failed_job(context), factories.completed_job(context)]
    _age(*jobs)
    said = _run(dry_run=True)
    assert said == ["Would delete 1 job, kept 1.", "  kept 1: a recovery point refers to it"]
    assert _ids() == {job.pk for job in jobs}
    assert context.events.filter(job=jobs[0]).count() == 2
    assert _run() == ["Deleted 1 job, kept 1.", *said[1:]]


def test_what_ended_within_the_days_is_kept(context):
    older, younger = factories.failed_job(context), factories.failed_job(context)
    _age(older, days=30.01)
    _age(younger, days=29.99)
    _run(days=30)
    assert _ids() == {younger.pk}


def test_many_jobs_go_in_batches_with_few_queries(
    context, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(old_jobs, "BATCH", 4)
    jobs = [factories.failed_job(context) for _ in range(10)]
    _age(*jobs)
    with django_assert_max_num_queries(4 * 27):
        assert _run() == ["Deleted 10 jobs, kept 0."]
    assert not ReplicationJob.objects.exists()
    context.refresh_from_db()
    assert context.failed_jobs == 10


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "many", "99999999"])
def test_a_senseless_age_is_refused(days):
    with pytest.raises(CommandError, match="whole number of days"):
        call_command("delete_old_jobs", "--older-than-days", days)


def test_the_age_has_to_be_given():
    with pytest.raises(CommandError, match="older-than-days"):
        call_command("delete_old_jobs")


def test_the_task_of_the_schedule_does_it(context, settings):
    older, younger = factories.failed_job(context), factories.failed_job(context)
    _age(older, days=31)
    settings.KEEP_JOBS_DAYS = 0
    tasks.delete_old_jobs()
    assert _ids() == {older.pk, younger.pk}
    settings.KEEP_JOBS_DAYS = 30
    tasks.delete_old_jobs()
    assert _ids() == {younger.pk}


@pytest.mark.parametrize("days", ["", "0", "30"])
def test_it_is_scheduled_only_where_somebody_wants_it(days, tmp_path):
    said = _settings("CELERY_BEAT_SCHEDULE.get('delete-old-jobs')", "JOBS", days, tmp_path)
    if days == "30":
        assert "'task': 'replication.tasks.delete_old_jobs'" in said
    else:
        assert said == "None\n"


def test_what_the_schedule_made_is_forgotten_by_itself(context, settings):
    """Its jobs, and their points that have gone; nothing that is left of a point's files, or
    younger, or asked for by people. What is kept is no finding."""
    by_hand, scheduled, with_files, young, failed, newest = [
        factories.completed_job(context) for _ in range(4)
    ] + [factories.failed_job(context), factories.completed_job(context)]
    jobs = ReplicationJob.objects.exclude(pk=by_hand.pk)
    jobs.update(trigger=Trigger.SCHEDULE)
    _age(by_hand, scheduled, with_files, young, failed, days=100)
    points = RecoveryPoint.objects
    for job, days in ((by_hand, 91), (scheduled, 91), (with_files, 91), (young, 89)):
        gone = timezone.now() - timedelta(days=days)
        point = points.filter(job=job)
        DiskImage.objects.filter(recovery_point__in=point).update(parent=None)
        point.update(state="expired", expired_at=gone, expired_why="policy")
        PointRemoval.objects.create(
            **{"recovery_point": point.get(), "vm_context": context, "why": "policy"},
            **{"requested_by": "retention", "state": "done", "started_at": gone, "ended_at": gone},
        )
    DiskImage.objects.filter(job=newest).update(parent=None)
    DiskImage.objects.exclude(job=newest).update(state="deleting")
    DiskImage.objects.filter(job__in=[by_hand, scheduled, young]).delete()
    VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=timezone.now())
    settings.KEEP_HISTORY_DAYS = 90
    tasks.forget_history()
    assert set(points.values_list("job", flat=True)) == _ids() - {scheduled.pk}
    assert PointRemoval.objects.count() == 3
    assert _ids() == {by_hand.pk, with_files.pk, young.pk, newest.pk}
    settings.KEEP_HISTORY_DAYS = 30
    tasks.forget_history()
    assert _ids() == {by_hand.pk, with_files.pk, newest.pk}
    assert list(completed_without_point(Scope())) == []


@pytest.mark.parametrize(("days", "said"), [("", "90 "), ("0", "0 None"), ("30", "30 ")])
def test_that_has_a_default(days, said, tmp_path):
    wanted = "KEEP_HISTORY_DAYS, CELERY_BEAT_SCHEDULE.get('forget-history')"
    assert _settings(wanted, "HISTORY", days, tmp_path).startswith(said)


def _settings(expression: str, name: str, days: str, data: Path) -> str:
    environment = os.environ | {"VMREP_DATA_DIR": str(data)}
    environment |= {f"VMREP_KEEP_{name}_DAYS": days} if days else {}
    script = f"from vmrep.settings import *; print({expression})"
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.django_db(transaction=True)
def test_beside_starting_and_ending_jobs_nothing_is_lost(tmp_path, monkeypatch):
    """Contexts whose jobs come and go while old jobs are deleted all the time."""
    monkeypatch.setattr(old_jobs, "BATCH", 3)
    repository = factories.repository(path=tmp_path / "here")
    contexts = [factories.context(f"vm{number}", keep_in=repository) for number in range(3)]
    rounds, errors, done = 8, [], threading.Event()

    def keep_busy(context: VMContext) -> None:
        try:
            for _ in range(rounds):
                job = start.start(context, trigger="manual", requested_by="ops")
                cancel.cancel(job, actor="ops")
                _age(job)
        except Exception as problem:  # noqa: BLE001  told by the assertion below
            errors.append(problem)
        finally:
            connection.close()

    def keep_deleting() -> None:
        try:
            while not done.is_set():
                old_jobs.delete_old_jobs(timedelta(days=1))
        except Exception as problem:  # noqa: BLE001
            errors.append(problem)
        finally:
            connection.close()

    busy = [threading.Thread(target=keep_busy, args=[context]) for context in contexts]
    deleting = threading.Thread(target=keep_deleting)
    for thread in (*busy, deleting):
        thread.start()
    for thread in busy:
        thread.join()
    done.set()
    deleting.join()
    assert errors == []
    old_jobs.delete_old_jobs(timedelta(days=1))
    assert not ReplicationJob.objects.filter(status=JobStatus.CANCELLED).exists()
    for context in contexts:
        context.refresh_from_db()
        assert (context.total_jobs_run, context.cancelled_jobs) == (rounds, rounds)
        assert context.events.exclude(told_job_id="").filter(job=None).count() == 2 * rounds
