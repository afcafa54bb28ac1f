"""POST replications/{id}/cancel/."""

from __future__ import annotations

from tests import factories


def test_a_job_that_waits_ends_at_once(api):
    context = factories.context()
    job = factories.pending_job(context)
    answer = api.post(f"replications/{job.pk}/cancel/")
    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    context.refresh_from_db()
    assert (context.current_job, context.cancelled_jobs) == (None, 1)
    assert context.current_status == "discovered"


def test_a_running_job_is_asked_to_stop(api):
    job = factories.running_job(factories.context())
    answer = api.post(f"replications/{job.pk}/cancel/")
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"/api/v1/replications/{job.pk}/")
    assert answer.json()["status"] == "running"
    assert answer.json()["cancel_requested_by"] == "ops"
    assert answer.json()["cancel_requested_at"] is not None


def test_asking_twice_is_the_same_as_once(api):
    job = factories.running_job(factories.context())
    first = api.post(f"replications/{job.pk}/cancel/").json()["cancel_requested_at"]
    assert api.post(f"replications/{job.pk}/cancel/").json()["cancel_requested_at"] == first


def test_a_job_that_has_ended_is_refused(api):
    job = factories.completed_job(factories.context())
    answer = api.post(f"replications/{job.pk}/cancel/")
    assert answer.status_code == 409
    assert answer.json()["code"] == "job_not_active"


def test_an_unknown_job_is_not_found(api):
    assert api.post("replications/job-nothing/cancel/").status_code == 404


def test_looking_does_not_cancel(api):
    job = factories.pending_job(factories.context())
    assert api.get(f"replications/{job.pk}/cancel/").status_code == 405
    job.refresh_from_db()
    assert job.is_active


def test_an_unknown_field_is_refused_and_nothing_is_cancelled(api):
    job = factories.pending_job(factories.context())
    answer = api.post(f"replications/{job.pk}/cancel/", {"force": True})
    assert answer.status_code == 400
    assert "force" in answer.json()["errors"]
    job.refresh_from_db()
    assert job.is_active
