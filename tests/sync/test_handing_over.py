"""A worker that is told to stop: another one goes on, on any machine, and reads nothing twice."""

from collections.abc import Iterator

import pytest

from replication.models import ContextLease, DiskImage, JobLogLine
from replication.retention import run as retention
from replication.services import start
from replication.states import JobStatus
from replication.sync import runner, stopping, transfer
from tests.sync.estate import MIB


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is told so when it has copied something."""
    report = transfer._Transfer._report

    def then_ask(self: transfer._Transfer) -> None:
        report(self)
        if any(it.copy.low_water() > it.plan.extents[0].offset for it in self._active):
            stopping.ask()

    monkeypatch.setattr(transfer, "PROGRESS_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(transfer._Transfer, "_report", then_ask)
    monkeypatch.setattr("replication.selectors.bandwidth.share", lambda job, now: 8 * MIB)
    yield
    stopping._asked[0] = 0


@pytest.mark.any_database
def test_a_job_goes_on_elsewhere_from_its_checkpoint(estate, ready, asked, monkeypatch):
    job = start.start(ready, trigger="manual", requested_by="ops")
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert (job.status, job.attempt, job.fruitful_attempts) == (JobStatus.PENDING, 2, 1)
    assert "told to stop" in job.error_message
    assert not ContextLease.objects.exists()
    image = DiskImage.objects.get(job=job)
    assert 0 < image.checkpoint_bytes < 28 * MIB
    assert runner.run_next() is None  # it takes nothing more
    assert retention.run_next() is None

    monkeypatch.undo()
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.services.leases.this_host", lambda: "another")
    stopping._asked[0] = 0
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert DiskImage.objects.get(job=job).pk == image.pk
    resumed = f"resuming at the checkpoint {image.checkpoint_bytes:,}"
    assert JobLogLine.objects.filter(job=job, message__contains=resumed).exists()
    assert job.bytes_transferred == job.total_bytes == 24 * MIB
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(ready)
