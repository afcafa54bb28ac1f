"""A removal that cannot go on, an image of its chain being damaged, and what happens meanwhile."""

from __future__ import annotations

import uuid

import pytest

from replication.engine.directory import DirectoryRepository
from replication.engine.errors import TargetError
from replication.engine.processes import ProcessIdentity
from replication.errors import LeaseLost
from replication.models import (
    ContextLease,
    DiskImage,
    ImageDamage,
    ImageMerge,
    PointRemoval,
    RecoveryPoint,
)
from replication.retention import run, steps, turns
from replication.services import damages, leases
from replication.states import (
    DamageFinder,
    JobStatus,
    LeaseHolder,
    MergeStage,
    RecoveryPointState,
    RemovalState,
)
from tests import committed
from tests.retention.acts import die_after, runs
from tests.retention.chain import DISK1, DISK2, VM, Chain
from tests.sync.estate import MIB

pytestmark = pytest.mark.any_database


def image(chain: Chain, number: int, device_key: int = DISK1) -> DiskImage:
    images = DiskImage.objects.filter(recovery_point=chain.point(number))
    return images.get(disk__device_key=device_key)


def mark_damaged(chain: Chain, number: int, device_key: int = DISK1) -> None:
    damages.mark(
        *(
            image(chain, number, device_key).pk,
            "image_file_damaged",
            "rotten",
            DamageFinder.INTEGRITY,
        ),
        needs_deep_look=True,
    )


def next_point(chain: Chain) -> RecoveryPoint:
    """By a job that copies the damaged disk in full, and of the other one what changed."""
    for disk in (DISK1, DISK2):
        chain.estate.control.fill(VM, disk, 2 * MIB, MIB, seed="over the last")
    job = chain.estate.run_job(chain.context)
    assert job.status == "completed", job.error_message
    assert {it.sync_type for it in job.images.all()} == {"initial", "incremental"}
    return job.recovery_point


def test_what_the_newest_point_needs_stays_when_a_stuck_removal_comes_loose(chain: Chain):
    """Of the point above it, one disk's image goes with nothing based on it, and the other's takes
    in the newest one's content: that is what the lower image has to be merged with now."""
    chain.want(6)
    die_after(steps, "merging", run.run_next)
    mark_damaged(chain, 7)
    chain.time_passes()
    newest = next_point(chain)
    chain.want(7)
    runs(chain)
    chain.require_equal_point(newest)
    chain.require_settled()
    assert {it.parent for it in newest.images.all()} == {None}


@pytest.mark.slow
def test_the_upper_one_of_two_removals_ends_first(chain: Chain):
    """Its image is half merged when the damage is gone: the lower one would take that in."""
    chain.want(6)
    die_after(steps, "merging", run.run_next)
    mark_damaged(chain, 7, DISK2)
    chain.time_passes()
    newest = next_point(chain)
    chain.want(7)
    chain.time_passes()
    die_after(DirectoryRepository, "merge", run.run_next)
    assert chain.point(7).state == RecoveryPointState.EXPIRING
    damages.clear(ImageDamage.objects.get().pk)
    removal = turns.next_removal(chain.context.pk)
    assert removal is not None
    assert removal.recovery_point == chain.point(7)
    runs(chain, 2)
    assert not ImageDamage.objects.filter(cleared_at=None).exists()
    chain.require_equal_point(newest)
    chain.require_settled()


@pytest.mark.slow
def test_what_waits_behind_a_removal_that_is_tried_again_later_is_not_due(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
):
    """Else the same VM would be looked at again and again, and no other one ever."""

    def full(*arguments: object, **more: object) -> None:
        raise TargetError("no room")

    monkeypatch.setattr(DirectoryRepository, "merge", full)
    chain.want(2, 3)
    assert run.run_next() == chain.context.pk
    assert run.run_next() is None
    assert turns.due() == []
    assert sorted(chain.problems()) == [
        "Another recovery point of the VM is being removed, which comes first.",
        "no room",
    ]
    monkeypatch.undo()
    runs(chain, 2)
    chain.require_settled()


@pytest.mark.slow
def test_jobs_and_other_removals_go_on_where_a_merged_file_and_its_name_are_lost(chain: Chain):
    """Nothing will ever end that removal but that what is based on the point goes."""
    chain.want(3)
    die_after(steps, "merged", run.run_next)
    chain.file(4).unlink()
    chain.file(3).unlink()
    chain.time_passes()
    run.run_next()
    assert "does not exist" in PointRemoval.objects.get().problem
    chain.time_passes()
    job = chain.estate.run_job(chain.context)
    assert (job.status, job.error_message) == (JobStatus.COMPLETED, "")
    chain.want(4, 5)
    runs(chain, 4)
    chain.require_settled()


