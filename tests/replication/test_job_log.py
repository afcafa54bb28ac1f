"""A job's log: bounded, harmless to show, and never what a job fails for."""

from __future__ import annotations

import logging
import uuid

import pytest
from django.db import connection, transaction

from replication.errors import LeaseLost
from replication.models import JobLogLine
from replication.models.telemetry import MOST_LINES
from replication.selectors import telemetry
from replication.services import cancel, finish, job_log
from replication.services.leases import Lease
from replication.states import JobStatus, LeaseHolder, LogLevel
from replication.sync.job_run import JobRun
from tests import factories

pytestmark = pytest.mark.django_db

HOSTILE = "web\x1b[2J\r\n2026-01-01 ERROR fake\u202e<b>"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.fixture
def job():
    return factories.running_job(factories.context())


def messages(job) -> list[str]:
    return [line.message for line in telemetry.log_of(job)]


def test_lines_come_back_in_the_order_in_which_they_were_written(job):
    for number in range(5):
        job_log.write(job.pk, 1, f"line {number}")
    assert messages(job) == [f"line {number}" for number in range(5)]
    assert [line.message for line in telemetry.log_of(job, limit=2)] == ["line 3", "line 4"]


def test_a_line_is_in_the_process_log_too_at_its_level(job, caplog):
    with caplog.at_level(logging.INFO):
        job_log.write(job.pk, 2, "the vCenter is away", LogLevel.WARNING)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"{job.pk}/2: the vCenter is away"


def test_a_hostile_name_is_kept_as_it_is_and_shown_harmlessly(job, caplog):
    with caplog.at_level(logging.INFO):
        job_log.write(job.pk, 1, HOSTILE)
    (line,) = telemetry.log_of(job)
    assert line.message == HOSTILE
    shown = r"web\x1b[2J\r\n2026-01-01 ERROR fake\u202e<b>"
    assert line.text == shown
    assert caplog.records[0].getMessage().endswith(shown)


def test_what_a_database_cannot_keep_does_not_lose_the_line(job):
    job_log.write(job.pk, 1, "a NUL \0 and half a pair \ud83d")
    assert messages(job) == ["a NUL \ufffd and half a pair ?"]


def test_a_very_long_message_is_cut(job):
    job_log.write(job.pk, 1, "x" * 1_000_000)
    (message,) = messages(job)
    assert len(message) == job_log.MOST_CHARACTERS
    assert message.endswith("x…")


def test_the_log_is_bounded_keeps_the_newest_lines_and_says_that_it_was_cut(job, monkeypatch):
    monkeypatch.setattr(job_log, "MOST_LINES", most := MOST_LINES // 10)
    monkeypatch.setattr(job_log, "DROP_LINES", dropped := job_log.DROP_LINES // 10)
    other = factories.running_job(factories.context("other"))
    job_log.write(other.pk, 1, "another job's")
    for number in range(120):
        job_log.write(job.pk, 1, f"line {number}")
        assert JobLogLine.objects.filter(job=job).count() <= most
    found = messages(job)
    assert found[-1] == "line 119"
    assert len(found) > most - dropped
    numbers = [int(message.split()[1]) for message in found if message.startswith("line")]
    assert numbers == list(range(numbers[0], 120))
    notes = [message for message in found if not message.startswith("line")]
    assert notes
    assert all("oldest" in note for note in notes)
    assert messages(other) == ["another job's"]


def test_a_line_that_the_database_refuses_fails_nothing(job, caplog):
    """A row that a CHECK forbids stands for any refusal."""
    with transaction.atomic():
        job_log._add(job.pk, 1, "before", LogLevel.INFO)
        job_log.write(job.pk, 0, "attempt 0 is impossible")
        job_log.write(job.pk, 1, "after")
    assert messages(job) == ["before", "after"]
    assert any("could not store a line" in record.getMessage() for record in caplog.records)


@pytest.mark.django_db(transaction=True)
def test_a_line_of_a_job_that_is_gone_fails_nothing():
    job_log.write("job-20250909-114231-0badcafe", 1, "too late")
    assert not JobLogLine.objects.exists()
    connection.check_constraints()


class _Lost:
    def check(self) -> None:
        raise LeaseLost("lost")


def test_a_lost_lease_still_stops_whoever_logs(job):
    lost = Lease(job.vm_context_id, LeaseHolder.JOB, uuid.uuid4())
    run = JobRun(job, lease=lost, guard=_Lost(), session=None, storage=None)
    with pytest.raises(LeaseLost):
        run.log("no more")
    assert messages(job) == []


def test_a_failure_is_the_last_line_with_its_reason(job):
    finish.failed(job.pk, "The vCenter said no. Ask its administrator.")
    line = telemetry.log_of(job)[-1]
    assert (line.level, line.attempt) == (LogLevel.ERROR, 1)
    assert line.text == "Failed. The vCenter said no. Ask its administrator."


def test_an_attempt_that_is_tried_again_says_why_and_when(job):
    finish.try_again(job.pk, "The connection broke.")
    (line,) = telemetry.log_of(job)
    assert (line.level, line.attempt) == (LogLevel.WARNING, 1)
    assert line.text == "The connection broke. vmrep will retry in 10 seconds."


def test_a_cancelled_job_says_who_wanted_it():
    job = factories.pending_job(factories.context())
    cancel.cancel(job, actor="ann")
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert messages(job) == ["Cancelled, as ann asked."]


def test_the_log_goes_with_its_job():
    job = factories.failed_job(factories.context())
    assert messages(job)
    job.delete()
    assert not JobLogLine.objects.exists()
