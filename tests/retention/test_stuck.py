"""A removal that cannot go on, an image of its chain being damaged, and what happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import OperationalError

from replication.engine.directory import DirectoryRepository
from replication.models import DiskImage, ImageDamage, RecoveryPoint
from replication.retention import run, steps
from replication.services import damages
from replication.states import DamageFinder, RecoveryPointState
from tests.retention.chain import DISK1, DISK2, VM, Chain
from tests.sync.estate import MIB

pytestmark = pytest.mark.any_database


def die_after(owner: object, name: str, action: Callable[[], object]) -> None:
    """The worker that does this is gone as soon as the step is done."""
    step = getattr(owner, name)

    def dying(*arguments: object, **more: object) -> None:
        step(*arguments, **more)
        raise OperationalError("the worker is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, dying)
        action()


def mark_damaged(chain: Chain, number: int, device_key: int = DISK1) -> None:
    image = DiskImage.objects.get(recovery_point=chain.point(number), disk__device_key=device_key)
    damages.mark(
        *(image.pk, "image_file_damaged", "rotten", DamageFinder.INTEGRITY), needs_deep_look=True
    )


def next_point(chain: Chain) -> RecoveryPoint:
    """By a job that copies the damaged disk in full, and of the other one what changed."""
    for disk in (DISK1, DISK2):
        chain.estate.control.fill(VM, disk, 2 * MIB, MIB, seed="over the last")
    job = chain.estate.run_job(chain.context)
    assert job.status == "completed", job.error_message
    assert {image.sync_type for image in job.images.all()} == {"initial", "incremental"}
    return job.recovery_point


def runs(chain: Chain, count: int = 6) -> None:
    for _ in range(count):
        chain.time_passes()
        run.run_next()


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
    assert {image.parent for image in newest.images.all()} == {None}


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
    runs(chain, 2)
    assert not ImageDamage.objects.filter(cleared_at=None).exists()
    chain.require_equal_point(newest)
    chain.require_settled()
