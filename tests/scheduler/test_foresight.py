"""Who is expected to get over the target, and when jobs that wait will begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.scheduler.decide import Capacity, Use
from replication.scheduler.foresight import (
    NEVER,
    Outlook,
    Queue,
    breach_expected_at,
    ends_at,
    outage_ends_at,
)

pytestmark = pytest.mark.any_database
NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VM = Outlook(NOW + 20 * MINUTE, NOW + 15 * MINUTE, due_at=NOW + 10 * MINUTE)


@pytest.mark.parametrize(
    ("vm", "queue", "is_expected"),
    [
        (VM, 0, False),
        (VM._replace(due_at=NOW + 16 * MINUTE), 0, True),
        (VM._replace(due_at=None), 0, True),
        (VM, 14, False),
        (VM, 16, True),
        (VM._replace(free_at=NOW + 14 * MINUTE), 0, False),
        (VM._replace(free_at=NEVER), 0, True),
        (VM._replace(ends_at=NOW + 19 * MINUTE, due_at=None), 60, False),
        (VM._replace(ends_at=NOW + 21 * MINUTE), 0, True),
        (VM._replace(breaks_at=NOW, due_at=None), 0, False),  # it is over it already
    ],
)
def test_a_breach_is_expected_if_the_next_replication_begins_or_ends_too_late(
    vm, queue, is_expected
):
    found = breach_expected_at(vm, NOW, queue * MINUTE)
    assert found == (vm.breaks_at if is_expected else None)


def test_an_outage_is_expected_to_last_as_it_has_lasted():
    assert outage_ends_at(NOW, NOW) == NOW
    assert outage_ends_at(NOW - MINUTE, NOW) == NOW + 9 * MINUTE
    assert outage_ends_at(None, NOW) == NEVER


def test_a_running_job_ends_by_its_pace_or_as_such_jobs_did():
    began = NOW - 10 * MINUTE
    assert ends_at(began, 60, 600, 10, NOW) == NOW + MINUTE
    assert ends_at(began, 60, 1 << 62, 1, NOW) > NOW + timedelta(days=365), "and a date it is"
    assert ends_at(began, 900, None, None, NOW) == NOW + 5 * MINUTE
    assert ends_at(began, 60, 600, None, NOW) == NOW
    assert ends_at(began, None, None, None, NOW) == NOW


ROOM = Capacity(2, (), {}, 8, {}, 8)


def test_jobs_begin_when_a_worker_a_vcenter_a_repository_and_a_policy_have_a_place():
    queue = Queue(ROOM)
    queue.run(Use(1, 1, seconds=30))
    begins = [queue.add(Use(1, 1, seconds=100)) for _ in range(4)]
    assert begins == [0, 30, 100, 130]
    queue = Queue(ROOM._replace(slots=9, vcenter_jobs={1: 1}))
    assert [queue.add(Use(1, 1, seconds=10)) for _ in range(3)] == [0, 10, 20]
    assert queue.begins(Use(2, 1)) == 0
    queue = Queue(ROOM._replace(slots=9))
    of_policy = Use(1, 1, policy_id=3, most_running=2)
    assert [queue.add(of_policy) for _ in range(3)] == [0, 0, 60]
    assert queue.begins(Use(1, 1)) == 0
    assert Queue(ROOM._replace(slots=0)).begins(Use(1, 1)) == float("inf")


uses = st.builds(
    Use,
    *(st.integers(1, 2), st.integers(1, 2), st.just(1), st.integers(0, 2)),
    seconds=st.integers(1, 50),
)
jobs = st.lists(uses, max_size=12)


@settings(max_examples=50)
@given(jobs, st.integers(1, 3))
def test_at_no_moment_do_more_run_than_there_are_places(waiting, slots):
    queue = Queue(Capacity(slots, (), {1: 1}, 2, {2: 1}, 2))
    spans = [(queue.add(job), job) for job in waiting]
    for moment, _ in spans:
        now = [job for begins, job in spans if begins <= moment < begins + job.seconds]
        assert len(now) <= slots
        assert sum(job.vcenter_id == 1 for job in now) <= 1
        assert sum(job.repository_id == 2 for job in now) <= 1
