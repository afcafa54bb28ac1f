"""Storage that is slow, or stands still: the job is heard and goes on meanwhile."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from replication.engine import image as image_module
from replication.engine.sources.http_range import HttpRangeSource
from replication.errors import TryAgain
from replication.models import DiskImage, ReplicationJob
from replication.services import cancel, start
from replication.states import JobStatus
from replication.sync import cleanup, runner, transfer
from tests.engine.deaf_daemon import DeafDaemon
from tests.engine.support import Drip, RangeServer


def _work() -> None:
    runner.run_next()
    connection.close()


def _begin(context) -> tuple[ReplicationJob, threading.Thread]:
    job = start.start(context, trigger="manual", requested_by="ops")
    worker = threading.Thread(target=_work)
    worker.start()
    return job, worker


@pytest.mark.slow
def test_a_daemon_that_misses_a_signal_costs_a_job_nothing(
    estate, ready, tmp_path: Path, monkeypatch
):
    daemon = DeafDaemon(tmp_path / "deaf", misses=1)
    monkeypatch.setattr(image_module, "STOP_SECONDS", 30)
    monkeypatch.setenv("PATH", daemon.path)
    assert estate.replicate(ready).attempt == 1
    assert daemon.signals > 1


@pytest.mark.slow
def test_a_cancel_is_heard_while_a_daemon_does_not_stop(estate, ready, tmp_path: Path, monkeypatch):
    daemon = DeafDaemon(tmp_path / "deaf", misses=10**9)
    monkeypatch.setattr(image_module, "STOP_SECONDS", 60)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", daemon.path)
        job, worker = _begin(ready)
        while not daemon.signals:
            assert worker.is_alive()
            time.sleep(0.01)
        cancel.cancel(job, actor="ann")
        worker.join(30)
        heard = not worker.is_alive()
        worker.join()
    assert heard
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED, job.error_message
    assert estate.daemons() == []
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)


@pytest.mark.usefixtures("no_sample")
def test_a_cancel_is_heard_while_a_flush_is_not_answered(estate, ready, monkeypatch):
    """The copy of the disk is held back; only its checkpoints reach the daemon, which stands."""
    monkeypatch.setattr(transfer, "PROGRESS_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(transfer, "CHECKPOINT_EVERY_SECONDS", 0.0)
    estate.control.delay("GET /folder", 2)
    job, worker = _begin(ready)
    while not DiskImage.objects.filter(job=job, checkpoint_bytes__gt=0).exists():
        assert worker.is_alive()
        time.sleep(0.01)
    (daemon,) = estate.daemons()
    os.kill(daemon, signal.SIGSTOP)
    time.sleep(1)  # the next flush waits for it
    cancel.cancel(job, actor="ann")
    worker.join(30)
    still_at_it = worker.is_alive()
    if still_at_it:  # let it end, for the tests after this one
        os.kill(daemon, signal.SIGCONT)
        worker.join()
    assert not still_at_it
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED, job.error_message
    assert estate.daemons() == []
    estate.control.clear_faults()
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)


def test_a_cancel_is_heard_while_the_datastore_drips(estate, tmp_path: Path, monkeypatch):
    context = estate.take("small1")
    server = RangeServer(tmp_path / "raw")
    server.always = drip = Drip()

    def open_dripping(run, plan, seat):
        with server.path.open("wb") as file:
            file.truncate(plan.source.capacity_bytes)
        return HttpRangeSource(
            lambda: http.client.HTTPConnection("127.0.0.1", server.port),
            "/disk",
            dict,
            plan.source.capacity_bytes,
        )

    try:
        with monkeypatch.context() as patched:
            patched.setattr(transfer, "open_source", open_dripping)
            job, worker = _begin(context)
            assert drip.begun.wait(30)
            cancel.cancel(job, actor="ann")
            worker.join(30)
            heard = not worker.is_alive()
            server.always = None
            drip.over.set()
            worker.join()
    finally:
        server.close()
    assert heard
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED, job.error_message
    cleanup.clean_context(context.pk)
    estate.assert_nothing_left_over(context)


@pytest.mark.slow
@pytest.mark.usefixtures("no_sample")
def test_a_cancel_is_a_cancel_although_no_digest_can_be_written_any_more(
    estate, ready, monkeypatch
):
    estate.control.delay("GET /folder", 3)
    opened = transfer._Transfer._open

    def open_on_a_full_disk(self, plan, seat):
        active = opened(self, plan, seat)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, active.digests._file.fileno())
        os.close(full)
        return active

    monkeypatch.setattr(transfer._Transfer, "_open", open_on_a_full_disk)
    job, worker = _begin(ready)
    while not DiskImage.objects.filter(job=job, transferred_bytes__gt=0).exists():
        assert worker.is_alive()
        time.sleep(0.01)
    cancel.cancel(job, actor="ann")
    worker.join()
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED, job.error_message
    assert job.cancel_requested_by == "ann"
    estate.control.clear_faults()
    cleanup.clean_context(ready.pk)
    estate.assert_nothing_left_over(ready)


@pytest.mark.parametrize("which", ["digests", "chunks"])
def test_a_digest_map_that_cannot_be_closed_does_not_replace_the_reason(
    estate, ready, monkeypatch, which
):
    opened = transfer._Transfer._open

    def open_and_break_off(self, plan, seat):
        active = opened(self, plan, seat)
        full = os.open("/dev/full", os.O_WRONLY)
        broken = getattr(active.kept, which)
        os.dup2(full, broken._file.fileno())
        os.close(full)
        broken.add(*((0, 512) if which == "digests" else (0,)), bytes(16))
        self._active.append(active)
        raise TryAgain("The connection broke.")

    monkeypatch.setattr(transfer._Transfer, "_open", open_and_break_off)
    job = estate.run_job(ready)
    assert job.status == JobStatus.PENDING
    assert "The connection broke." in job.error_message
