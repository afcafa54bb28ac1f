"""A database that goes away or refuses a value, and clocks that step back."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError

from contexts.clock import database_now
from replication.models import ContextLease, DiskImage
from replication.services import start
from replication.states import JobStatus
from replication.sync import images, runner, snapshot, transfer
from tests.sync.estate import MIB


def _away(*args, **kwargs):
    raise OperationalError("server closed the connection unexpectedly")


def test_a_database_that_goes_away_during_the_transfer_leaves_no_daemon(estate, monkeypatch):
    context = estate.take("small2")
    estate.control.delay("GET /folder", 3)
    served = []

    def away(self):
        served.extend(estate.daemons())
        _away()

    monkeypatch.setattr(transfer._Transfer, "_report", away)
    monkeypatch.setattr(transfer._Transfer, "_save_checkpoint", _away)
    start.start(context, trigger="manual", requested_by="ops")
    runner.run_next()
    assert len(served) == 2
    assert estate.daemons() == []


@pytest.mark.slow
def test_a_database_that_goes_away_before_a_daemon_is_recorded_leaves_no_daemon(
    estate, monkeypatch
):
    context = estate.take("small1")
    served = []

    def away(*args):
        served.extend(estate.daemons())
        _away()

    monkeypatch.setattr(images, "record_writer", away)
    start.start(context, trigger="manual", requested_by="ops")
    runner.run_next()
    assert len(served) == 1
    assert estate.daemons() == []


def test_what_the_database_refuses_fails_the_job_with_the_reason(estate, ready, monkeypatch):
    """It is not away: the same would be refused at every attempt."""

    def refused(run):
        raise IntegrityError("CHECK constraint failed: some_rule")

    monkeypatch.setattr(runner, "make_plan", refused)
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "some_rule" in job.error_message


def test_a_clock_that_steps_back_does_not_fork_the_chain(estate, ready, monkeypatch):
    with monkeypatch.context() as patched:
        ahead = timedelta(minutes=5)
        patched.setattr(snapshot, "database_now", lambda: database_now() + ahead)
        second = estate.replicate(ready)
    estate.control.fill("small1", 2000, 8 * MIB, MIB, seed=2)
    third = estate.replicate(ready)
    estate.control.fill("small1", 2000, 12 * MIB, MIB, seed=3)
    fourth = estate.replicate(ready)
    parents = {image.job: image.parent.job for image in DiskImage.objects.exclude(parent=None)}
    assert (parents[third], parents[fourth]) == (second, third)


def test_a_job_whose_end_cannot_be_recorded_fails_instead_of_staying_running(
    estate, ready, monkeypatch
):
    """Whatever recording the first reason raises: the job must not wait for its lease's end."""
    estate.control.deny_privilege("VirtualMachine.State.CreateSnapshot")

    def cannot(*_: object) -> None:
        raise ValueError("no place for these words")

    monkeypatch.setattr(runner, "_settle", cannot)
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert "no place for these words" in job.error_message
    assert not ContextLease.objects.exists()
