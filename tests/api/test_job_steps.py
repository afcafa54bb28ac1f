"""A job that waited for long has hundreds of attempts: lists of steps are bounded, and say so."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from replication.models import JobStep, ReplicationJob
from tests import factories

ATTEMPTS = 150


@pytest.fixture
def job(db) -> ReplicationJob:
    job = factories.pending_job(factories.context())
    ReplicationJob.objects.filter(pk=job.pk).update(attempt=ATTEMPTS, fruitful_attempts=ATTEMPTS)
    now = timezone.now()
    JobStep.objects.bulk_create(
        JobStep(
            job=job, attempt=number, name=name, status="failed", started_at=now, completed_at=now
        )
        for number in range(1, ATTEMPTS + 1)
        for name in ("prepare", "snapshot")
    )
    return job


def test_a_job_has_the_steps_of_its_last_attempts_and_counts_the_others(api, job):
    alone = api.get(f"replications/{job.pk}/").json()
    everything = api.get(f"vm-contexts/{job.vm_context_id}/").json()
    for shown in (alone, everything["current_job"], everything["job_history"][0]):
        assert [step["attempt"] for step in shown["steps"]] == sorted([*range(141, 151)] * 2)
        assert shown["attempts_left_out"] == 140


def test_the_steps_of_all_attempts_are_there_page_by_page(api, job):
    first = api.get(f"replications/{job.pk}/steps/", {"page_size": 100}).json()
    last = api.get(f"replications/{job.pk}/steps/", {"page_size": 100, "page": 3}).json()
    assert first["count"] == 2 * ATTEMPTS
    assert (first["results"][0]["attempt"], last["results"][-1]["attempt"]) == (1, ATTEMPTS)


def test_the_admin_says_how_many_attempts_it_does_not_list(job):
    client = Client()
    client.force_login(factories.user("chief", is_staff=True, is_superuser=True))
    page = client.get(f"/admin/replication/replicationjob/{job.pk}/change/").content.decode()
    assert "140 earlier attempts not listed" in page
