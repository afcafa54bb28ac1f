"""What an operator can ask a job for: a whole comparison, a full copy, a reset of tracking."""

from __future__ import annotations

import pytest

from contexts.models import VMContext
from replication.errors import LeaseLost
from replication.models import CBTHistory, DiskImage, ReplicationJob, VMSnapshot
from replication.selectors.contexts import contexts_for_list
from replication.services import start
from replication.states import JobStatus, SyncRequest
from replication.sync import prepare, removing, runner
from tests.sync.estate import MIB, Estate


@pytest.fixture
def ready(estate, small1):
    estate.control.fill("small1", 2000, 40 * MIB, MIB, seed=1)
    return small1


def _run(estate: Estate, context: VMContext, requested_sync: str) -> ReplicationJob:
    job = start.start(context, trigger="manual", requested_by="ann", requested_sync=requested_sync)
    assert runner.run_next() == job.pk
    return _completed(estate, context, job)


def _completed(estate: Estate, context: VMContext, job: ReplicationJob) -> ReplicationJob:
    job.refresh_from_db()
    context.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)
    return job


def _untracked(context: VMContext) -> int:
    return contexts_for_list().get(pk=context.pk).untracked_disk_count


def test_a_comparison_and_a_full_copy_find_what_tracking_lost(estate, ready):
    for wanted in (SyncRequest.CHECKSUM, SyncRequest.INITIAL):
        estate.control.fill("small1", 2000, 44 * MIB, MIB, seed=str(wanted))
        estate.control.lie_about_changes("small1", 2000, "nothing")
        if wanted == SyncRequest.INITIAL:
            estate.control.lie_about_changes("small1", 2000)
        job = _run(estate, ready, wanted)
        entry = CBTHistory.objects.get(job=job)
        assert (entry.sync_type, "ann asked for" in entry.note) == (wanted, True)
        image = DiskImage.objects.get(job=job)
        assert (image.parent is None) == (wanted == SyncRequest.INITIAL)


def test_a_reset_gives_a_disk_its_change_id_back(estate, ready):
    estate.control.lose_tracking("small1", 2000)
    job = estate.replicate(ready)
    assert job.replication_type == "checksum"
    assert _untracked(ready) == 1
    assert estate.replicate(ready).replication_type == "checksum"  # and so for ever

    job = _run(estate, ready, SyncRequest.RESET_CBT)
    assert (job.replication_type, _untracked(ready)) == ("checksum", 0)
    estate.control.fill("small1", 2000, 44 * MIB, MIB, seed=2)
    job = estate.replicate(ready)
    assert (job.replication_type, job.bytes_transferred) == ("incremental", MIB)


def test_a_reset_is_refused_while_the_vm_has_snapshots(estate, ready):
    estate.vcenter.transport = "nfc"
    estate.vcenter.save()
    estate.users_snapshot("small1", "before the upgrade")
    job = start.start(
        ready, trigger="manual", requested_by="ann", requested_sync=SyncRequest.RESET_CBT
    )
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert "“before the upgrade”" in job.error_message
    assert estate.replicate(ready).replication_type == "incremental"  # it is still on


POINTS = {
    "after it was turned off": (prepare, "stun"),
    "with the stun's snapshot there": (removing, "remove_snapshot"),
    "before it is turned on": (prepare.cbt, "enable"),
    "before the job's own snapshot": (runner, "take_snapshot"),
    "after the job's own snapshot": (runner, "make_plan"),
}


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_within_a_reset_is_taken_over(estate, ready, monkeypatch, point):
    """It stops at once and cleans nothing up, as one that was killed."""
    estate.control.lose_tracking("small1", 2000)
    estate.replicate(ready)
    job = start.start(
        ready, trigger="manual", requested_by="ann", requested_sync=SyncRequest.RESET_CBT
    )

    def die(*_: object, **__: object) -> None:
        raise LeaseLost("killed")

    room, name = POINTS[point]
    with monkeypatch.context() as patched:
        patched.setattr(room, name, die)
        runner.run_next()
    left = list(VMSnapshot.objects.filter(job=job).exclude(state="removed"))
    assert len(left) == (
        point in ("with the stun's snapshot there", "after the job's own snapshot")
    )
    estate.take_over()
    assert runner.run_next() == job.pk
    _completed(estate, ready, job)
    assert _untracked(ready) == 0
