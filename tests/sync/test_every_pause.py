"""A worker stands still at any point of its work, while another one takes over and completes.

When it awakes it leaves nothing that no row names: no file, no folder of an unfinished image, no
snapshot. The recovery point of the other one is whole.
"""

from __future__ import annotations

import itertools
import threading

import pytest
from django.db import connection

from replication.models import DiskImage, ReplicationJob
from replication.services import left_overs, start
from replication.states import ImageState, JobStatus
from replication.sync import cleanup, guard, images, runner
from tests.sync.estate import MIB, Estate
from tests.sync.pauses import points

# What makes or names a file: the core of the matrix.
MAKES_FILES = ("os.mkdir", "os.rename", "open", "spawn qemu-img create")


def _work() -> None:
    runner.run_next()
    connection.close()


class Pauses:
    """Jobs of one VM, in each of which a worker is paused at one point more."""

    def __init__(self, estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
        self.estate, self.monkeypatch = estate, monkeypatch
        self.context = estate.take("small1")
        estate.replicate(self.context)
        self._seeds = itertools.count(1)
        clock, self._later = guard._clock, 0.0
        monkeypatch.setattr(guard, "_clock", lambda: clock() + self._later)

    def _second_attempt(self) -> ReplicationJob:
        """A job whose first attempt left a file that its next one cannot resume."""
        control = self.estate.control
        control.fill("small1", 2000, 4 * MIB, 9 * MIB, seed=next(self._seeds))
        control.fail("GET /folder", nth=3, fault="503", times=1000)
        job = start.start(self.context, trigger="manual", requested_by="ops")
        runner.run_next()
        control.clear_faults()
        assert DiskImage.objects.filter(job=job, state=ImageState.WRITING).exists()
        ReplicationJob.objects.update(next_attempt_at=None)
        return job

    def run(self, pause_at: int | None) -> list[str]:
        """A second attempt that is paused at that point; the names of all points it came to."""
        job = self._second_attempt()
        seen: list[str] = []

        def at(name: str) -> None:
            seen.append(name)
            if len(seen) - 1 == pause_at:
                self._another_goes_on()

        can_resume = images._can_resume
        left = DiskImage.objects.get(job=job, state=ImageState.WRITING).pk
        with (
            self.monkeypatch.context() as patched,
            points(self.estate.repository_folder, at, self.monkeypatch),
        ):
            patched.setattr(
                images,
                "_can_resume",
                lambda run, plan, image: image.pk != left and can_resume(run, plan, image),
            )
            runner.run_next()
        self._assert_settled(job, seen[pause_at] if pause_at is not None else "no pause")
        return seen

    def _another_goes_on(self) -> None:
        """40 seconds pass: by its own clock, too, the paused worker has lost its lease."""
        self._later += 60.0
        self.estate.take_over()
        ReplicationJob.objects.update(next_attempt_at=None)
        worker = threading.Thread(target=_work)
        worker.start()
        worker.join()

    def _assert_settled(self, job: ReplicationJob, where: str) -> None:
        self.estate.minutes_later()
        for context_id in left_overs.contexts_to_clean():
            cleanup.clean_context(context_id)
        job.refresh_from_db()
        assert job.status == JobStatus.COMPLETED, (where, job.error_message)
        try:
            self.estate.assert_equal_to_snapshot(job.recovery_point)
            self.estate.assert_nothing_left_over(self.context)
        except AssertionError as error:
            error.add_note(f"paused before: {where}")
            raise
        assert list(self.estate.repository_folder.rglob("*.tmp")) == [], where


def test_a_worker_paused_before_it_makes_a_file_makes_none_too_late(estate, monkeypatch):
    pauses = Pauses(estate, monkeypatch)
    names = pauses.run(None)
    core = [at for at, name in enumerate(names) if name.startswith(MAKES_FILES)]
    assert len(core) == 5, names
    for at in core:
        pauses.run(at)


@pytest.mark.slow
def test_a_worker_may_be_paused_anywhere(estate, monkeypatch):
    pauses = Pauses(estate, monkeypatch)
    names = pauses.run(None)
    for at in range(len(names)):
        pauses.run(at)
    print(f"{len(names)} pause points")
