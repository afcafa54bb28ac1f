"""The list of all jobs, and one job's page."""

from __future__ import annotations

import re

import pytest

from replication.models import DiskImage, JobStep, ReplicationJob
from tests import factories
from tests.web.conftest import HTMX, text

MIB = factories.MIB


def listed(answer) -> list[str]:
    return re.findall(r'<tr id="row-([^"]+)"', text(answer))


def test_the_newest_job_is_first(web):
    first = factories.completed_job(factories.context())
    second = factories.failed_job(factories.context())
    assert listed(web.get("/jobs/")) == [second.pk, first.pk]


def test_it_filters_and_searches(web):
    good, bad = factories.context("good"), factories.context("bad")
    completed = factories.completed_job(good)
    failed = factories.failed_job(bad, why="No route to host.")
    assert listed(web.get("/jobs/", {"status": "failed"})) == [failed.pk]
    assert listed(web.get("/jobs/", {"vm": good.pk})) == [completed.pk]
    assert listed(web.get("/jobs/", {"search": "route"})) == [failed.pk]
    assert listed(web.get("/jobs/", {"vcenter": good.vcenter_id})) == [completed.pk]
    assert "No job fits" in text(web.get("/jobs/", {"search": "nothing like this"}))


@pytest.mark.parametrize("column", ["vm", "status", "type", "progress", "started", "requested_by"])
def test_it_sorts_by(web, column):
    factories.completed_job(factories.context())
    factories.pending_job(factories.context())
    rising = listed(web.get("/jobs/", {"sort": column}))
    assert sorted(rising) == sorted(ReplicationJob.objects.values_list("pk", flat=True))


def test_without_a_job_it_says_how_to_start_one(web):
    assert "No job yet" in text(web.get("/jobs/"))


def test_the_number_of_queries_does_not_grow_with_the_rows(web, queries):
    vcenter, repository = factories.vcenter(), factories.repository()
    factories.running_job(factories.context(at=vcenter, keep_in=repository))
    web.get("/jobs/")
    one = queries(lambda: web.get("/jobs/"))
    for _ in range(29):
        factories.completed_job(factories.context(at=vcenter, keep_in=repository))
    assert queries(lambda: web.get("/jobs/")) == one


def test_a_completed_job_is_100_percent(web):
    job = factories.completed_job(factories.context("pgtest1"), planned_bytes=32 * MIB)
    page = text(web.get(f"/jobs/{job.pk}/"))
    assert "100 %" in page
    assert "32 MiB of 32 MiB" in page
    assert "Initial" in page
    assert DiskImage.objects.get().change_id in page
    assert "Cancel" not in page


def test_a_running_job_has_steps_and_numbers_disk_by_disk(web):
    context = factories.context(disks=[factories.disk_record(2000), factories.disk_record(2001)])
    job = factories.running_job(context, planned_bytes=10 * MIB, done_bytes=5 * MIB)
    page = text(web.get(f"/jobs/{job.pk}/"))
    assert "50 %" in page
    assert "10 MiB of 20 MiB" in page
    assert page.count("5 MiB of 10 MiB") == 4  # the bars, and the table
    assert "5 Transfer" in page
    assert "Cancel" in page


def test_a_failed_job_says_why(web):
    job = factories.failed_job(factories.context(), why="<b>ds1</b> is full. Make room.")
    page = text(web.get(f"/jobs/{job.pk}/"))
    assert "&lt;b&gt;ds1&lt;/b&gt; is full. Make room." in page
    assert "<b>ds1" not in page


def test_steps_are_grouped_by_attempt(web):
    job = factories.running_job(factories.context())
    ReplicationJob.objects.filter(pk=job.pk).update(attempt=2)
    JobStep.objects.filter(job=job, name="transfer").update(attempt=2)
    page = text(web.get(f"/jobs/{job.pk}/"))
    assert ">Attempt 1</li>" in page
    assert ">Attempt 2</li>" in page


def test_for_htmx_it_is_the_live_part_alone(web):
    job = factories.running_job(factories.context())
    part = text(web.get(f"/jobs/{job.pk}/", headers=HTMX))
    assert "<html" not in part
    assert 'id="live"' in part


def test_an_unknown_job_is_not_found(web):
    answer = web.get("/jobs/job-nothing/")
    assert answer.status_code == 404
    assert "There is nothing at this address" in text(answer)
