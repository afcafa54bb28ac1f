"""Counting for monitoring costs no job anything, whatever goes wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from contexts.vsphere.errors import ConnectionLost
from replication.models import ReplicationJob
from replication.states import JobStatus
from replication.sync import runner
from tests.sync.estate import Estate


@pytest.fixture
def nothing_is_counted(transactional_db: None) -> Iterator[None]:
    """Whatever is written to the table is refused, as on a disk that is full for it alone."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tallies RENAME TO tallies_gone")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tallies_gone RENAME TO tallies")


def test_a_job_completes(estate: Estate, nothing_is_counted: None) -> None:
    job = estate.run_job(estate.take("small1"))
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)


def test_a_fault_that_passes_is_not_taken_for_one_of_vmrep(
    estate: Estate, nothing_is_counted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = estate.take("small1")

    def lost(*_: object) -> None:
        raise ConnectionLost("The vCenter is away for a moment.")

    monkeypatch.setattr(runner, "take_snapshot", lost)
    job = estate.run_job(context)
    assert job.status == JobStatus.PENDING, job.error_message
    monkeypatch.undo()
    ReplicationJob.objects.update(next_attempt_at=None)
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
