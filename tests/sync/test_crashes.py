"""kill -9 at every step: the last recovery point is untouched, and the job is taken up again."""

import pytest

from replication.models import DiskImage, JobStep, RecoveryPoint, VMSnapshot
from replication.services import cancel, left_overs, start
from replication.states import JobStatus, StepStatus
from replication.sync import cleanup, runner
from tests import mounts
from tests.sync.estate import MIB

BEFORE_COMMIT = ["within snapshot", "within transfer", "between seal and commit"]
ALSO_BEFORE_COMMIT = [
    *("before prepare", "after prepare", "after tracking", "after take_snapshot"),
    *("after make_plan", "after transfer", "after verify"),
]


def and_in_the_slow_tier(points: list[str]) -> list[object]:
    return [pytest.param(point, marks=pytest.mark.slow) for point in points]


@pytest.mark.parametrize("point", [*BEFORE_COMMIT, *and_in_the_slow_tier(ALSO_BEFORE_COMMIT)])
def test_a_worker_killed_before_the_commit_is_taken_over(estate, point, small2):
    first = small2.recovery_points.get()
    estate.control.fill("small2", 2000, 4 * MIB, 24 * MIB, seed=1)
    estate.control.fill("small2", 2001, 0, MIB, seed=2)
    job = start.start(small2, trigger="manual", requested_by="ops")

    estate.worker_that_dies(point)
    assert RecoveryPoint.objects.get() == first
    estate.assert_equal_to_snapshot(first)

    estate.take_over()
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2), job.error_message
    assert job.bytes_transferred == job.total_bytes == 25 * MIB
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_equal_to_snapshot(first)
    estate.assert_nothing_left_over(small2)


@pytest.mark.slow
def test_tracking_that_a_killed_attempt_turned_on_begins_with_the_next(estate):
    """Its snapshot is only the stun at which tracking begins: the one after it has change IDs."""
    estate.control.begin_tracking_late()
    context = estate.take("small1")
    job = start.start(context, trigger="manual", requested_by="ops")
    estate.worker_that_dies("after tracking")
    estate.take_over()
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert DiskImage.objects.get(job=job).change_id is not None
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)
    assert estate.replicate(context).replication_type == "incremental"
    assert VMSnapshot.objects.count() == 3  # two of the first job, one of the second


@pytest.mark.any_database
def test_a_resumed_transfer_goes_on_from_its_checkpoint(estate, small1):
    estate.control.fill("small1", 2000, 4 * MIB, 48 * MIB, seed=1)
    job = start.start(small1, trigger="manual", requested_by="ops")
    estate.worker_that_dies("within transfer")
    image = DiskImage.objects.get(job=job)
    assert image.checkpoint_bytes > 4 * MIB

    estate.take_over()
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert DiskImage.objects.get(job=job).pk == image.pk  # the copy resumed in the same file
    assert VMSnapshot.objects.filter(job=job).count() == 1
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(small1)


@pytest.mark.any_database
def test_a_worker_whose_storage_hangs_gives_the_job_up_with_its_daemons(estate, small1):
    """It cannot be interrupted, and would otherwise renew its lease for ever."""
    estate.control.fill("small1", 2000, 4 * MIB, 48 * MIB, seed=1)
    job = start.start(small1, trigger="manual", requested_by="ops")
    estate.worker_that_dies("of hanging storage", exit_code=runner.STALLED_EXIT_CODE)
    assert estate.daemons() == []

    estate.take_over()
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2), job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(small1)


@pytest.mark.slow
@pytest.mark.any_database
def test_a_worker_whose_share_is_away_gives_the_job_up_soon(estate, hanging_share):
    """It need not wait for as long as the check of a huge image may take."""
    context = estate.take("small1")
    job = start.start(context, trigger="manual", requested_by="ops")
    try:
        estate.worker_that_dies("of a share that is away", exit_code=runner.STALLED_EXIT_CODE)
        estate.take_over()
        assert runner.run_next() is None
    finally:
        mounts.uncover(estate.repository_folder)
    job.refresh_from_db()
    assert job.current_operation.startswith("Waiting for the repository: ")
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2), job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)


@pytest.mark.any_database
def test_a_copy_resumes_after_the_worker_s_machine_was_started_anew(estate, small1):
    """Its boot has another ID then, and what the checkpoint covers is on the disk."""
    estate.control.fill("small1", 2000, 4 * MIB, 48 * MIB, seed=1)
    job = start.start(small1, trigger="manual", requested_by="ops")
    estate.worker_that_dies("within transfer")
    image = DiskImage.objects.get(job=job)
    assert image.checkpoint_bytes > 0
    DiskImage.objects.filter(pk=image.pk).update(writer_boot_id="of before")
    estate.take_over()
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert DiskImage.objects.get(job=job).pk == image.pk  # the copy resumed in the same file
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(small1)


@pytest.mark.slow
@pytest.mark.any_database
def test_a_file_that_another_host_wrote_is_not_gone_on_with(estate, small1):
    """A container has the boot ID of its machine: whether its daemon is gone cannot be seen."""
    estate.control.fill("small1", 2000, 4 * MIB, 48 * MIB, seed=1)
    job = start.start(small1, trigger="manual", requested_by="ops")
    estate.worker_that_dies("within transfer")
    DiskImage.objects.filter(job=job).update(writer_host="another")
    estate.take_over()
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert DiskImage.objects.get(job=job).attempt == 2
    estate.assert_nothing_left_over(small1)


@pytest.mark.parametrize("point", ["after commit", *and_in_the_slow_tier(["before clean_up"])])
def test_a_worker_killed_after_the_commit_leaves_a_recovery_point_and_work(estate, point):
    context = estate.take("small1")
    job = start.start(context, trigger="manual", requested_by="ops")
    estate.worker_that_dies(point)
    job.refresh_from_db()
    context.refresh_from_db()
    assert (job.status, context.current_job) == (JobStatus.COMPLETED, None)
    estate.assert_equal_to_snapshot(job.recovery_point)
    assert VMSnapshot.objects.get().state == "created"

    estate.take_over()
    assert left_overs.contexts_to_clean() == [context.pk]
    cleanup.clean_context(context.pk)
    assert not JobStep.objects.filter(status=StepStatus.RUNNING).exists()
    estate.assert_nothing_left_over(context)
    assert estate.replicate(context).replication_type == "incremental"


def test_a_job_that_is_cancelled_after_its_worker_died_leaves_nothing(estate, small1):
    first = small1.recovery_points.get()
    estate.control.fill("small1", 2000, 4 * MIB, 24 * MIB, seed=1)
    job = start.start(small1, trigger="manual", requested_by="ops")
    estate.worker_that_dies("within transfer")
    cancel.cancel(job, actor="ops")
    estate.take_over()
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    cleanup.clean_context(small1.pk)
    estate.assert_nothing_left_over(small1)
    estate.assert_equal_to_snapshot(first)


@pytest.mark.slow
def test_the_first_job_of_a_vm_dies_and_leaves_no_replica_but_a_second_attempt(estate):
    context = estate.take("small1")
    job = start.start(context, trigger="manual", requested_by="ops")
    estate.worker_that_dies("between seal and commit")
    assert not RecoveryPoint.objects.exists()
    estate.take_over()
    runner.run_next()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED
    estate.assert_equal_to_snapshot(job.recovery_point)
    estate.assert_nothing_left_over(context)
