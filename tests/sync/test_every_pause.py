"""A worker stands still, or is killed, at any point of its work, and another one completes the job.

When a paused one awakes it leaves nothing that no row names: no file, no folder of an unfinished
image, no snapshot. The recovery point of the other one is whole.
"""

from __future__ import annotations

import itertools
import signal
import threading

import pytest
from django.db import connection
from django.db.models.functions import Now

from contexts.models import VMContext
from replication.models import ContextLease, DiskImage, ReplicationJob
from replication.services import left_overs, start
from replication.states import ImageState, JobStatus
from replication.sync import cleanup, guard, runner
from tests.sync.estate import MIB, Estate, database_url
from tests.sync.nursery import nursery
from tests.sync.pauses import points

# What makes or names a file: the core of the matrix.
MAKES_FILES = ("os.mkdir", "os.rename", "open", "spawn qemu-img create")


def _work() -> None:
    runner.run_next()
    connection.close()


class Attempts:
    """Jobs of one VM, one after the other, to each of which something happens."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.context = VMContext.objects.get()
        self._seeds = itertools.count(1)

    def second(self) -> ReplicationJob:
        """A job that waits for its second attempt, which finds a file that it cannot resume."""
        control = self.estate.control
        control.fill("small1", 2000, 4 * MIB, 9 * MIB, seed=next(self._seeds))
        control.fail("GET /folder", nth=4, fault="503", times=1000)
        job = start.start(self.context, trigger="manual", requested_by="ops")
        runner.run_next()
        control.clear_faults()
        left = DiskImage.objects.filter(job=job, state=ImageState.WRITING)
        assert left.update(writer_host="another") == 1
        ReplicationJob.objects.update(next_attempt_at=None)
        return job

    def take_over(self) -> None:
        """40 seconds pass; another worker takes the job and runs it to its end."""
        self.estate.take_over()
        ReplicationJob.objects.update(next_attempt_at=None)
        worker = threading.Thread(target=_work)
        worker.start()
        worker.join()

    def assert_settled(self, job: ReplicationJob, where: str) -> None:
        # That of a killed worker has run out, and is the next one's to take.
        ContextLease.objects.filter(expires_at__lte=Now()).delete()
        self.estate.minutes_later()
        for context_id in left_overs.contexts_to_clean():
            cleanup.clean_context(context_id)
        job.refresh_from_db()
        try:
            assert job.status == JobStatus.COMPLETED, job.error_message
            self.estate.assert_equal_to_snapshot(job.recovery_point)
            self.estate.assert_nothing_left_over(self.context)
            assert list(self.estate.repository_folder.rglob("*.tmp")) == []
        except AssertionError as error:
            error.add_note(f"at: {where}")
            raise


class Pauses(Attempts):
    def __init__(self, estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(estate)
        self.monkeypatch = monkeypatch
        clock, self._later = guard._clock, 0.0
        monkeypatch.setattr(guard, "_clock", lambda: clock() + self._later)

    def run(self, pause_at: int | None, passed_seconds: float = 60.0) -> list[str]:
        """A second attempt that is paused at that point; the names of all points it came to.
        `passed_seconds`: by its own clock."""
        job = self.second()
        seen: list[str] = []

        def at(name: str) -> None:
            seen.append(name)
            if len(seen) - 1 == pause_at:
                self._later += passed_seconds  # by its own clock, too, it has lost its lease
                self.take_over()

        with points(self.estate.repository_folder, at, self.monkeypatch):
            runner.run_next()
        # How often progress is told varies: the last points may be missing.
        paused = pause_at is not None and pause_at < len(seen)
        self.assert_settled(job, seen[pause_at] if paused else "no pause")
        return seen


@pytest.mark.slow
@pytest.mark.usefixtures("no_sample", "small1")
def test_a_worker_paused_before_it_makes_a_file_makes_none_too_late(estate, monkeypatch):
    pauses = Pauses(estate, monkeypatch)
    names = pauses.run(None)
    core = [at for at, name in enumerate(names) if name.startswith(MAKES_FILES)]
    assert len(core) == 5, names
    for at in core:
        pauses.run(at)


@pytest.mark.slow
@pytest.mark.usefixtures("no_sample", "small1")
def test_a_worker_whose_clock_stood_still_with_it_makes_no_file_too_late(estate, monkeypatch):
    """As that of a virtual machine that was paused: it does not know that its time has passed."""
    pauses = Pauses(estate, monkeypatch)
    names = pauses.run(None)
    (folder,) = [at for at, name in enumerate(names) if name.startswith("os.mkdir")]
    pauses.run(folder, passed_seconds=0.0)


@pytest.mark.slow
@pytest.mark.usefixtures("no_sample", "small1")
def test_a_worker_may_be_paused_anywhere(estate, monkeypatch):
    pauses = Pauses(estate, monkeypatch)
    names = pauses.run(None)
    for at in range(len(names)):
        pauses.run(at)
    print(f"{len(names)} points to be paused at")


@pytest.mark.slow
@pytest.mark.usefixtures("no_sample", "small1")
def test_a_worker_may_be_killed_anywhere(estate):
    attempts = Attempts(estate)
    for number in itertools.count():
        job = attempts.second()
        point = f"change {number}"
        code, stderr = nursery(database_url()).run("tests.sync.worker_that_dies", point)
        if code == 0:  # there is no such point: it has come to its end
            break
        assert code == -signal.SIGKILL, stderr
        attempts.take_over()
        attempts.assert_settled(job, point)
    assert number > len(MAKES_FILES)
    print(f"{number} points to be killed at")
