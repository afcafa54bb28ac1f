"""A repository without room fails a replication before anything happens at the VM: the lab counts
the snapshots. What may fit is tried."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from contexts.text import binary
from replication.engine.target import Room
from replication.models import DiskImage, RecoveryPoint, Repository
from replication.selectors.room import (
    expected_bytes,
    first_bytes,
    reserve_bytes,
    under_way_bytes,
)
from replication.services import moving, repositories, start
from replication.states import StepName
from replication.storage.looks import StorageState
from replication.sync import runner
from tests import factories
from tests.sync.estate import MIB

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def free(monkeypatch) -> Callable[[int], None]:
    """Sets how much is free in every repository: other programs write to the disk of the tests."""

    def set_free(count: int) -> None:
        state = StorageState("", Room(device=1, free_bytes=count, total_bytes=1 << 30))
        monkeypatch.setattr("replication.sync.room.looks.look", lambda *_, **__: state)

    return set_free


def snapshots(estate) -> int:
    """How many there were at once since the meters were reset."""
    return sum(each["most"] for each in estate.control.snapshots_at_once().values())


def changed(estate, context, seed: int, mib: int = 2):
    estate.control.fill(context.vm_name, 2000, 4 * MIB, mib * MIB, seed=seed)
    return estate.run_job(context)


def test_without_room_no_snapshot_is_taken(estate, small1):
    here = estate.repository
    estate.control.reset_meters()
    repositories.change(here, reserve_bytes=1 << 62)
    job = changed(estate, small1, 1)
    assert (job.status, job.error_code) == ("failed", "repository_full")
    assert "No snapshot was taken. Delete recovery points" in job.error_message
    assert not job.steps.filter(name=StepName.SNAPSHOT).exists()
    assert snapshots(estate) == 0
    estate.assert_nothing_left_over(small1)

    repositories.change(here, reserve_bytes=0)
    estate.replicate(small1)
    assert snapshots(estate) > 0


def scheduled(estate, context, seed: int, mib: int = 2):
    """As `changed`, by the schedule."""
    estate.control.fill(context.vm_name, 2000, 4 * MIB, mib * MIB, seed=seed)
    job = start.start(context, trigger="schedule", requested_by="schedule")
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    ("capacity", "allocated", "used", "expected"),
    [
        (100, 60, 40, 20),
        (100, 60, None, 30),
        (100, None, 40, 20),
        (100, 150, 120, 50),  # swap files and snapshots are counted, too: no more than the disks
        (100, 0, None, 0),
        (100, None, None, 0),
    ],
)
def test_a_first_copy_is_expected_to_store_half_of_what_is_known(
    capacity, allocated, used, expected
):
    assert first_bytes(capacity, allocated, used) == expected


def test_a_scheduled_first_copy_that_will_not_fit_is_refused_before_the_snapshot(estate, free):
    """Once: the next one finds out. What vSphere says of it is what the lab's files take."""
    context = estate.take("small1")
    repositories.change(estate.repository, reserve_bytes=MIB)
    estate.control.reset_meters()
    free(2 * MIB)
    job = scheduled(estate, context, 1, mib=8)
    assert (job.status, job.error_code) == ("failed", "repository_full")
    assert "By what vSphere and its guest say that its disks hold" in job.error_message
    assert snapshots(estate) == 0
    free(1 << 30)
    assert scheduled(estate, context, 2).status == "completed"
    assert snapshots(estate) == 1


