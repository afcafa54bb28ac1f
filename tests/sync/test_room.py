"""A repository without room fails a replication before anything happens at the VM: the lab counts
the snapshots. What may fit is tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from replication.engine.target import Room
from replication.models import DiskImage, Repository
from replication.selectors.room import least_bytes, reserve_bytes
from replication.services import moving, repositories
from replication.states import StepName
from replication.storage.looks import StorageState
from tests.sync.estate import MIB


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


def test_what_earlier_copies_took_is_expected_of_the_next_one_but_never_more(
    estate, small1, tmp_path, free
):
    here = estate.repository
    repositories.change(here, reserve_bytes=MIB)
    disks = [small1.disks.get().pk]
    for seed in range(2):
        assert changed(estate, small1, seed, 8).status == "completed"
    assert least_bytes(small1, here.pk, disks, "") == 0  # two say too little
    assert changed(estate, small1, 2, 3).status == "completed"
    smallest = least_bytes(small1, here.pk, disks, "")
    assert 3 * MIB <= smallest < 4 * MIB

    estate.control.reset_meters()
    free(smallest + MIB - 1)
    job = changed(estate, small1, 3)
    assert job.error_code == "repository_full"
    assert f"needs {smallest:,} bytes or more" in job.error_message
    assert snapshots(estate) == 0

    root = DiskImage.objects.get(sync_type="initial")
    there = repositories.add_directory("there", str(tmp_path / "there"))
    repositories.change(there, reserve_bytes=0)
    moving.move(small1, there, actor="ops")
    assert least_bytes(small1, there.pk, disks, "") == root.allocated_bytes // 2
    free(root.allocated_bytes // 4)
    assert changed(estate, small1, 4).error_code == "repository_full"
    assert snapshots(estate) == 0
    # The guest may have emptied its disk, so this may fit.
    free(root.allocated_bytes - MIB)
    assert changed(estate, small1, 5).status == "completed"


def test_a_vm_that_was_never_copied_is_tried_as_zeroes_take_no_room(estate, free):
    """Its disk is larger than what is free."""
    context = estate.take("small1")
    repositories.change(estate.repository, reserve_bytes=0)
    free(2 * MIB)
    size = context.disks.get().capacity_bytes
    assert size > 8 * MIB
    assert least_bytes(context, estate.repository.pk, [context.disks.get().pk], "") == 0
    job = estate.run_job(context)
    assert job.status == "completed"
    assert "It fits only if much of that is zeroes." in job.steps.get(name=StepName.PLAN).message


@pytest.mark.parametrize("total", [64 << 20, 1 << 40])
def test_the_reserve_is_small_unless_somebody_says_otherwise(total):
    room = Room(device=1, free_bytes=total, total_bytes=total)
    assert reserve_bytes(Repository(), room) == min(2 << 30, total // 50)
    assert reserve_bytes(Repository(reserve_bytes=0), room) == 0
