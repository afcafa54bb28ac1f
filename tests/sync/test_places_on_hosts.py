"""Jobs that share an ESXi host's few disk sessions: none more than allowed, and none gets stuck."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from contexts.models import VCenter
from contexts.states import TransportKind
from replication.models import Place, ReplicationJob
from replication.services import start
from replication.states import JobStatus
from replication.sync import runner
from tests import factories
from tests.sync.estate import MIB


@pytest.fixture(autouse=True)
def over_nfc(estate):
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.vcenter.refresh_from_db()


def workers(count: int) -> None:
    """So many workers at once, until no job is left that could begin or be waited for."""

    def work() -> None:
        try:
            deadline = time.monotonic() + 120
            while ReplicationJob.objects.filter(status__in=["pending", "running"]).exists():
                assert time.monotonic() < deadline
                if runner.run_next() is None:
                    time.sleep(0.05)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        for worker in [pool.submit(work) for _ in range(count)]:
            worker.result()


@pytest.mark.slow
@pytest.mark.parametrize("sessions", [1, 3])
def test_jobs_of_many_disks_share_a_hosts_sessions(estate, settings, sessions):
    """The lab's hosts refuse any session above the limit; a dead-lock would meet the deadline."""
    settings.DISKS_PER_HOST = estate.lab.nfc.sessions_per_host = sessions
    contexts = [estate.take(name) for name in ("small1", "small2")]
    for context in contexts:
        for _ in range(2):
            estate.add_disk(context)
    jobs = [start.start(each, trigger="manual", requested_by="ops") for each in contexts]
    workers(3)
    for job in jobs:
        job.refresh_from_db()
        assert job.status == JobStatus.COMPLETED, job.error_message
        assert job.recovery_point.disk_count >= 3
        estate.assert_equal_to_snapshot(job.recovery_point)
    assert not Place.objects.exists()


def test_a_job_waits_before_its_snapshot_and_says_for_what(estate, settings):
    settings.DISKS_PER_HOST = 1
    job = start.start(estate.take("small1"), trigger="manual", requested_by="ops")
    for address in addresses(estate):
        factories.places(job, "host_sessions", address, 1)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    assert job.current_operation.startswith("Waiting for a place on host esx")
    assert job.current_operation.endswith(": 1 of 1 disk sessions in use")
    assert not job.snapshots.exists()
    assert runner.run_next() is None

    Place.objects.all().delete()
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message


@pytest.mark.slow
def test_a_worker_that_is_killed_with_a_place_does_not_keep_it(estate, settings):
    settings.DISKS_PER_HOST = 1
    dead = start.start(estate.take("small1"), trigger="manual", requested_by="ops")
    estate.control.fill("small1", 2000, 4 * MIB, 24 * MIB, seed=1)
    estate.worker_that_dies("within transfer")
    assert Place.objects.get(kind="host_sessions").job == dead
    other = start.start(estate.take("small2"), trigger="manual", requested_by="ops")
    assert runner.run_next() == other.pk
    other.refresh_from_db()
    assert "disk sessions in use" in other.current_operation

    estate.take_over()
    assert {runner.run_next(), runner.run_next()} == {dead.pk, other.pk}
    for job in (dead, other):
        job.refresh_from_db()
        assert job.status == JobStatus.COMPLETED, job.error_message
        estate.assert_equal_to_snapshot(job.recovery_point)
    assert not Place.objects.exists()


def addresses(estate) -> list[str]:
    return [f"{server.address}:{server.port}" for server in estate.lab.nfc._servers.values()]
