"""Samples of a transfer's rate: bounded in number, and never a byte more or less than was read."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from replication.models import JobSample
from replication.selectors import telemetry
from replication.services.samples import (
    EVERY_SECONDS,
    KEEP_AT_MOST,
    MOST_SAMPLES,
    Sampler,
    Stretch,
    thinned,
)
from tests import factories
from tests.factories import MIB

pytestmark = pytest.mark.any_database

figures = st.tuples(st.floats(0, 1000), st.integers(0, 1 << 40))


@given(st.lists(st.lists(figures, min_size=1, max_size=60), max_size=5), st.integers(5, 60))
def test_thinning_keeps_the_bounds_the_seconds_and_the_bytes(attempts, at_most):
    stretches = [
        Stretch(number, attempt, seconds, read)
        for number, (attempt, (seconds, read)) in enumerate(
            (attempt, figure) for attempt, figures in enumerate(attempts, 1) for figure in figures
        )
    ]
    kept, every_seconds = thinned(stretches, 2.0, at_most)
    assert len(kept) <= at_most
    assert [it.id for it in kept] == sorted({it.id for it in kept})
    for attempt in range(1, len(attempts) + 1):
        before = [it for it in stretches if it.attempt == attempt]
        after = [it for it in kept if it.attempt == attempt]
        assert after[-1].id == before[-1].id  # where an attempt ended is not lost
        assert sum(it.bytes_read for it in after) == sum(it.bytes_read for it in before)
        assert sum(it.seconds for it in after) == pytest.approx(sum(it.seconds for it in before))
    if len(stretches) <= at_most:
        assert (kept, every_seconds) == (stretches, 2.0)


def test_stretches_too_short_for_the_clock_are_merged_too():
    stretches = [Stretch(number, 1, 0.0, 100) for number in range(6)]
    assert thinned(stretches, 2.0, 5) == ([Stretch(5, 1, 0.0, 600)], 2.0)


def test_an_even_transfer_is_halved_and_sampled_half_as_often():
    stretches = [Stretch(number, 1, 2.02, 100) for number in range(240)]
    kept, every_seconds = thinned(stretches, 2.0)
    assert every_seconds == 4.0
    assert [it.id for it in kept] == list(range(1, 240, 2))
    assert {(it.seconds, it.bytes_read) for it in kept} == {(4.04, 200)}


def test_a_second_attempts_short_stretches_do_not_cost_the_first_one_its_shape():
    long = [Stretch(number, 1, 256.0, 1) for number in range(126)]
    short = [Stretch(126 + number, 2, 2.0, 1) for number in range(114)]
    kept, _ = thinned([*long, *short], 2.0)
    assert len(kept) <= KEEP_AT_MOST
    assert [it for it in kept if it.attempt == 1] == long


@pytest.fixture
def job(db, monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    return factories.running_job(factories.context())


def transfer(job, seconds: float, rate, *, attempt: int = 1, done: int = 0) -> int:
    """As a transfer of that long reports: once a second, and at its end. Returns what was read."""
    sampler = Sampler(job.pk, attempt, begin_at=1000.0)
    now, read = 0.0, 0
    while now < seconds:
        step = min(1.01, seconds - now)
        now += step
        read += round(rate(now) * step)
        if now == seconds or sampler.is_due(1000.0 + now):
            sampler.sample(1000.0 + now, bytes_transferred=done + read, bytes_read=read)
    return read


def bytes_of(samples) -> float:
    return sum(sample.bytes_per_second * sample.seconds for sample in samples)


@pytest.mark.parametrize("seconds", [0.3, 10, 1000, 30_000])
def test_the_samples_are_bounded_and_add_up_whatever_the_length(job, seconds):
    read = transfer(job, seconds, lambda now: 100 * MIB if now < seconds / 2 else 10 * MIB)
    samples = list(telemetry.samples_of(job))
    assert 1 <= len(samples) < MOST_SAMPLES
    assert bytes_of(samples) == pytest.approx(read)
    assert sum(sample.seconds for sample in samples) == pytest.approx(seconds)
    assert samples[-1].bytes_transferred == read
    done = [sample.bytes_transferred for sample in samples]
    assert done == sorted(done)
    if seconds > 1:  # what happened in one half is still told from what happened in the other
        assert samples[0].bytes_per_second == pytest.approx(100 * MIB, rel=0.01)
        assert samples[-1].bytes_per_second == pytest.approx(10 * MIB, rel=0.01)
    if seconds > 500:
        assert len(samples) > MOST_SAMPLES / 4


def test_a_new_attempt_continues_within_the_same_bound(job):
    first = transfer(job, 900, lambda now: MIB)
    second = transfer(job, 900, lambda now: 2 * MIB, attempt=2, done=first)
    samples = list(telemetry.samples_of(job))
    assert len(samples) < MOST_SAMPLES
    assert {sample.attempt for sample in samples} == {1, 2}
    assert bytes_of(samples) == pytest.approx(first + second)


def test_a_rest_that_is_too_short_for_a_rate_joins_the_sample_before_it(job):
    sampler = Sampler(job.pk, 1, begin_at=0.0)
    sampler.sample(2.0, bytes_transferred=2 * MIB, bytes_read=2 * MIB)
    sampler.sample(2.01, bytes_transferred=6 * MIB, bytes_read=6 * MIB)  # 400 MiB/s: an artefact
    (sample,) = telemetry.samples_of(job)
    assert sample.seconds == pytest.approx(2.01)
    assert sample.bytes_transferred == 6 * MIB
    assert sample.bytes_per_second == pytest.approx(6 * MIB / 2.01)


def test_a_sample_costs_one_statement_between_thinnings(job):
    sampler = Sampler(job.pk, 1, begin_at=0.0)
    costs = []
    for number in range(1, MOST_SAMPLES + 20):
        with CaptureQueriesContext(connection) as captured:
            sampler.sample(number * EVERY_SECONDS, bytes_transferred=number, bytes_read=number)
        costs.append(len(captured))
    assert sorted(set(costs))[0] == 1
    assert [cost > 1 for cost in costs].count(True) == 1
    assert max(costs) <= 8


def sample(job, at_seconds: float, bytes_per_second: float, *, attempt: int = 1) -> None:
    JobSample.objects.create(
        job=job,
        attempt=attempt,
        at=job.started_at + timedelta(seconds=at_seconds),
        seconds=2.0,
        bytes_transferred=0,
        bytes_per_second=bytes_per_second,
    )


def test_throughput_counts_from_the_jobs_start_with_a_gap_between_attempts(job):
    sample(job, 12, 100)
    sample(job, 14, 120)
    sample(job, 62, 80, attempt=2)
    assert telemetry.throughput_of(job) == [
        *((10, 100), (12, 100), (14, 120)),
        *((60, None), (60, 80), (62, 80)),
    ]


def test_a_clock_that_was_set_back_makes_no_negative_time(job):
    sample(job, -5, 100)
    assert telemetry.throughput_of(job) == [(0, 100), (0, 100)]


def test_a_job_without_samples_has_no_throughput(job):
    assert telemetry.throughput_of(job) == []


def test_the_throughput_of_the_last_jobs_takes_two_queries(db, monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    context = factories.context()
    jobs = [factories.completed_job(context) for _ in range(4)]
    for number, job in enumerate(jobs):
        for second in range(5):
            sample(job, 2 + second, number * 100)
    other = factories.running_job(factories.context("other"))
    sample(other, 2, 999)
    waiting = factories.pending_job(context)
    with CaptureQueriesContext(connection) as captured:
        found = telemetry.throughput_of_last_jobs(context, limit=3)
    assert len(captured) == 2
    assert [job for job, _ in found] == jobs[:0:-1]
    assert waiting not in [job for job, _ in found]
    assert [{rate for _, rate in points} for _, points in found] == [{300}, {200}, {100}]
    for _, points in found:
        assert all(one[0] <= other[0] for one, other in pairwise(points))


def test_samples_go_with_their_job(db, monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    job = factories.failed_job(factories.context())
    sample(job, 2, 100)
    job.delete()
    assert not JobSample.objects.exists()