def test_damages_of_an_image_go_with_it_or_stay_with_its_file(chain: Chain):
    """Found while all was merged, and only the name was to be taken: what a header shows is gone
    when the file was looked at; what is rotten is in the child's file now."""
    chain.want(3)
    die_after(steps, "merged", run.run_next)
    for number in (3, 4):
        damages.mark(
            *(image(chain, number).pk, "image_file_missing", "It was.", DamageFinder.RETENTION)
        )
    runs(chain, 1)
    assert chain.point(3).state == RecoveryPointState.EXPIRED, chain.problems()
    assert not RecoveryPoint.objects.filter(state="available").exclude(damaged_at=None).exists()
    chain.want(4)
    die_after(steps, "merged", run.run_next)
    mark_damaged(chain, 4)
    runs(chain, 1)
    assert chain.point(4).state == RecoveryPointState.EXPIRED, chain.problems()
    assert "rotten" in chain.point(5).damage
    (left,) = ImageDamage.objects.filter(cleared_at=None)
    assert left.image == image(chain, 5)


def test_whatever_goes_wrong_is_noted_and_not_tried_again_at_once(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
):
    def odd(*arguments: object) -> None:
        raise ValueError("nobody thought of that")

    monkeypatch.setattr(steps, "begin", odd)
    chain.want(2)
    assert run.run_next() == chain.context.pk
    removal = PointRemoval.objects.get()
    assert "nobody thought of that" in removal.problem
    assert removal.attempts == 1
    assert run.run_next() is None
    assert not ContextLease.objects.exists()


def test_who_writes_is_noted_under_the_lease_alone(chain: Chain):
    chain.want(2)
    die_after(steps, "merging", run.run_next)
    merge = ImageMerge.objects.exclude(stage=MergeStage.PLANNED).get()
    me = ProcessIdentity(4711, 1, "boot")
    late = leases.Lease(chain.context.pk, "retention", uuid.uuid4())
    with pytest.raises(LeaseLost):
        steps.writing(merge, late, me)
    chain.time_passes()
    lease = leases.acquire(chain.context.pk, LeaseHolder.RETENTION)
    assert lease is not None
    steps.writing(merge, lease, me)
    assert ImageMerge.objects.get(pk=merge.pk).writer_pid == 4711
    ImageMerge.objects.filter(pk=merge.pk).update(stage=MergeStage.MERGED, digest="x")
    with pytest.raises(LeaseLost):
        steps.writing(merge, lease, me)


@pytest.mark.slow
def test_a_file_that_was_away_for_a_while_is_looked_at_again(chain: Chain):
    """Nobody else does, while something is to be merged into it. What was changed meanwhile is no
    damage: a half merged file may have grown."""
    chain.want(2)
    die_after(DirectoryRepository, "merge", run.run_next)
    away = [(chain.file(2, disk), chain.file(2, disk).with_name("away")) for disk in (DISK1, DISK2)]
    for file, other in away:
        file.rename(other)
        chain.time_passes()
        run.run_next()
        assert ImageDamage.objects.filter(cleared_at=None).count() == 1
        other.rename(file)
        chain.time_passes()
        die_after(DirectoryRepository, "merge", run.run_next)
        assert not ImageDamage.objects.filter(cleared_at=None).exists()
    runs(chain, 1)
    assert chain.findings() >= {"image_in_doubt"}, "of the one that was not being written to"
    committed.accept_all()
    chain.require_settled()


@pytest.mark.slow
def test_a_removal_that_is_stuck_before_a_file_was_changed_is_taken_back(chain: Chain):
    """What is damaged is what the next point holds: this one may be the newest that can be used."""
    chain.want(6)
    die_after(steps, "begin", run.run_next)
    mark_damaged(chain, 7)
    runs(chain, 1)
    removal = PointRemoval.objects.get()
    assert (chain.point(6).state, removal.state) == (
        *(RecoveryPointState.AVAILABLE, RemovalState.WANTED),
    )
    assert (removal.started_at, "newest" in removal.problem) == (None, True)
    assert not ImageMerge.objects.exists()
    assert chain.findings() == set()
    chain.require_equal()
    damages.clear(ImageDamage.objects.get().pk)
    runs(chain, 1)
    chain.require_settled()
