"""POST replications/{id}/retry/."""

from __future__ import annotations

from tests import factories


def test_a_cancelled_job_is_done_again_and_others_are_refused(api):
    job = factories.pending_job(factories.context())
    assert api.post(f"replications/{job.pk}/cancel/").status_code == 200
    answer = api.post(f"replications/{job.pk}/retry/")
    assert answer.status_code == 202
    again = answer.json()
    assert answer["Location"].endswith(f"/api/v1/replications/{again['id']}/")
    assert (again["status"], again["trigger"]) == ("pending", "api")
    for one in (job.pk, again["id"]):
        refused = api.post(f"replications/{one}/retry/")
        assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_retry")
