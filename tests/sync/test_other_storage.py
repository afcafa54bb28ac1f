"""A job holds a `Target` and a `Source`, whichever they are: here both are nothing but memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from replication.engine.compare import compare_image_with_raw
from replication.manifests import writing
from replication.manifests.content import of_vm
from replication.models import DiskImage, ReplicationJob
from replication.selectors.replica import layers_of
from replication.services import cancel, removal, start
from replication.states import JobStatus
from replication.storage import looks
from replication.sync import cleanup, removing, runner, transfer
from tests.engine.memory import MemorySource, MemoryTarget
from tests.sync.estate import MIB, Estate


class Memory:
    """The storage of every repository, and what every disk is read from."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.target = MemoryTarget()
        self.fails_after_bytes: int | None = None

    def open_source(self, run, plan, seat) -> MemorySource:
        raw = self.estate.control.kept_content(run.taken_snapshot.moref, plan.source.device_key)
        return MemorySource(Path(raw).read_bytes(), self.fails_after_bytes)

    def assert_equal_to_snapshot(self, job: ReplicationJob) -> None:
        (image,) = job.recovery_point.images.all()
        raw = self.estate.control.kept_content(image.snapshot_moref, image.disk.device_key)
        with self.target.open_readonly(layers_of(image)) as opened:
            assert compare_image_with_raw(opened, Path(raw)) is None
        assert self.target.digest(image.locator) == image.digest

    def assert_holds_what_rows_name(self) -> None:
        locators = DiskImage.objects.values_list("locator", flat=True)
        assert set(self.target.images) == set(locators)

    def assert_tells_of(self, *jobs: ReplicationJob) -> None:
        """By the manifest of their VM."""
        context = jobs[0].vm_context
        context.refresh_from_db()
        written = self.target.manifests[context.pk].vm
        assert written is not None
        assert [point.job.id for point in written.points] == [job.pk for job in jobs]
        assert written.points == of_vm(context, jobs[0].repository_id).points


@pytest.fixture
def memory(estate, monkeypatch) -> Memory:
    memory = Memory(estate)
    for module in (looks, runner, removing, writing):
        monkeypatch.setattr(module, "target", lambda repository: memory.target)
    monkeypatch.setattr(transfer, "open_source", memory.open_source)
    return memory


def test_a_vm_is_replicated_into_memory_in_full_and_then_what_changed(estate, memory):
    context = estate.take("small1")
    first = estate.run_job(context)
    assert first.status == JobStatus.COMPLETED, first.error_message
    memory.assert_equal_to_snapshot(first)
    estate.control.fill("small1", 2000, 4 * MIB, 8 * MIB, seed=1)
    second = estate.run_job(context)
    assert (second.status, second.replication_type) == (JobStatus.COMPLETED, "incremental")
    memory.assert_equal_to_snapshot(second)
    memory.assert_equal_to_snapshot(first)
    memory.assert_holds_what_rows_name()
    memory.assert_tells_of(first, second)
    assert [path.name for path in estate.repository_folder.rglob("*")] == ["vmrep-repository.json"]


@pytest.mark.slow
def test_a_copy_into_memory_resumes_from_its_checkpoint(estate, memory):
    context = estate.take("small1")
    estate.run_job(context)
    estate.control.fill("small1", 2000, 4 * MIB, 48 * MIB, seed=1)
    memory.fails_after_bytes = 24 * MIB
    job = estate.run_job(context)
    assert job.status == JobStatus.PENDING
    checkpoint = DiskImage.objects.get(job=job).checkpoint_bytes
    assert checkpoint > 4 * MIB
    memory.fails_after_bytes = 48 * MIB - (checkpoint - 4 * MIB)  # not a byte is read twice
    ReplicationJob.objects.update(next_attempt_at=None)
    runner.run_next()
    job.refresh_from_db()
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2), job.error_message
    memory.assert_equal_to_snapshot(job)
    memory.assert_holds_what_rows_name()


@pytest.mark.slow
def test_what_a_cancelled_job_left_in_memory_is_removed(estate, memory):
    context = estate.take("small1")
    memory.fails_after_bytes = MIB
    job = estate.run_job(context)
    assert job.status == JobStatus.PENDING
    assert len(memory.target.images) == 1
    cancel.cancel(job, actor="ann")
    cleanup.clean_context(context.pk)
    assert memory.target.images == {}
    assert memory.target.manifests == {}
    assert not DiskImage.objects.exists()


@pytest.mark.slow
def test_replica_data_in_memory_is_deleted(estate, memory):
    context = estate.take("small1")
    estate.run_job(context)
    assert memory.target.images
    removal.delete_replica_data(context, confirm_vm_name="small1", actor="ann")
    cleanup.clean_context(context.pk)
    assert memory.target.images == {}


def test_jobs_wait_while_the_memory_is_gone(estate, memory):
    context = estate.take("small1")
    memory.target.there = False
    job = start.start(context, trigger="manual", requested_by="ops")
    assert runner.run_next() is None
    job.refresh_from_db()
    assert job.current_operation == "Waiting for the repository: The memory is gone."
