"""Doing a failed or cancelled job again."""

from __future__ import annotations

import pytest

from replication.models import JobStep, ReplicationJob
from replication.services import finish, start
from replication.states import JobStatus, StepName, StepStatus, SyncRequest
from tests import factories
from tests.web.conftest import notices, text

RETRY = "Retry</button>"
WHY = "The datastore is gone."


@pytest.fixture
def failed(db: None) -> ReplicationJob:
    job = start.start(
        factories.context("pgtest1"),
        trigger="manual",
        requested_by="ann",
        requested_sync=SyncRequest.CHECKSUM,
    )
    finish.failed(job.pk, WHY)
    return job


def test_a_failed_job_is_done_again_with_the_same_request(web, failed):
    assert RETRY in text(web.get(f"/jobs/{failed.pk}/"))
    answer = web.post(f"/jobs/{failed.pk}/retry/", follow=True)
    again = ReplicationJob.objects.exclude(pk=failed.pk).get()
    assert answer.redirect_chain == [(f"/jobs/{again.pk}/", 302)]
    assert (again.status, again.requested_sync) == (JobStatus.PENDING, SyncRequest.CHECKSUM)
    assert (again.requested_by, again.trigger) == ("ops", "manual")
    assert "pgtest1" in notices(answer)[0]


def test_only_the_newest_job_is_retried(web, failed):
    newer = factories.completed_job(failed.vm_context)
    for job, why in ((failed, "came after it"), (newer, "nothing to retry")):
        assert RETRY not in text(web.get(f"/jobs/{job.pk}/"))
        answer = web.post(f"/jobs/{job.pk}/retry/", follow=True)
        assert why in notices(answer)[0]
        assert answer.redirect_chain == [(f"/jobs/{job.pk}/", 302)]
    assert ReplicationJob.objects.count() == 2


def test_the_reason_of_a_failure_is_told_once_besides_the_log(web, failed):
    now = failed.created_at
    JobStep.objects.create(
        job=failed,
        attempt=1,
        name=StepName.TRANSFER,
        status=StepStatus.FAILED,
        message=WHY,
        started_at=now,
        completed_at=now,
    )
    shown = text(web.get(f"/jobs/{failed.pk}/"))
    assert shown.count(WHY) == 2  # the second time as the log's line
    assert f"Failed. {WHY}" in shown
