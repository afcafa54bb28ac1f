"""kill -9 before every single write of a clean-up and of a job's end: the next ordinary run settles
all of it, without a repair."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from contexts import messages
from contexts.models import VMContext
from replication import messages as replication_messages
from replication.integrity.findings import Scope
from replication.integrity.look import find
from replication.models import ContextLease, DiskImage, JobStep, ReplicationJob, VMSnapshot
from replication.scheduler.tick import tick
from replication.services import finish, leases, left_overs
from replication.states import JobStatus, SnapshotState, StepName, StepStatus
from replication.sync import cleanup, guard
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
MOST_WRITES = 40


@pytest.fixture
def context(tmp_path) -> VMContext:
    return factories.context("web", keep_in=factories.repository(path=tmp_path))


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No broker, and no thread that renews a lease in between: the writes come in one order."""
    for module in (messages, replication_messages):
        monkeypatch.setattr(module, "send", lambda *message: None)
    monkeypatch.setattr(guard, "RENEW_EVERY_SECONDS", 1000.0)


def die_before(number: int) -> AbstractContextManager[None]:
    """Kill this process before its write of that number, the first being 0. All that was committed
    so far stands then, and nothing else: so every moment between two commits is met."""
    left = [number]

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
        return execute(sql, *rest)

    return connection.execute_wrapper(count)


def kills(act: Callable[[], None], every: int = 1) -> Iterator[int]:
    """Another process does it and is killed, each time `every` writes later, until it comes to its
    end."""
    for number in range(0, MOST_WRITES, every):
        connection.close()  # the child needs one of its own
        child = os.fork()
        if not child:
            failed = 1
            try:
                with die_before(number):
                    act()
                failed = 0
            finally:
                os._exit(failed)
        _, status = os.waitpid(child, 0)
        ended = os.waitstatus_to_exitcode(status)
        assert ended in (0, -signal.SIGKILL)
        if not ended:
            return
        yield number
    raise AssertionError(f"more than {MOST_WRITES} writes")


def end_active_job(how: str) -> None:
    """As its worker does."""
    job = ReplicationJob.objects.get(status=JobStatus.RUNNING)
    row = ContextLease.objects.get(job=job)
    lease = leases.Lease(row.vm_context_id, row.holder_kind, row.token)
    if how == "cancel":
        finish.cancelled(job.pk, actor="ops", lease=lease)
    else:
        end = finish.failed if how == "fail" else finish.try_again
        end(job.pk, "The vCenter did not answer.", lease=lease)
    leases.release(lease)


def settle() -> None:
    """40 seconds later the tick comes, and a worker does what it hints."""
    ContextLease.objects.update(expires_at=Now() - timedelta(seconds=1))
    tick()
    for context_id in left_overs.contexts_to_clean():
        cleanup.clean_context(context_id)


def ended_job_that_left_an_image(context: VMContext) -> ReplicationJob:
    job = factories.running_job(context)
    finish.failed(job.pk, "The vCenter did not answer.")
    VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=Now())
    ContextLease.objects.all().delete()
    return job


def assert_settled() -> None:
    assert not JobStep.objects.filter(status=StepStatus.RUNNING).exists()
    assert not ContextLease.objects.exists()
    assert left_overs.contexts_to_clean() == []


def assert_sound() -> None:
    codes = {finding.code for finding in find(Scope(quiet=True))}
    # The repository holds no bytes here, and there is no vCenter.
    assert codes <= {"vcenter_not_checked"}


def end_for_good(job: ReplicationJob) -> None:
    job.refresh_from_db()
    if job.is_active:  # whoever runs it next takes the lease over
        finish.cancelled(job.pk, actor="ops")
    VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=Now())
    settle()
    assert_settled()


# An audit takes longer than all the rest, and what is unsound after one kill mostly stays so.
audits = pytest.mark.parametrize(
    "audits", ["at the end", pytest.param("after each kill", marks=pytest.mark.slow)]
)


@audits
def test_a_clean_up_that_is_killed_before_any_write_is_settled_by_the_next_one(context, audits):
    """In the fast tier before every fourth."""
    ended_job_that_left_an_image(context)
    killed = 0
    every = 1 if audits == "after each kill" else 4
    for _ in kills(lambda: cleanup.clean_context(context.pk), every):
        killed += 1
        settle()
        assert not DiskImage.objects.exists()
        assert_settled()
        if audits == "after each kill":
            assert_sound()
        step = JobStep.objects.filter(name=StepName.CLEAN_UP).latest("pk")
        assert step.status == StepStatus.COMPLETED
        ended_job_that_left_an_image(context)
    assert killed * every > 8
    settle()
    assert_sound()


@audits
@pytest.mark.slow
@pytest.mark.parametrize("how", ["fail", "cancel", "again"])
def test_a_job_whose_worker_is_killed_while_it_ends_is_settled_by_the_tick(context, how, audits):
    job = factories.running_job(context)
    killed = 0
    for _ in kills(lambda: end_active_job(how)):
        killed += 1
        settle()
        job.refresh_from_db()
        assert job.status in (JobStatus.PENDING, JobStatus.FAILED, JobStatus.CANCELLED)
        assert not JobStep.objects.filter(status=StepStatus.RUNNING).exists()
        end_for_good(job)
        if audits == "after each kill":
            assert_sound()
        job = factories.running_job(context)
    assert killed >= 4
    end_for_good(job)
    assert_sound()


def test_a_warning_of_a_clean_up_that_is_killed_at_its_next_try_is_settled(context):
    """The last thing is gone, and the process with it, before it could say so."""
    job = ended_job_that_left_an_image(context)
    JobStep.objects.create(
        job=job,
        attempt=1,
        name=StepName.CLEAN_UP,
        status=StepStatus.RUNNING,
        message="The file could not be removed.",
        started_at=Now(),
    )
    DiskImage.objects.all().delete()
    settle()
    step = JobStep.objects.get(name=StepName.CLEAN_UP)
    assert step.status == StepStatus.COMPLETED
    assert step.message == "Done at a later attempt. Before: The file could not be removed."
    assert_settled()
    assert_sound()


def test_a_step_that_a_paused_worker_left_is_interrupted(context):
    job = ended_job_that_left_an_image(context)
    JobStep.objects.create(job=job, attempt=2, name=StepName.PREPARE, started_at=Now())
    settle()
    step = JobStep.objects.get(job=job, attempt=2)
    assert step.status == StepStatus.INTERRUPTED
    assert_settled()
    assert_sound()
