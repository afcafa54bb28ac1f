"""What real jobs tell: their rate, where their extents fall, their log."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from replication.engine.extent_map import BUCKETS, FULL, levels
from replication.engine.extents import Extent
from replication.models import CBTHistory, DiskImage, JobLogLine, JobSample, ReplicationJob
from replication.selectors import telemetry
from replication.services import cancel, leases, samples, start
from replication.services.samples import MOST_SAMPLES
from replication.states import JobStatus, LogLevel
from replication.sync import cleanup, runner, transfer
from replication.sync.transfer import PARALLEL_DISKS
from tests.sync.estate import MIB, PASSWORD

CAPACITY = 64 * MIB
BLOCK = 64 << 10  # what the lab tracks changes in


@pytest.fixture
def busy_reports(monkeypatch):
    """Reports many times a second, each with a sample due; returns what each one cost."""
    monkeypatch.setattr(transfer, "PROGRESS_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(samples, "EVERY_SECONDS", 0.001)
    report = transfer._Transfer._report
    costs: list[int] = []

    def counting(self):
        with CaptureQueriesContext(connection) as captured:
            report(self)
        costs.append(len(captured))

    monkeypatch.setattr(transfer._Transfer, "_report", counting)
    return costs


def bytes_of(job) -> float:
    return sum(it.bytes_per_second * it.seconds for it in telemetry.samples_of(job))


def log_of(job) -> str:
    return "\n".join(f"{it.level} {it.attempt} {it.text}" for it in telemetry.log_of(job))


def assert_in_order(text: str, *parts: str) -> None:
    position = 0
    for part in parts:
        found = text.find(part, position)
        assert found >= 0, f"{part!r} is not behind the others in\n{text}"
        position = found + len(part)


@pytest.mark.slow
def test_a_short_job_has_one_sample_with_all_its_bytes(estate, ready):
    job = estate.replicate(ready)
    (sample,) = telemetry.samples_of(job)
    assert sample.bytes_transferred == 24 * MIB
    assert bytes_of(job) == pytest.approx(24 * MIB)
    (begin, _), (end, rate) = telemetry.throughput_of(job)
    assert 0 <= begin < end < 60
    assert rate == sample.bytes_per_second


def test_samples_of_a_busy_job_add_up_and_a_report_takes_a_handful_of_statements(
    estate, busy_reports, small2
):
    for number in range(100):
        estate.control.fill("small2", 2000, number * 256 * 1024, 64 * 1024, seed=number)
    estate.control.fill("small2", 2001, MIB, 3 * MIB, seed=1)
    estate.control.delay("GET /folder", 0.05)
    busy_reports.clear()
    job = estate.replicate(small2)
    planned = 100 * 64 * 1024 + 3 * MIB
    assert job.bytes_transferred == planned
    found = list(telemetry.samples_of(job))
    assert 10 < len(found) < MOST_SAMPLES
    assert found[-1].bytes_transferred == planned
    assert bytes_of(job) == pytest.approx(planned)
    # Now and then whether to cancel and the database's time; the limits of bandwidth; and in a
    # transaction (begun and ended) the job, its disks and the sample.
    assert len(busy_reports) > 10
    assert max(busy_reports) <= 2 + 1 + 2 + 1 + PARALLEL_DISKS + 1


@pytest.mark.slow
def test_a_resumed_attempt_counts_what_it_read_itself(estate, busy_reports, small1):
    estate.control.fill("small1", 2000, 4 * MIB, 48 * MIB, seed=1)
    job = start.start(small1, trigger="manual", requested_by="ops")
    estate.worker_that_dies("within transfer")
    kept = DiskImage.objects.get(job=job).checkpoint_bytes - 4 * MIB
    assert kept > 0
    estate.take_over()
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    second = [it for it in telemetry.samples_of(job) if it.attempt == 2]
    assert second[-1].bytes_transferred == 48 * MIB
    read = sum(it.bytes_per_second * it.seconds for it in second)
    assert read == pytest.approx(48 * MIB - kept)


def test_a_worker_without_its_lease_leaves_no_sample_and_no_line(estate, ready, monkeypatch):
    """The lease goes to somebody else in the middle of the transfer, unnoticed by the guard."""
    report = transfer._Transfer._report
    counts = []

    def lose_the_lease_and_report(self):
        leases.release(self._run.lease)
        counts.append((JobSample.objects.count(), JobLogLine.objects.count()))
        report(self)

    monkeypatch.setattr(transfer._Transfer, "_report", lose_the_lease_and_report)
    job = start.start(ready, trigger="manual", requested_by="ops")
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING  # left as it was, for whoever takes over
    assert counts == [(JobSample.objects.count(), JobLogLine.objects.count())]


def test_the_map_marks_exactly_where_the_guest_wrote(estate, ready, monkeypatch):
    estate.replicate(ready)
    estate.control.fill("small1", 2000, 8 * MIB, MIB, seed=2)
    estate.control.fill("small1", 2000, 40 * MIB + 512, 512, seed=3)
    changed = [Extent(8 * MIB, MIB), Extent(40 * MIB, BLOCK)]
    while_it_ran = []
    verify = runner.verify

    def look_and_verify(run, disks):
        while_it_ran.extend(telemetry.extent_maps_of_job(run.job))
        verify(run, disks)

    monkeypatch.setattr(runner, "verify", look_and_verify)
    job = estate.replicate(ready)
    (found,) = telemetry.extent_maps_of_job(job)
    assert [found] == while_it_ran
    assert found.levels == levels(changed, CAPACITY)
    assert {n: level for n, level in enumerate(found.levels) if level} == {
        **dict.fromkeys(range(32, 36), FULL),  # 256 KiB each
        160: 64,
    }
    assert (found.extent_count, found.capacity_bytes, found.sync_type) == (
        *(2, CAPACITY),
        "incremental",
    )
    assert DiskImage.objects.get(job=job).extent_map is None


@pytest.mark.slow
def test_an_incremental_job_without_changes_keeps_no_map(estate, ready):
    estate.replicate(ready)
    job = estate.replicate(ready)
    entry = CBTHistory.objects.get(job=job)
    assert (entry.extent_count, entry.extent_map) == (0, None)
    (found,) = telemetry.extent_maps_of_job(job)
    assert found.levels == bytes(BUCKETS)


@pytest.mark.slow
def test_several_syncs_show_where_changes_fall(estate, ready):
    estate.replicate(ready)
    estate.control.fill("small1", 2000, 0, MIB, seed=2)
    estate.replicate(ready)
    (disk,) = telemetry.syncs_of(ready)
    maps = disk.maps
    assert [it.sync_type for it in maps] == ["incremental", "incremental", "initial"]
    changes = telemetry.where_changes_fall(maps)
    touched = {number for number, level in enumerate(changes) if level}
    assert touched == {*range(4), *range(16, 112)}  # of the disk's 256 KiB areas
    assert set(changes) == {0, 128}


def test_the_log_of_a_success_tells_each_step(estate, ready):
    job = estate.replicate(ready)
    text = log_of(job)
    snapshot = f"vmrep:{job.pk}:1"
    image = DiskImage.objects.get(job=job)
    assert_in_order(
        text,
        f"info 1 small1: attempt 1 started on {leases.this_worker()}.",
        "Changed block tracking is on.",
        f"{snapshot} (quiesced).",
        f"disk-2000: changed since {image.previous_change_id} according to change tracking:",
        "pages 1, areas 1, extents 1, 25,165,824 bytes.",
        "disk-2000: incremental.",
        "disk-2000: 25,165,824 bytes are read from",
        "into a new file.",
        "disk-2000: 25,165,824 bytes read in",
        "disk-2000: 25,165,824 bytes, as planned; digest",
        image.digest,
        f"{image.locator} is checked and durable",
        "Committed: the VM can be restored to",
        f"Removed the snapshot {snapshot}.",
    )
    assert {it.level for it in telemetry.log_of(job)} == {LogLevel.INFO}


def test_the_log_of_a_failure_ends_with_the_reason(estate, ready):
    estate.control.deny_privilege("VirtualMachine.State.CreateSnapshot")
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    last = telemetry.log_of(job)[-1]
    assert last.level == LogLevel.ERROR
    assert last.text == f"Failed. {job.error_message}"


def test_an_unexpected_error_is_in_the_log(estate, ready, monkeypatch):
    def break_down(run):
        raise ZeroDivisionError("in the plan")

    monkeypatch.setattr(runner, "make_plan", break_down)
    job = estate.run_job(ready)
    assert job.status == JobStatus.FAILED
    assert_in_order(log_of(job), "error 1 Failed. Unexpected error", "in the plan")


@pytest.mark.slow
def test_the_log_of_a_retry_after_kill_9_says_where_it_went_on(estate, ready):
    estate.control.fill("small1", 2000, 28 * MIB, 24 * MIB, seed=2)
    job = start.start(ready, trigger="manual", requested_by="ops")
    estate.worker_that_dies("within transfer")
    died_on = ReplicationJob.objects.get(pk=job.pk).worker_name
    offset = DiskImage.objects.get(job=job).checkpoint_bytes
    estate.take_over()
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert_in_order(
        log_of(job),
        f"info 1 small1: attempt 1 started on {died_on}.",
        f"warning 1 The worker {died_on} stopped during “Transfer”. vmrep will retry at once.",
        f"info 2 small1: attempt 2 started on {leases.this_worker()}.",
        "Reusing the snapshot of an earlier attempt.",
        f"into the file of attempt 1, resuming at the checkpoint {offset:,}.",
        "Committed",
    )


@pytest.mark.usefixtures("no_sample")
@pytest.mark.slow
def test_a_transient_error_is_a_warning_and_the_clean_up_after_a_cancel_is_told(estate, ready):
    estate.control.fail("GET /folder", nth=4, fault="503", times=1000)
    job = estate.run_job(ready)
    assert job.status == JobStatus.PENDING
    cancel.cancel(job, actor="ann")
    estate.control.clear_faults()
    image = DiskImage.objects.get(job=job)
    cleanup.clean_context(ready.pk)
    text = log_of(job)
    assert_in_order(text, "warning 1", "503", "vmrep will retry in 10 seconds.")
    assert_in_order(
        text, "warning 2 Cancelled, as ann asked.", f"Removed the unfinished file {image.locator}."
    )
    assert f"Removed the snapshot vmrep:{job.pk}:1." in text


@pytest.mark.slow
def test_what_clean_up_could_not_do_is_a_warning(estate, ready):
    estate.control.refuse_snapshot_removal("small1")
    job = estate.run_job(ready)
    assert job.status == JobStatus.COMPLETED
    assert f"warning 1 The snapshot vmrep:{job.pk}:1 could not be removed" in log_of(job)


@pytest.mark.slow
def test_a_guest_that_cannot_be_quiesced_is_a_warning(estate, ready):
    estate.control.fail(
        "CreateSnapshot_Task", fault="ApplicationQuiesceFault", times=3, in_task=True
    )
    assert "warning 1 The guest could not be quiesced" in log_of(estate.replicate(ready))


def test_no_secret_is_in_any_line(estate, ready):
    estate.replicate(ready)
    estate.control.fail("GET /folder", fault="503", times=1000)
    estate.run_job(ready)
    lines = JobLogLine.objects.values_list("message", flat=True)
    assert len(lines) > 20
    for message in lines:
        assert PASSWORD not in message
        assert "vmware_soap_session" not in message.lower()
        assert "cookie" not in message.lower()