@pytest.mark.slow
def test_what_earlier_copies_took_holds_a_scheduled_one_up_but_not_for_ever(
    estate, small1, tmp_path, free
):
    here = estate.repository
    repositories.change(here, reserve_bytes=MIB)
    disks = [small1.disks.get().pk]
    for seed in range(2):
        assert changed(estate, small1, seed, 8).status == "completed"
    assert expected_bytes(small1, here.pk, disks, "") == 0  # two say too little
    assert changed(estate, small1, 2, 3).status == "completed"
    for hours, point in enumerate(RecoveryPoint.objects.order_by("-pk"), start=1):
        RecoveryPoint.objects.filter(pk=point.pk).update(consistent_at=Now() - hours * HOUR)
    smallest = expected_bytes(small1, here.pk, disks, "")
    assert 3 * MIB <= smallest < 4 * MIB

    estate.control.reset_meters()
    free(smallest + MIB - 1)
    job = scheduled(estate, small1, 3)
    assert job.error_code == "repository_full"
    assert f"expects about {binary(smallest)}." in job.error_message
    assert "tried at once if somebody starts it" in job.error_message
    assert snapshots(estate) == 0
    assert scheduled(estate, small1, 4).status == "completed"  # the expectation was wrong

    # The guest has emptied much of its disk since the last full copy.
    root = DiskImage.objects.get(sync_type="initial")
    there = repositories.add_directory("there", str(tmp_path / "there"))
    repositories.change(there, reserve_bytes=0)
    moving.move(small1, there, actor="ops")
    assert expected_bytes(small1, there.pk, disks, "") == root.allocated_bytes // 2
    free(root.allocated_bytes // 4)
    estate.control.reset_meters()
    assert scheduled(estate, small1, 5).error_code == "repository_full"
    assert snapshots(estate) == 0
    assert changed(estate, small1, 6).status == "completed"


def test_what_others_under_way_will_store_is_counted(estate, small1, free):
    """One of which nothing is expected does not begin while a large copy takes what is left."""
    here = estate.repository
    repositories.change(here, reserve_bytes=MIB)
    other = factories.running_job(
        factories.context("other", at=estate.vcenter, keep_in=here), planned_bytes=40 * MIB
    )
    DiskImage.objects.filter(job=other).update(transferred_bytes=8 * MIB)
    assert under_way_bytes(here.pk) == 16 * MIB  # half of what is left of a full copy
    assert under_way_bytes(here.pk, besides=other.pk) == 0
    free(17 * MIB - 1)
    estate.control.reset_meters()
    job = scheduled(estate, small1, 1)
    assert job.error_code == "repository_full"
    assert "Others that are under way may store 16 MiB more there." in job.error_message
    assert snapshots(estate) == 0
    assert changed(estate, small1, 2).status == "completed"  # somebody asks for it
    free(17 * MIB)
    assert scheduled(estate, small1, 3).status == "completed"


def test_no_more_is_expected_of_an_hour_than_its_part_of_a_day(db):
    """The target was a day, and is an hour now: that what changes in a day does not fit says little
    about the next hour."""
    vm = factories.context("vm")
    now = timezone.now()
    for days in reversed(range(5)):
        when = now - HOUR - days * DAY
        factories.completed_job(vm, planned_bytes=24 * MIB, consistent_at=when)
    disks = list(vm.disks.values_list("pk", flat=True))
    expected = expected_bytes(vm, vm.repository_id, disks, "") / len(disks)
    assert expected == pytest.approx(24 * MIB / 24, rel=0.05)
    RecoveryPoint.objects.update(consistent_at=F("consistent_at") - 9 * DAY)
    assert expected_bytes(vm, vm.repository_id, disks, "") == 24 * MIB * len(disks)
    RecoveryPoint.objects.update(consistent_at=F("consistent_at") + 99 * DAY)  # by whichever clock
    assert expected_bytes(vm, vm.repository_id, disks, "") == 0


def test_a_vm_that_was_never_copied_is_tried_as_zeroes_take_no_room(estate, free):
    """Its disk is larger than what is free."""
    context = estate.take("small1")
    repositories.change(estate.repository, reserve_bytes=0)
    free(2 * MIB)
    size = context.disks.get().capacity_bytes
    assert size > 8 * MIB
    assert expected_bytes(context, estate.repository.pk, [context.disks.get().pk], "") == 0
    job = estate.run_job(context)
    assert job.status == "completed"
    assert "It fits only if much of that is zeroes." in job.steps.get(name=StepName.PLAN).message


@pytest.mark.parametrize("total", [64 << 20, 1 << 40])
def test_the_reserve_is_small_unless_somebody_says_otherwise(total):
    room = Room(device=1, free_bytes=total, total_bytes=total)
    assert reserve_bytes(Repository(), room.total_bytes) == min(2 << 30, total // 50)
    assert reserve_bytes(Repository(reserve_bytes=0), room.total_bytes) == 0
