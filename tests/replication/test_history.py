"""The history of a VM: counters, jobs, times and events, after everything that can happen to it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from contexts.models import ContextEvent, VMContext
from contexts.services import management
from contexts.vsphere.lineage import Lineage
from replication.models import (
    CBTHistory,
    ContextLease,
    DiskImage,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.services import (
    cancel,
    finish,
    leases,
    old_jobs,
    places,
    queue,
    removal,
    results,
    start,
)
from replication.states import ImageState, SnapshotState, StepStatus
from tests import factories

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WORKER = "worker"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture
def context(tmp_path):
    return factories.context("web-01", keep_in=factories.repository(path=tmp_path / "here"))


@dataclass
class Expected:
    """What the context's row must say."""

    status: str = "discovered"
    current_job: str | None = None
    last_successful_job: str | None = None
    total: int = 0
    successful: int = 0
    failed: int = 0
    cancelled: int = 0
    managed: bool = True

    def check(self, context: VMContext) -> None:
        context.refresh_from_db()
        assert self == Expected(
            context.current_status,
            context.current_job_id,
            context.last_successful_job_id,
            context.total_jobs_run,
            context.successful_jobs,
            context.failed_jobs,
            context.cancelled_jobs,
            context.is_managed,
        )


class Watch:
    """What an action does to the times and events of a context."""

    def __init__(self, context: VMContext) -> None:
        self.context = context

    def __call__(self, act: Callable[[], Any]) -> tuple[Any, list[tuple[Any, ...]], set[str]]:
        """Act; returns its result, the new events (old, new, why, actor, job) and the columns of
        time that were written."""
        rows = VMContext.objects.filter(pk=self.context.pk)
        before = {"last_status_change": LONG_AGO, "last_job_at": LONG_AGO}
        if rows.get().first_job_at is not None:
            before["first_job_at"] = LONG_AGO
        rows.update(**before)
        newest = ContextEvent.objects.order_by("-id").first()
        result = act()
        events = ContextEvent.objects.filter(
            vm_context=self.context, pk__gt=newest.pk if newest else 0
        ).order_by("id")
        row = rows.get()
        moved = {
            name
            for name in ("last_status_change", "last_job_at", "first_job_at")
            if getattr(row, name) not in (LONG_AGO, None)
        }
        assert all(
            abs(timezone.now() - getattr(row, name)) < timedelta(seconds=30) for name in moved
        )
        told = list(events.values_list("old", "new", "why", "actor", "job_id"))
        return result, told, moved


@pytest.fixture
def watch(context):
    return Watch(context)


def _start(context: VMContext) -> ReplicationJob:
    return start.start(context, trigger="manual", requested_by="anna")


def _lose_the_worker() -> None:
    ContextLease.objects.update(expires_at=Now() - timedelta(seconds=1))


def test_a_start(context, watch):
    job, events, moved = watch(lambda: _start(context))
    assert moved == {"last_status_change", "last_job_at", "first_job_at"}
    assert events == [("discovered", "replicating", "replication started (manual)", "anna", job.pk)]
    Expected("replicating", job.pk, None, 1).check(context)


def test_a_second_start_leaves_the_time_of_the_first(context, watch):
    factories.failed_job(context)
    job, events, moved = watch(lambda: _start(context))
    assert moved == {"last_status_change", "last_job_at"}
    assert [event[:2] for event in events] == [("failed", "replicating")]
    Expected("replicating", job.pk, None, 2, failed=1).check(context)


def _complete(job: ReplicationJob) -> None:
    lease = leases.Lease(job.vm_context_id, "job", ContextLease.objects.get(job=job).token)
    disks = [results.SealedDisk(image.pk, 1 << 20, "0f" * 16) for image in job.images.all()]
    finish.completed(job.pk, lease, job.snapshots.get(), Lineage("vm-1"), disks)
    leases.release(lease)


def test_a_success(context, watch):
    job = factories.running_job(context)
    _, events, moved = watch(lambda: _complete(job))
    assert moved == {"last_status_change"}
    assert events == [
        ("replicating", "ready_for_failover", "replication completed", WORKER, job.pk)
    ]
    Expected("ready_for_failover", None, job.pk, 1, successful=1).check(context)
    assert set(CBTHistory.objects.values_list("job_id", "sync_success")) == {(job.pk, True)}


