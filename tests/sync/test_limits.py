"""Limits are never broken, as the lab counts it, and what is changed counts in jobs that run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from contexts.models import VCenter
from contexts.states import TransportKind
from replication.models import Place, ReplicationJob
from replication.selectors import limits
from replication.selectors.limits import Resource
from replication.services import start
from replication.services.bandwidth import Window, set_windows
from replication.services.limits import set_limit
from replication.states import JobStatus, LimitKind
from replication.sync import runner
from tests.sync.estate import MIB, database_url
from tests.sync.nursery import nursery

HOST = "esx1.lab.example.com"


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """In a thread of its own; its failure is this block's."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - raised below
            failed.append(problem)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_processes_at_once_break_no_limit_not_even_one_that_is_lowered(estate):
    """vCenter, host and datastore refuse what is beyond; then a job would need another attempt."""
    VCenter.objects.update(transport=TransportKind.NFC)
    names = ["small1", *(f"clone{number}" for number in range(5))]
    for name in names[1:]:
        estate.control.clone("small1", name)
    jobs = [start.start(estate.take(name), trigger="manual", requested_by="ops") for name in names]
    vcenter = limits.vcenter_jobs(estate.vcenter.pk)
    set_limit(vcenter, 3, actor="ops")
    set_limit(Resource(LimitKind.HOST_SESSIONS), 2, actor="ops")
    set_limit(limits.datastore_snapshots(estate.vcenter.pk, "datastore1"), 2, actor="ops")
    estate.control.limit_logins(sessions=3)
    estate.control.set_nfc(sessions=2)
    estate.control.limit_snapshots("datastore1", 2)
    estate.control.reset_meters()
    refused = estate.control.logins()["refused"]
    workers = nursery(database_url())

    def work() -> None:
        code, stderr = workers.run("tests.sync.workers_at_once", "4")
        assert code == 0, stderr

    completed = ReplicationJob.objects.filter(status=JobStatus.COMPLETED)
    with meanwhile(work):
        wait_until(lambda: completed.count() >= 2)
        assert estate.control.snapshots_at_once()["datastore1"]["most"] == 2
        set_limit(vcenter, 1, actor="ops")
        wait_until(lambda: limits.in_use(vcenter) <= 1)
        estate.control.reset_meters()
    assert estate.control.snapshots_at_once()["datastore1"] == {"now": 0, "most": 1}
    assert estate.control.sessions_at_once()[HOST] == {"now": 0, "most": 1}
    assert estate.control.logins()["refused"] == refused
    for job in jobs:
        job.refresh_from_db()
        assert job.status == JobStatus.COMPLETED, job.error_message
        lines = [line.text for line in job.log_lines.all()]
        assert not [line for line in lines if "disk space" in line or "will retry" in line]
        estate.assert_equal_to_snapshot(job.recovery_point)
    assert not Place.objects.exists()


@pytest.mark.slow
def test_a_full_datastore_is_waited_for_before_the_snapshot(estate):
    first, second = estate.take("small2"), estate.take("small1")
    resource = limits.datastore_snapshots(estate.vcenter.pk, "datastore1")
    set_limit(resource, 1, actor="ops")
    estate.worker_of(first, "after take_snapshot")
    job = start.start(second, trigger="manual", requested_by="ops")
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    words = "Waiting for a snapshot to go from datastore datastore1: 1 of 1 are there"
    assert (job.status, job.current_operation) == (JobStatus.PENDING, words)
    assert not job.snapshots.exists()
    assert runner.run_next() is None
    # The killed worker's attempt is repeated, with the snapshot that it left.
    estate.take_over()
    assert [runner.run_next(), runner.run_next()] == [first.jobs.get().pk, job.pk]
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert estate.control.snapshots_at_once()["datastore1"]["most"] == 1
    for each in (job, first.jobs.get()):
        estate.assert_equal_to_snapshot(each.recovery_point)


@pytest.mark.parametrize(
    ("transport", "way"),
    [
        (TransportKind.NFC, "nfc"),
        pytest.param(TransportKind.DATASTORE, "folder", marks=pytest.mark.slow),
    ],
)
def test_a_limit_of_bandwidth_counts_within_two_seconds(estate, transport, way):
    """By what the lab has served in each second."""
    VCenter.objects.update(transport=transport)
    context = estate.take("small1")
    estate.control.fill("small1", 2000, 4 * MIB, 56 * MIB, seed=1)
    job = start.start(context, trigger="manual", requested_by="ops")
    fast, slow = 6 * MIB, MIB
    set_windows(estate.vcenter.pk, [Window(fast)], actor="ops")
    estate.control.reset_meters()

    def served() -> list[int]:
        return estate.control.served().get(way, [])

    def seconds_more(count: int) -> list[int]:
        """The bytes of so many full seconds, of which the first begins after now."""
        first = len(served())
        wait_until(lambda: len(served()) > first + count)
        return served()[first : first + count]

    with meanwhile(runner.run_next):
        wait_until(lambda: sum(served()) > 0)
        before = seconds_more(2)
        set_windows(estate.vcenter.pk, [Window(slow)], actor="ops")
        seconds_more(2)
        after = seconds_more(3)
        set_windows(estate.vcenter.pk, [], actor="ops")
    # What was let through in one second may be served in the next one, where all is slow.
    assert 0 < sum(before) <= (2 + 1) * fast
    assert 0 < sum(after) <= (3 + 1) * slow
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    assert sum(served()) >= job.bytes_transferred
