"""GET replications/{id}/log/ and replications/{id}/throughput/: bounded, in order, by page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from replication.models import JobSample
from replication.services import job_log
from replication.states import LogLevel
from tests import factories
from tests.factories import HOSTILE_NAME, MIB

pytestmark = pytest.mark.any_database


@pytest.fixture
def job(db):
    return factories.running_job(factories.context())


def add_samples(job, count: int) -> None:
    for number in range(1, count + 1):
        JobSample.objects.create(
            job=job,
            attempt=1,
            at=job.started_at + timedelta(seconds=2 * number),
            seconds=2.0,
            bytes_transferred=number * MIB,
            bytes_per_second=MIB / 2,
        )


def test_the_log_is_in_order_with_levels_and_attempts(api, job):
    job_log.write(job.pk, 1, "one")
    job_log.write(job.pk, 2, HOSTILE_NAME, LogLevel.WARNING)
    body = api.get(f"replications/{job.pk}/log/").json()
    assert body["count"] == 2
    shown = [(it["attempt"], it["level"], it["message"]) for it in body["results"]]
    assert shown == [(1, "info", "one"), (2, "warning", HOSTILE_NAME)]
    assert set(body["results"][0]) == {"at", "attempt", "level", "message"}


def test_throughput_tells_when_and_how_fast(api, job):
    add_samples(job, 3)
    body = api.get(f"replications/{job.pk}/throughput/").json()
    assert body["job_id"] == job.pk
    assert body["started_at"].startswith(f"{job.started_at:%Y-%m-%dT%H:%M:%S}")
    assert [it["seconds_since_start"] for it in body["results"]] == [2.0, 4.0, 6.0]
    assert body["results"][-1]["bytes_transferred"] == 3 * MIB
    assert {it["bytes_per_second"] for it in body["results"]} == {MIB / 2}
    assert {it["seconds"] for it in body["results"]} == {2.0}


def test_a_job_that_waits_has_neither(api):
    waiting = factories.pending_job(factories.context())
    for address in ("log", "throughput"):
        body = api.get(f"replications/{waiting.pk}/{address}/").json()
        assert (body["count"], body["results"]) == (0, [])


@pytest.mark.parametrize("address", ["log", "throughput"])
def test_they_come_by_page_in_queries_that_do_not_grow(api, queries, job, address):
    add_samples(job, 1)
    job_log.write(job.pk, 1, "0")
    one = queries(lambda: api.get(f"replications/{job.pk}/{address}/"))
    add_samples(job, 119)
    for number in range(1, 120):
        job_log.write(job.pk, 1, str(number))
    assert queries(lambda: api.get(f"replications/{job.pk}/{address}/")) == one
    body = api.get(f"replications/{job.pk}/{address}/?page_size=50&page=3").json()
    assert (body["count"], len(body["results"])) == (120, 20)
    assert body["next"] is None


@pytest.mark.parametrize("address", ["log", "throughput"])
def test_an_unknown_parameter_is_refused_by_name(api, job, address):
    answer = api.get(f"replications/{job.pk}/{address}/?limit=5")
    assert answer.status_code == 400
    assert "limit" in answer.json()["errors"]


@pytest.mark.parametrize("address", ["log", "throughput"])
def test_of_an_unknown_job_there_is_nothing(api, address):
    answer = api.get(f"replications/job-20250909-114231-0badcafe/{address}/")
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_job"


@pytest.mark.parametrize("address", ["log", "throughput"])
def test_they_can_only_be_read(api, job, address):
    assert api.post(f"replications/{job.pk}/{address}/", {}).status_code == 405


def test_the_number_of_extents_is_told_per_disk_and_sync(api):
    context = factories.context()
    job = factories.completed_job(context)
    assert api.get(f"replications/{job.pk}/").json()["disks"][0]["extent_count"] is None
    (entry,) = api.get(f"vm-contexts/{context.pk}/").json()["cbt_history"]
    assert entry["extent_count"] is None
    job.cbt_history.update(extent_count=7)
    (entry,) = api.get(f"vm-contexts/{context.pk}/").json()["cbt_history"]
    assert entry["extent_count"] == 7