@pytest.mark.parametrize("with_point", [False, True])
def test_a_failure(context, watch, with_point):
    earlier = factories.completed_job(context) if with_point else None
    job = factories.running_job(context)
    _, events, moved = watch(lambda: finish.failed(job.pk, "The datastore is full."))
    status = "ready_for_failover" if with_point else "failed"
    assert moved == {"last_status_change"}
    assert events == [("replicating", status, "The datastore is full.", WORKER, job.pk)]
    count = int(with_point)
    Expected(status, None, earlier and earlier.pk, 1 + count, successful=count, failed=1).check(
        context
    )
    job.refresh_from_db()
    assert (job.status, job.error_message) == ("failed", "The datastore is full.")
    assert job.completed_at is not None
    assert CBTHistory.objects.get(job=job).sync_success is False


@pytest.mark.parametrize("before", ["discovered", "failed", "ready_for_failover"])
def test_cancelling_a_job_that_waits(context, watch, before):
    expected = Expected(before, total=1, cancelled=1)
    if before == "failed":
        factories.failed_job(context)
        expected.total, expected.failed = 2, 1
    elif before == "ready_for_failover":
        expected.last_successful_job = factories.completed_job(context).pk
        expected.total, expected.successful = 2, 1
    job = _start(context)
    _, events, moved = watch(lambda: cancel.cancel(job, actor="bert"))
    assert moved == {"last_status_change"}
    assert events == [("replicating", before, "replication cancelled", "bert", job.pk)]
    expected.check(context)
    job.refresh_from_db()
    assert (job.status, job.cancel_requested_by) == ("cancelled", "bert")
    assert job.completed_at is not None


def test_cancelling_a_job_that_runs(context, watch):
    job = factories.running_job(context)
    _, events, moved = watch(lambda: cancel.cancel(job, actor="bert"))
    assert (events, moved) == ([], set())
    Expected("replicating", job.pk, None, 1).check(context)
    _, events, moved = watch(lambda: finish.cancelled(job.pk, actor="bert"))
    assert moved == {"last_status_change"}
    assert events == [("replicating", "discovered", "replication cancelled", "bert", job.pk)]
    Expected(total=1, cancelled=1).check(context)
    assert CBTHistory.objects.get(job=job).sync_success is False


def test_a_retry_and_a_take_over_change_nothing_but_the_job(context, watch):
    job = factories.running_job(context)
    _, events, moved = watch(lambda: finish.try_again(job.pk, "The connection broke."))
    assert (events, moved) == ([], set())
    Expected("replicating", job.pk, None, 1).check(context)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.completed_at) == ("pending", 2, None)
    assert job.error_message == "The connection broke."
    assert job.steps.get(name="transfer").status == StepStatus.INTERRUPTED

    ContextLease.objects.all().delete()
    ReplicationJob.objects.update(next_attempt_at=None)
    assert queue.claim_next()
    _lose_the_worker()
    _, events, moved = watch(queue.take_over_expired)
    assert (events, moved) == ([], set())
    Expected("replicating", job.pk, None, 1).check(context)
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("pending", 3)


def test_giving_up_after_five_attempts(context, watch):
    job = factories.running_job(context)
    for attempt in range(2, finish.MAX_ATTEMPTS + 1):
        _lose_the_worker()
        queue.take_over_expired()
        ReplicationJob.objects.update(next_attempt_at=None)
        assert queue.claim_next()[0].attempt == attempt
        Expected("replicating", job.pk, None, 1).check(context)
    _lose_the_worker()
    _, events, moved = watch(queue.take_over_expired)
    assert moved == {"last_status_change"}
    ((old, new, why, actor, job_id),) = events
    assert (old, new, actor, job_id) == ("replicating", "failed", WORKER, job.pk)
    assert why.startswith("Given up after 5 attempts. The worker ")
    Expected("failed", total=1, failed=1).check(context)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.error_message) == ("failed", 5, why)


def test_a_dead_workers_cancelled_job_names_who_cancelled_it(context, watch):
    job = factories.running_job(context)
    cancel.cancel(job, actor="bert")
    _lose_the_worker()
    _, events, _ = watch(queue.take_over_expired)
    assert events == [("replicating", "discovered", "replication cancelled", "bert", job.pk)]
    Expected(total=1, cancelled=1).check(context)


