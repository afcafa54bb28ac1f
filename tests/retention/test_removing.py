"""A recovery point goes, wherever in its chain it is; all the others read as before."""

from __future__ import annotations

import pytest
from django.test import Client

from replication.models import DiskImage, ImageMerge, PointRemoval
from replication.retention import run, steps
from replication.services.leases import Lease
from replication.states import RecoveryPointState
from replication.sync import sample
from tests.retention.chain import DISK2, Chain

pytestmark = pytest.mark.any_database


def test_any_point_but_the_newest_can_be_removed(chain: Chain):
    """The middle where a disk is left out, the middle where the next one has grown, the end of a
    chain, a root, and what is left of the chain."""
    for number in (4, 2, 5, 1, 3, 6):
        chain.remove(number)
        chain.require_equal()
    chain.require_settled()
    removal = PointRemoval.objects.get(recovery_point=chain.point(2).pk)
    assert removal.freed_bytes > 0
    assert (chain.point(2).expired_why, chain.point(2).needed_images) == ("user", None)
    assert chain.point(2).expired_at is not None
    (kept,) = DiskImage.objects.filter(disk__device_key=DISK2)
    assert (kept.parent, kept.merged_digest != "") == (None, True)
    assert chain.context.events.filter(why__startswith="removed the recovery point").count() == 6
    chain.replicate()
    chain.require_settled()


@pytest.mark.slow
def test_what_a_point_held_that_was_merged_into_an_unchanged_one_is_no_lost_change(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
):
    """The newest job read nothing: what its file holds since is of the point that went."""
    monkeypatch.setattr(sample, "DRAWN", 10_000)
    monkeypatch.setattr(sample, "MOST_REQUESTS", 10_000)
    chain.estate.replicate(chain.context)
    chain.remove(7)
    job = chain.estate.replicate(chain.context)
    assert job.replication_type == "incremental", list(job.steps.values_list("message", flat=True))
    chain.require_settled()


def test_how_far_it_has_come_is_told(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, admin_client: Client
):
    """Two disks: each is half of it, and of each half is writing and half reading again."""
    told: list[int | None] = []
    progress, merged = steps.progress, steps.merged

    def tell() -> None:
        told.append(PointRemoval.objects.get(recovery_point=chain.point(2).pk).done_percent)

    def telling(merge: ImageMerge, lease: Lease, percent: int) -> None:
        progress(merge, lease, percent)
        tell()

    def telling_the_end(merge: ImageMerge, digest: str, map_digest: str, lease: Lease) -> None:
        merged(merge, digest, map_digest, lease)
        tell()
        url = f"/virtual-machines/?vm={chain.context.pk}&tab=points"
        assert f"Being removed, {told[-1]} % done" in admin_client.get(url).content.decode()

    monkeypatch.setattr(run, "PROGRESS_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(steps, "progress", telling)
    monkeypatch.setattr(steps, "merged", telling_the_end)
    before = chain.context.updated_at
    chain.remove(2)
    assert told == sorted(told)
    assert {50, 100} < set(told)
    assert any(percent not in (0, 50, 100) for percent in told)
    chain.context.refresh_from_db()
    assert chain.context.updated_at > before
    tell()
    assert told[-1] is None


@pytest.mark.slow
def test_several_points_go_in_one_run_and_the_end_of_a_chain_goes_without_a_merge(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
):
    merged: list[str] = []
    monkeypatch.setattr("replication.retention.run.steps.merged", _noting(merged))
    chain.remove(3, 4, 5)
    assert merged == []
    chain.require_settled()
    chain.remove(1)
    assert len(merged) == 2
    assert chain.point(7).state == RecoveryPointState.AVAILABLE
    chain.require_settled()


def _noting(merged: list[str]):
    from replication.retention import steps

    real = steps.merged

    def noting(merge, digest, *more):
        merged.append(digest)
        real(merge, digest, *more)

    return noting
