"""What comes between a removal's steps: another worker, damage, a pin, a lost answer, a deletion, a
database of before."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now

from contexts.errors import ContextBusy
from contexts.models import VMContext
from replication.engine.directory import DirectoryRepository
from replication.errors import PointGone, PointNeeded
from replication.models import (
    ContextLease,
    ImageDamage,
    ImageMerge,
    PointRemoval,
    RecoveryPointHold,
)
from replication.retention import run, services, steps
from replication.services import leases, removal, start
from replication.states import JobStatus, LeaseHolder, MergeStage, RecoveryPointState, RemovalState
from replication.sync import runner
from tests.engine.chains import flip, own_data
from tests.kept_rows import KeptRows
from tests.retention.acts import die_after, rot, runs
from tests.retention.chain import DISK1, VM, Chain
from tests.sync.estate import MIB


def _job_runs(chain: Chain) -> None:
    """In a worker of its own, while the one that removes stands still."""

    def work() -> None:
        job = start.start(
            VMContext.objects.get(pk=chain.context.pk), trigger="manual", requested_by="ops"
        )
        runner.run_next()
        job.refresh_from_db()
        outcome.append((job.status, job.error_message))
        connection.close()

    outcome: list[tuple[str, str]] = []
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert outcome == [(JobStatus.COMPLETED, "")]


@pytest.mark.parametrize("at", ["check_merged", pytest.param("take_name", marks=pytest.mark.slow)])
def test_a_job_ends_the_removal_of_a_worker_that_stands_still(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, at: str
):
    """Its Prepare does; the other one awakes, and does nothing more."""
    step = getattr(DirectoryRepository, at)

    def paused(*arguments: object, **more: object) -> object:
        monkeypatch.setattr(DirectoryRepository, at, step)
        ContextLease.objects.update(expires_at=Now())
        chain.estate.control.fill(VM, DISK1, 3 * MIB, MIB, seed="meanwhile")
        _job_runs(chain)
        return step(*arguments, **more)

    monkeypatch.setattr(DirectoryRepository, at, paused)
    chain.want(2)
    run.run_next()
    assert chain.point(2).state == RecoveryPointState.EXPIRED
    chain.require_settled()


@pytest.mark.slow
def test_a_bit_that_flips_before_the_file_is_read_again_stops_the_removal(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
):
    check = DirectoryRepository.check_merged

    def flipped(self: DirectoryRepository, layers, **more: object) -> object:
        monkeypatch.setattr(DirectoryRepository, "check_merged", check)
        place = own_data(chain.file(3))[0].offset
        flip(chain.file(2), place)
        return check(self, layers, **more)

    monkeypatch.setattr(DirectoryRepository, "check_merged", flipped)
    chain.want(2)
    run.run_next()
    (damage,) = ImageDamage.objects.all()
    assert damage.found_by == "retention"
    assert chain.file(2).exists()
    assert [chain.point(number).damaged_at is not None for number in (1, 3, 4, 5, 6, 7)] == [
        *(False, True, True, True, False, False)
    ]
    removal_of_2 = PointRemoval.objects.get()
    assert "is damaged" in removal_of_2.problem
    chain.time_passes()
    assert run.run_next() is None  # it looks, and leaves it alone
    assert ImageMerge.objects.filter(stage=MergeStage.MERGING).count() == 1
    assert chain.findings() == {"removal_stuck"}
    # The chain goes from its end; then nothing is based on the point any more.
    chain.replicate()
    chain.want(3, 4, 5)
    chain.time_passes()
    while run.run_next():
        chain.time_passes()
    chain.require_settled()


def test_what_has_rotted_in_a_child_is_not_merged_into_a_point_that_can_be_used(chain: Chain):
    """All that are based on the child have rotted with it; the point below becomes the newest of
    its chain that can be used, and stays."""
    rot(chain, 3)
    chain.want(2)
    run.run_next()
    _require_kept(chain)


@pytest.mark.slow
def test_what_rots_in_a_child_after_its_removal_began_is_not_merged_either(chain: Chain):
    """The worker died before a file was changed; whoever goes on reads the child again."""
    chain.want(2)
    die_after(steps, "begin", run.run_next)
    rot(chain, 3)
    runs(chain, 2)  # the second one takes the removal back
    _require_kept(chain)


def _require_kept(chain: Chain) -> None:
    (damage,) = ImageDamage.objects.all()
    assert damage.image.recovery_point_id == chain.point(3).pk
    assert [chain.point(number).damaged_at is not None for number in range(1, 8)] == [
        *(False, False, True, True, True, False, False)
    ]
    assert chain.point(2).state == RecoveryPointState.AVAILABLE
    assert PointRemoval.objects.get().state == RemovalState.WANTED
    chain.require_equal(3, 4, 5)


def test_a_pin_and_a_removal_exclude_one_another(chain: Chain):
    point = chain.point(3)
    services.delete(point, actor="ops")
    services.pin(point, comment="before the update", actor="eve")
    assert not PointRemoval.objects.exists()
    with pytest.raises(PointNeeded, match="eve has pinned it"):
        services.delete(point, actor="ops")
    services.unpin(point, actor="eve")
    services.delete(point, actor="ops")
    steps.begin(PointRemoval.objects.get(), _lease(chain))
    for refused in (
        lambda: services.pin(point, comment="", actor="eve"),
        lambda: services.comment(point, "x", actor="eve"),
        lambda: services.delete(point, actor="eve"),
    ):
        with pytest.raises(PointGone):
            refused()


def _lease(chain: Chain):
    lease = leases.acquire(chain.context.pk, LeaseHolder.RETENTION)
    assert lease is not None
    return lease


def test_a_reader_keeps_what_its_point_is_based_on_and_nothing_later(chain: Chain):
    hold = RecoveryPointHold.objects.create(
        recovery_point=chain.point(3), kind="verify", owner="ops"
    )
    for number in (1, 2, 3):
        with pytest.raises(PointNeeded, match="reads it"):
            services.delete(chain.point(number), actor="eve")
    chain.remove(4)
    chain.want(5)
    RecoveryPointHold.objects.filter(pk=hold.pk).update(recovery_point=chain.point(5))
    assert run.run_next() is None
    assert chain.point(5).state == RecoveryPointState.AVAILABLE
    assert "reads it" in PointRemoval.objects.get(recovery_point=chain.point(5)).problem


def test_the_newest_and_the_newest_usable_cannot_be_deleted(chain: Chain):
    with pytest.raises(PointNeeded, match="newest recovery point"):
        services.delete(chain.point(7), actor="ops")


def test_an_answer_to_the_last_commit_that_is_lost_changes_nothing(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
):
    finish = steps.finish

    def answer_lost(*arguments: object) -> None:
        finish(*arguments)
        monkeypatch.setattr(steps, "finish", finish)
        raise OperationalError("the connection is gone")

    monkeypatch.setattr(steps, "finish", answer_lost)
    chain.want(2)
    run.run_next()
    chain.time_passes()
    assert chain.point(2).state == RecoveryPointState.EXPIRED
    chain.require_settled()


@pytest.mark.parametrize(
    "after",
    ["merged", *(pytest.param(at, marks=pytest.mark.slow) for at in ("merging", "switched"))],
)
def test_deleting_all_replica_data_ends_a_removal_that_is_under_way(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, after: str
):
    step = getattr(steps, after)

    def dying(*arguments: object) -> None:
        step(*arguments)
        raise OperationalError("the worker is gone")

    monkeypatch.setattr(steps, after, dying)
    chain.want(2)
    run.run_next()
    confirm = removal.confirmation_text(chain.context)
    with pytest.raises(ContextBusy):
        removal.delete_replica_data(chain.context, confirm_vm_name=confirm, actor="ops")
    chain.time_passes()
    removal.delete_replica_data(chain.context, confirm_vm_name=confirm, actor="ops")
    chain.clean()
    assert not ImageMerge.objects.exists()
    assert not PointRemoval.objects.exclude(state=RemovalState.DONE).exists()
    left = [path for path in chain.estate.repository_folder.rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["vmrep-repository.json"]


def test_a_database_of_before_the_removal_is_noticed(chain: Chain):
    """Its rows are back, the files are not."""
    before = KeptRows(chain.estate.repository_folder.parent / "before.sqlite3")
    chain.remove(2)
    before.bring_back()
    assert chain.findings() >= {"image_file_missing", "backing_file_differs"}