class Walk:
    """Whatever may come next, at random; and a model that says what must come of it."""

    def __init__(self, context: VMContext, seed: int) -> None:
        self.context = context
        self.random = random.Random(seed)
        self.watch = Watch(context)
        self.expected = Expected()
        self.points = 0
        self.before = ""

    def step(self) -> str:
        action = self.random.choice(self._possible())
        before = self.expected.status
        _, events, moved = self.watch(getattr(self, f"_{action}"))
        self.expected.check(self.context)
        changed = [(old, new) for old, new, *_ in events if old != new]
        now = self.expected.status
        # One event for a change of status, none without; and its time is that of the change.
        assert changed == ([(before, now)] if before != now else []), action
        assert ("last_status_change" in moved) == (before != now), action
        assert ("last_job_at" in moved) == (action == "start"), action
        assert all(why and actor for _, _, why, actor, _ in events), action
        return action

    def _possible(self) -> list[str]:
        if self.expected.current_job:
            job = ReplicationJob.objects.get(pk=self.expected.current_job)
            if job.status == "pending":
                return ["claim", "claim", "claim", "cancel_waiting", "delete_old_jobs"]
            return ["complete", "complete", "fail", "retry", "die", "cancel_running"]
        if not self.expected.managed:
            return ["take", "delete_replica", "delete_old_jobs"]
        return ["start"] * 6 + ["release", "delete_replica", "delete_old_jobs"]

    def _job(self) -> ReplicationJob:
        return ReplicationJob.objects.get(pk=self.expected.current_job)

    def _start(self) -> None:
        self.before = self.expected.status
        job = _start(self.context)
        self.expected.status, self.expected.current_job = "replicating", job.pk
        self.expected.total += 1

    def _claim(self) -> None:
        ReplicationJob.objects.update(next_attempt_at=None)
        job, lease = queue.claim_next()
        # As its worker does in the end; the attempts of one walk come within seconds.
        places.release_all(lease)
        if not job.images.exists():
            snapshot = factories.snapshot_of(job, timezone.now())
            factories.images_of(job, snapshot, 1 << 20)

    def _complete(self) -> None:
        job = self._job()
        _complete(job)
        self.points += 1
        self.expected.last_successful_job = job.pk
        self.expected.successful += 1
        self._ended("ready_for_failover")

    def _fail(self) -> None:
        finish.failed(self.expected.current_job, "No.")
        self._settle_failed()

    def _settle_failed(self) -> None:
        self.expected.failed += 1
        self._ended("ready_for_failover" if self.points else "failed")

    def _settle_cancelled(self) -> None:
        self.expected.cancelled += 1
        before = "failed" if self.before == "failed" else "discovered"
        self._ended("ready_for_failover" if self.points else before)

    def _cancel_waiting(self) -> None:
        cancel.cancel(self._job(), actor="bert")
        self._settle_cancelled()

    def _cancel_running(self) -> None:
        job = cancel.cancel(self._job(), actor="bert")
        if self.random.random() < 0.5:
            finish.cancelled(job.pk, actor="bert")
        else:
            _lose_the_worker()
            queue.take_over_expired()
        self._settle_cancelled()

    def _retry(self) -> None:
        given_up = self._job().attempt == finish.MAX_ATTEMPTS
        finish.try_again(self.expected.current_job, "The connection broke.")
        ContextLease.objects.all().delete()
        if given_up:
            self._settle_failed()

    def _die(self) -> None:
        given_up = self._job().attempt == finish.MAX_ATTEMPTS
        _lose_the_worker()
        queue.take_over_expired()
        if given_up:
            self._settle_failed()

    def _ended(self, status: str) -> None:
        self.expected.status, self.expected.current_job = status, None
        self._clean_up()

    def _clean_up(self) -> None:
        """It comes at once: what it does is another test's."""
        ContextLease.objects.all().delete()
        for image in DiskImage.objects.filter(state=ImageState.DELETING).order_by("-id"):
            image.delete()
        VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=Now())

    def _release(self) -> None:
        removal.remove_from_management(self.context, actor="anna")
        self.expected.managed = False

    def _take(self) -> None:
        vm = self.context.vcenter.discovered_vms.get()
        management.take([vm], repository=self.context.repository, actor="anna")
        self.expected.managed = True

    def _delete_replica(self) -> None:
        deleted = removal.delete_replica_data(self.context, confirm_vm_name="web-01", actor="anna")
        assert deleted.recovery_points == self.points
        self._clean_up()
        self.points = 0
        if self.expected.status == "ready_for_failover":
            self.expected.status = "discovered"

    def _delete_old_jobs(self) -> None:
        kept = set(RecoveryPoint.objects.values_list("job_id", flat=True))
        kept |= {self.expected.current_job, self.expected.last_successful_job} - {None}
        ReplicationJob.objects.filter(completed_at__isnull=False).update(completed_at=LONG_AGO)
        old_jobs.delete_old_jobs(timedelta(days=1))
        assert set(ReplicationJob.objects.values_list("pk", flat=True)) == kept


SEEDS = [
    0,
    pytest.param(1, marks=pytest.mark.any_database),
    *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20)),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_the_history_is_right(context, seed):
    walk = Walk(context, seed)
    done = [walk.step() for _ in range(80)]
    assert len(set(done)) >= 10, done
    assert walk.expected.total > 10
    assert RecoveryPoint.objects.filter(state="available").count() == walk.points
