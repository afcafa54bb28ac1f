"""What change tracking calls unchanged is looked at, a little, at every incremental job."""

from __future__ import annotations

import random
import threading
import time

import pytest

from replication.engine import chunk_maps
from replication.engine.chunk_maps import CHUNK_BYTES
from replication.engine.digests import DigestEntry
from replication.engine.directory import DirectoryRepository
from replication.engine.extents import Extent
from replication.errors import PreflightRefused, TryAgain
from replication.models import CBTHistory, DiskImage, ReplicationJob
from replication.services import cancel, start
from replication.states import JobStatus
from replication.sync import plan, runner, sample
from tests.sync.estate import MIB, work


def test_writes_that_tracking_lost_are_found_where_the_last_point_read(estate, small1):
    estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=1)
    estate.replicate(small1)
    estate.replicate(small1)  # it reads nothing: the one before it is looked at
    estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=2)
    estate.control.lie_about_changes("small1", 2000, "nothing")
    entry = CBTHistory.objects.get(job=estate.replicate(small1))
    assert entry.sync_type == "checksum"
    assert "Change tracking is wrong" in entry.note


def test_writes_that_tracking_lost_are_found_anywhere_on_the_disk(estate, monkeypatch, small1):
    """By the maps of the chain: the last points read something else."""
    whole = small1.recovery_points.get()
    estate.control.fill("small1", 2000, 8 * MIB, 2 * MIB, seed=1)
    for seed in (2, 3):
        estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=seed)
        estate.replicate(small1)
    estate.control.fill("small1", 2000, 9 * MIB, 4096, seed=4)
    estate.control.lie_about_changes("small1", 2000, "nothing")
    monkeypatch.setattr(sample, "how_many", lambda count, days: 4 * count)
    entry = CBTHistory.objects.get(job=estate.replicate(small1))
    assert entry.sync_type == "checksum"
    assert f"a change at byte {9 * MIB:,}" in entry.note
    told = small1.events.filter(why__contains="Change tracking is wrong").get().why
    assert f"{whole.consistent_at:%Y-%m-%d %H:%M:%S} UTC may lack" in told


