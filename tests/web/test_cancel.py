"""Cancelling a job."""

from __future__ import annotations

from replication.models import ReplicationJob
from replication.states import JobStatus
from tests import factories
from tests.web.conftest import notices


def test_a_waiting_job_ends_at_once(web):
    job = factories.pending_job(factories.context("pgtest1"))
    answer = web.post(f"/jobs/{job.pk}/cancel/", follow=True)
    assert ReplicationJob.objects.get().status == JobStatus.CANCELLED
    assert notices(answer) == ["The replication of pgtest1 was cancelled."]
    assert answer.redirect_chain == [(f"/jobs/{job.pk}/", 302)]


def test_a_running_job_is_asked_to_stop(web):
    job = factories.running_job(factories.context("pgtest1"))
    answer = web.post(f"/jobs/{job.pk}/cancel/", follow=True)
    job.refresh_from_db()
    assert (job.status, job.cancel_requested_by) == (JobStatus.RUNNING, "ops")
    assert notices(answer) == ["The replication of pgtest1 will be cancelled in a moment."]


def test_an_ended_job_cannot_be_cancelled(web):
    job = factories.completed_job(factories.context())
    answer = web.post(f"/jobs/{job.pk}/cancel/", follow=True)
    assert "has already ended" in notices(answer)[0]
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED


def test_it_takes_only_a_post(web):
    job = factories.pending_job(factories.context())
    assert web.get(f"/jobs/{job.pk}/cancel/").status_code == 405
    job.refresh_from_db()
    assert job.is_active


def test_an_unknown_job_is_not_found(web):
    assert web.post("/jobs/job-nothing/cancel/").status_code == 404
