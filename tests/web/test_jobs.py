"""The list of all jobs, and one job's page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

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
    assert "No job matches" in text(web.get("/jobs/", {"search": "nothing like this"}))


def test_it_finds_jobs_with_warnings_and_those_without(web):
    warned = factories.completed_job(factories.context())
    plain = factories.completed_job(factories.context())
    JobStep.objects.filter(job=warned, name="snapshot").update(status="warning")
    JobStep.objects.filter(job=warned, name="prepare").update(status="warning")
    with_warnings = web.get("/jobs/", {"warnings": "true"})
    assert listed(with_warnings) == [warned.pk]
    assert "Completed with warnings" in text(with_warnings)
    assert listed(web.get("/jobs/", {"warnings": "false"})) == [plain.pk]


def test_it_finds_jobs_by_when_they_were_requested(web):
    ages = {"minutes": 5, "hours": 60 * 5, "days": 60 * 24 * 5, "weeks": 60 * 24 * 20}
    jobs = {}
    for name, minutes in ages.items():
        jobs[name] = factories.completed_job(factories.context()).pk
        requested = timezone.now() - timedelta(minutes=minutes)
        ReplicationJob.objects.filter(pk=jobs[name]).update(created_at=requested)
    found = {
        period: listed(web.get("/jobs/", {"period": period}))
        for period in ("hour", "day", "week", "month", "")
    }
    assert found["hour"] == [jobs["minutes"]]
    assert found["day"] == [jobs["minutes"], jobs["hours"]]
    assert found["week"] == [jobs["minutes"], jobs["hours"], jobs["days"]]
    assert found["month"] == found[""] == list(jobs.values())


def test_a_failure_is_told_without_the_vms_name_but_in_full_in_its_title(web):
    why = "web-01 cannot be replicated. It is a template."
    factories.failed_job(factories.context("web-01"), why=why)
    page = text(web.get("/jobs/"))
    assert f'title="{why}">It is a template.</span>' in page


def test_a_waiting_job_says_what_for_and_claims_no_progress(web):
    job = factories.running_job(factories.context(), planned_bytes=50 * MIB, done_bytes=48 * MIB)
    reason = "Waiting for the repository: /srv/vmrep has no marker."
    ReplicationJob.objects.filter(pk=job.pk).update(status="pending", current_operation=reason)
    page = text(web.get("/jobs/"))
    assert reason in page
    assert "<span>96 %</span>" not in page


def test_an_ended_job_has_no_rate_now_and_now_again(web):
    job = factories.completed_job(factories.context())
    ReplicationJob.objects.filter(pk=job.pk).update(transfer_speed_bps=4 * MIB)
    assert "MiB/s" not in text(web.get("/jobs/"))


@pytest.mark.parametrize(
    "column", ["vm", "status", "type", "progress", "started", "vcenter", "requested_by"]
)
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
    for _ in range(4):
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