def test_a_day_s_samples_find_a_thousandth_of_a_disk_that_is_stale(tmp_path):
    """100 GiB, by the 96 jobs of a day: nearly always (0.98)."""
    rng, count = random.Random(7), 100 << 12
    path = tmp_path / "map"
    digest = chunk_maps.write(
        path, count * CHUNK_BYTES, ((number, number.to_bytes(16, "big")) for number in range(count))
    )
    found = 0
    with chunk_maps.ChainMap([chunk_maps.Mapped(path, digest, "it")]) as known:
        assert sample.how_many(known.count, 0) == sample.LEAST_CHUNKS
        assert sample.how_many(known.count, 30) == sample.MOST_CHUNKS
        random.seed(7)
        for _ in range(30):
            stale = set(rng.sample(range(count), count // 1000))
            a_job = sample.how_many(known.count, 1 / 96)
            drawn = {number for _ in range(96) for number, _ in known.draw(a_job)}
            assert len(drawn) < count / 90
            found += bool(drawn & stale)
    assert found >= 28


@pytest.mark.slow
def test_a_rollback_below_vsphere_with_a_higher_number_is_found(estate, small1):
    estate.control.keep_storage("small1")
    estate.control.fill("small1", 2000, 40 * MIB, MIB, seed="lost")
    last = CBTHistory.objects.get(job=estate.replicate(small1))
    estate.control.configure("small1", power="off")
    estate.control.roll_back_storage("small1")
    for _ in range(3):
        estate.control.take_snapshot("small1", "passing")
        estate.control.remove_snapshots("small1")
    entry = CBTHistory.objects.get(job=estate.replicate(small1))
    numbers = [int(str(one.change_id).partition("/")[2]) for one in (last, entry)]
    assert numbers == sorted(set(numbers))
    assert (entry.sync_type, "Change tracking is wrong" in entry.note) == ("checksum", True)


def test_a_cancel_is_heard_while_a_sample_is_read_slowly(estate, ready):
    estate.control.delay("GET /folder", 4)
    job = start.start(ready, trigger="manual", requested_by="ops")
    worker = threading.Thread(target=work)
    worker.start()
    while not ReplicationJob.objects.filter(pk=job.pk, current_operation="Plan").exists():
        assert worker.is_alive()
        time.sleep(0.02)
    cancel.cancel(job, actor="ann")
    worker.join(60)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert not DiskImage.objects.filter(job=job).exists()  # it did not come to the transfer
    estate.control.clear_faults()


def test_a_cancel_is_heard_while_the_storage_of_the_sample_hangs(estate, monkeypatch, small1):
    estate.control.fill("small1", 2000, 40 * MIB, MIB, seed=1)
    reading, ends = threading.Event(), threading.Event()

    def hang(*_: object, **more: object) -> list[DigestEntry]:
        reading.set()
        ends.wait(60)
        return []

    monkeypatch.setattr(DirectoryRepository, "sample_digests", hang)
    job = start.start(small1, trigger="manual", requested_by="ops")
    worker = threading.Thread(target=work)
    worker.start()
    assert reading.wait(60)
    cancel.cancel(job, actor="ann")
    worker.join(30)
    try:
        assert not worker.is_alive()
        job.refresh_from_db()
        assert job.status == JobStatus.CANCELLED
    finally:
        ends.set()
        worker.join(60)


@pytest.mark.slow
def test_what_a_sample_found_is_known_until_a_comparison_is_committed(estate, monkeypatch, small1):
    """The next sample may miss it."""
    estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=1)
    estate.replicate(small1)
    estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=2)
    estate.control.lie_about_changes("small1", 2000, "nothing")

    problems = [TryAgain("The line is bad."), PreflightRefused("It is no better.")]

    def fail(*_):
        raise problems.pop(0)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "verify", fail)
        job = estate.run_job(small1)
        assert (job.status, job.replication_type) == ("pending", "checksum")
        monkeypatch.setattr(plan, "what_tracking_missed", lambda *_: "")
        ReplicationJob.objects.update(next_attempt_at=None)
        assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert (job.status, job.replication_type) == ("failed", "checksum")
    entry = CBTHistory.objects.get(job=estate.replicate(small1))
    assert entry.sync_type == "checksum"
    assert entry.note.count("compared") == 1
    assert estate.replicate(small1).replication_type == "incremental"


@pytest.mark.slow
def test_what_a_sample_found_outlives_the_worker(estate, monkeypatch, small1):
    """Killed after the plan, before there is any file."""
    estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=1)
    estate.replicate(small1)
    estate.control.fill("small1", 2000, 40 * MIB, 2 * MIB, seed=2)
    estate.control.lie_about_changes("small1", 2000, "nothing")
    job = start.start(small1, trigger="manual", requested_by="ops")
    estate.worker_that_dies("after make_plan")
    assert not DiskImage.objects.filter(job=job).exists()

    monkeypatch.setattr(plan, "what_tracking_missed", lambda *_: "")
    estate.take_over()
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert (job.status, job.replication_type) == ("completed", "checksum"), job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    assert "Change tracking is wrong" in CBTHistory.objects.get(job=job).note
    assert small1.disks.get().tracking_doubt == ""


def test_the_sample_is_small_and_outside_of_what_is_read_anyway():
    entries = [DigestEntry(offset * 4 * MIB, 4 * MIB, b"") for offset in range(64)]
    changed = [Extent(0, MIB), Extent(9 * MIB, MIB), Extent(200 * MIB, 56 * MIB)]
    chosen = sample._choose(entries, changed, 256 * MIB)
    assert sum(one.length for one in chosen) == sample.MOST_BYTES
    assert [one.offset // MIB for one in chosen] == [4, 12, 16, 20]
    assert sample._choose(entries, [Extent(0, 256 * MIB)], 256 * MIB) == []
    assert len(sample._choose(entries[:1], [], 256 * MIB)) == 1
    damaged = [DigestEntry(0, 2**63, b""), DigestEntry(4 * MIB, 0, b"")]
    damaged += [DigestEntry(256 * MIB, 512, b""), DigestEntry(2**63, 512, b"")]
    assert sample._choose([*damaged, *entries[:1]], [], 256 * MIB) == entries[:1]
    small = [DigestEntry(offset * MIB, 512, b"") for offset in range(64)]
    assert len(sample._choose(small, [], 256 * MIB)) == sample.MOST_REQUESTS
