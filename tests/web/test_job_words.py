"""What is said of a job that waits, and of errors beside the VM's name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone

from replication.models import ReplicationJob
from vmrep.web import job_words


def waiting(**columns) -> ReplicationJob:
    return ReplicationJob(**{"status": "pending", "source_vm_name": "a", **columns})


def test_the_queues_own_reason_is_shown():
    reason = "Waiting for the repository: /srv/vmrep has no marker."
    job = waiting(current_operation=reason)
    assert job_words.doing(job) == reason
    assert job_words.is_held_up(job)


def test_without_a_reason_it_waits_for_a_worker():
    assert job_words.doing(waiting()) == "Waiting for a worker"
    assert not job_words.is_held_up(waiting())
    later = waiting(attempt=3, current_operation="Waiting for the next attempt")
    assert job_words.doing(later) == "Waiting for a worker, for attempt 3"


def test_a_later_attempt_is_counted_down_to():
    soon = timezone.now() + timedelta(seconds=29.5)
    job = waiting(attempt=2, next_attempt_at=soon, error_message="The connection broke.")
    assert job_words.doing(job) == "Attempt 2 begins in"
    assert job_words.seconds_until_attempt(job) == 30
    assert job_words.is_held_up(job)


def test_an_attempt_whose_time_has_come_is_not_counted_down_to():
    past = timezone.now() - timedelta(seconds=1)
    job = waiting(
        attempt=2, next_attempt_at=past, current_operation="Waiting for the repository: x"
    )
    assert job_words.seconds_until_attempt(job) is None
    assert job_words.doing(job) == "Waiting for the repository: x"


def test_a_running_job_says_its_step_unless_it_is_being_cancelled():
    job = waiting(status="running", current_operation="Transfer")
    assert job_words.doing(job) == "Transfer"
    assert job_words.doing(waiting(status="running")) == "Starting"
    job.cancel_requested_at = timezone.now()
    assert job_words.doing(job) == "Cancelling"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web cannot be replicated. It is a template.", "It is a template."),
        ("web: Hard disk 1 was moved.", "Hard disk 1 was moved."),
        ("web: ", "web: "),
        ("web is being replicated already.", "Is being replicated already."),
        ("website: no", "website: no"),
        ("The vCenter did not answer.", "The vCenter did not answer."),
    ],
)
def test_an_error_beside_the_name_does_not_begin_with_it(text, shown):
    page = Template("{% load vmrep %}{{ text|without_name:name }}")
    assert page.render(Context({"text": text, "name": "web"})) == shown
    assert page.render(Context({"text": text, "name": None})) == text


def test_a_mean_rate_needs_bytes_and_time():
    job = ReplicationJob(bytes_transferred=32 << 20)
    assert job_words.mean_rate(job, 2.0) == "16 MiB/s"
    assert job_words.mean_rate(job, 0.0) == "–"
    assert job_words.mean_rate(ReplicationJob(bytes_transferred=0), 2.0) == "–"
