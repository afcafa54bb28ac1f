"""Full and incremental replications of real disks, compared byte by byte."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from contexts import clock
from contexts.clock import database_now
from contexts.states import ContextStatus
from replication.engine.image import ImageReader
from replication.integrity.findings import Scope
from replication.integrity.look import find
from replication.models import CBTHistory, DiskImage
from replication.sync import runner
from tests.engine.support import files_of
from tests.sync.estate import MIB


def test_the_first_replication_is_initial_and_equal(estate):
    context = estate.take("small1")
    job = estate.replicate(context)
    assert job.replication_type == "initial"
    assert 4 * MIB <= job.bytes_transferred < 16 * MIB  # the data, not the capacity of 64 MiB
    assert context.current_status == ContextStatus.READY
    assert job.recovery_point.quiesced


def test_the_next_one_is_incremental_and_reads_what_changed(estate, small1):
    estate.control.fill("small1", 2000, 16 * MIB, 32 * MIB, seed=1)
    job = estate.replicate(small1)
    assert job.replication_type == "incremental"
    assert job.bytes_transferred == 32 * MIB
    entry = CBTHistory.objects.get(job=job)
    assert (entry.blocks_changed, entry.sync_type) == (512, "incremental")
    assert None not in (entry.change_id, entry.previous_change_id)
    assert entry.change_id != entry.previous_change_id


def test_nothing_changed_transfers_nothing_and_is_a_recovery_point(estate, small1):
    job = estate.replicate(small1)
    assert (job.replication_type, job.bytes_transferred) == ("incremental", 0)
    assert small1.recovery_points.count() == 2


def test_all_disks_of_a_vm_are_in_its_recovery_point(estate):
    context = estate.take("small2")
    job = estate.replicate(context)
    assert job.recovery_point.disk_count == 2
    assert not job.recovery_point.quiesced  # it has no tools: crash-consistent, and says so
    estate.control.fill("small2", 2001, 3 * MIB, 512, seed=2)
    estate.control.fill("small2", 2000, 5 * MIB + 512, 7 * MIB, seed=3)
    job = estate.replicate(context)
    assert job.replication_type == "incremental"
    assert set(CBTHistory.objects.filter(job=job).values_list("disk__disk_id", flat=True)) == {
        "disk-2000",
        "disk-2001",
    }


def test_earlier_recovery_points_stay_as_they_were(estate, small2):
    rng = random.Random(5)
    points = [small2.recovery_points.get()]
    for _ in range(2):
        for _ in range(10):
            key = rng.choice((2000, 2001))
            offset = rng.randrange(0, 18 * MIB, 512)
            estate.control.fill("small2", key, offset, rng.randrange(512, MIB, 512), rng.random())
        points.append(estate.replicate(small2).recovery_point)
    for point in points:
        estate.assert_equal_to_snapshot(point)


@pytest.mark.slow
def test_zeroes_that_the_guest_writes_hide_what_was_there(estate):
    context = estate.take("small1")
    estate.control.fill("small1", 2000, 8 * MIB, 4 * MIB, seed=1)
    estate.replicate(context)
    estate.control.write("small1", 2000, 9 * MIB, bytes(2 * MIB))
    assert estate.replicate(context).bytes_transferred == 2 * MIB


def test_guest_writes_during_the_copy_are_not_in_it_but_in_the_next(estate, monkeypatch, small1):
    estate.control.fill("small1", 2000, 0, 8 * MIB, seed=1)
    make_plan = runner.make_plan

    def plan_while_the_guest_writes(attempt):
        estate.control.fill("small1", 2000, 4 * MIB, 8 * MIB, seed=2)
        make_plan(attempt)
        estate.control.fill("small1", 2000, 30 * MIB, MIB, seed=3)

    monkeypatch.setattr(runner, "make_plan", plan_while_the_guest_writes)
    assert estate.replicate(small1).bytes_transferred == 8 * MIB
    monkeypatch.undo()
    assert estate.replicate(small1).bytes_transferred == 9 * MIB


def test_pages_of_changed_areas_are_all_read(estate, small1):
    estate.control.set_pages(extents=7, span_bytes=5 * MIB)
    for number in range(60):
        estate.control.fill("small1", 2000, number * MIB, 64 << 10, seed=number)
    assert estate.replicate(small1).bytes_transferred == 60 * (64 << 10)


def test_a_reset_of_change_tracking_compares_the_whole_disk(estate, small1):
    estate.control.fill("small1", 2000, 8 * MIB, MIB, seed=1)
    estate.control.reset_cbt("small1")
    job = estate.replicate(small1)
    assert job.replication_type == "checksum"
    image = DiskImage.objects.get(job=job)
    assert (image.sync_type, image.parent is None) == ("checksum", False)
    assert "reset" in CBTHistory.objects.get(job=job).note
    assert job.bytes_transferred == 64 * MIB  # read, to be compared
    assert image.allocated_bytes < 4 * MIB  # and only what differs was written
    assert estate.replicate(small1).replication_type == "incremental"


@pytest.mark.slow
def test_a_vm_that_cannot_tell_its_allocated_areas_is_read_whole(estate):
    context = estate.take("small1")
    estate.control.fail("QueryChangedDiskAreas", fault="FileFault", times=2)  # it is asked twice
    job = estate.replicate(context)
    assert job.bytes_transferred == 64 * MIB
    assert "the whole disk is read" in CBTHistory.objects.get(job=job).note


def test_a_replica_can_be_opened_with_ordinary_tools(estate):
    job = estate.replicate(estate.take("small1"))
    (image,) = job.recovery_point.images.all()
    with ImageReader(files_of(estate.repository_folder / image.locator)) as reader:
        connection = reader.connect()
        assert connection.pread(2, 510) == b"\x55\xaa"  # the partition table's signature
        connection.close()


@pytest.mark.slow
@pytest.mark.scenario("huge")
def test_a_disk_of_2_tib_takes_work_for_its_data_only(estate):
    (vm,) = estate.control.list_vms()
    context = estate.take(vm["name"])
    job = estate.replicate(context)
    assert 90 * MIB <= job.bytes_transferred <= 256 * MIB
    estate.control.fill(vm["name"], 2000, (1 << 40) + 512, MIB, seed=1)
    assert estate.replicate(context).bytes_transferred < 2 * MIB


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has the clock of the process that asks"
)
def test_a_worker_whose_clock_is_ahead_dates_its_recovery_point_by_the_database(
    estate, monkeypatch
):
    context = estate.take("small1")
    before = database_now()
    present = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: present() + timedelta(hours=6))
    monkeypatch.setattr(clock, "_last", None)
    point = estate.replicate(context).recovery_point
    assert before <= point.consistent_at <= database_now()
    assert list(find(Scope(quiet=True))) == []
