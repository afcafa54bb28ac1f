"""GET replications/{id}/: a job with its steps and disks."""

from __future__ import annotations

import pytest

from tests import factories
from tests.factories import MIB

pytestmark = pytest.mark.any_database


def test_a_completed_job_has_its_steps_and_disks(api):
    context = factories.context(disks=[factories.disk_record(2000), factories.disk_record(2001)])
    job = factories.completed_job(context, planned_bytes=4 * MIB)
    body = api.get(f"replications/{job.pk}/").json()
    assert (body["status"], body["replication_type"]) == ("completed", "initial")
    assert body["bytes_transferred"] == body["total_bytes"] == 8 * MIB
    assert body["progress_percent"] == 100
    assert body["eta_seconds"] is None
    assert {step["status"] for step in body["steps"]} == {"completed"}
    assert [disk["disk_id"] for disk in body["disks"]] == ["disk-2000", "disk-2001"]
    assert {disk["progress_percent"] for disk in body["disks"]} == {100}


def test_a_job_that_waits_has_no_figures_yet(api):
    job = factories.pending_job(factories.context())
    body = api.get(f"replications/{job.pk}/").json()
    for name in ("total_bytes", "progress_percent", "eta_seconds", "started_at", "completed_at"):
        assert body[name] is None, name
    assert body["steps"] == body["disks"] == []


def test_an_unknown_job_is_not_found(api):
    answer = api.get("replications/job-20250909-114231-0badcafe/")
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_job"


def test_the_number_of_queries_does_not_grow_with_disks_and_steps(api, queries):
    waiting = factories.running_job(factories.context())
    one = queries(lambda: api.get(f"replications/{waiting.pk}/"))
    disks = [factories.disk_record(2000 + key) for key in range(12)]
    big = factories.completed_job(factories.context(disks=disks))
    assert queries(lambda: api.get(f"replications/{big.pk}/")) == one
