"""Who is expected to go over the target, and when jobs that wait will begin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.scheduler.decide import Capacity, Lane, Use
from replication.scheduler.foresight import (
    NEVER,
    SURE,
    Outlook,
    Queue,
    breach_expected_at,
    ends_at,
    outage_ends_at,
)

pytestmark = pytest.mark.any_database
NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VM = Outlook(NOW + 20 * MINUTE, NOW + 15 * MINUTE, NOW + 18 * MINUTE, due_at=NOW + 10 * MINUTE)


@pytest.mark.parametrize(
    ("vm", "queue", "is_expected"),
    [
        (VM, 0, False),
        (VM._replace(due_at=NOW + 16 * MINUTE), 0, True),
        (VM._replace(due_at=None), 0, True),
        (VM, 18 / SURE - 0.1, False),
        (VM, 18 / SURE + 0.1, True),
        # A minute too late for nine of ten, but not for most: there is nothing that holds it up.
        (VM._replace(latest_start_at=NOW - MINUTE, due_at=NOW), 0, False),
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
    found = breach_expected_at(vm, NOW, queue * 60)
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
    assert ends_at(began, 480, 600, None, NOW) == NOW + 2 * MINUTE, "as late again as it is"
    assert ends_at(began, None, None, None, NOW) == NOW + 10 * MINUTE
    assert ends_at(NOW, None, None, None, NOW) == NOW


ROOM = Capacity(2, (), {}, 8, {}, 8)


def begins(capacity: Capacity, *waiting: Use, running: Sequence[Use] = ()) -> list[float]:
    queue = Queue(capacity)
    for job in running:
        queue.run(job)
    for job in waiting:
        queue.add(job)
    return queue.begins()


def test_jobs_begin_when_a_worker_a_vcenter_a_repository_and_a_policy_have_a_place():
    assert begins(ROOM, *[Use(1, 1, seconds=100)] * 4, running=[Use(1, 1, seconds=30)]) == [
        *(0, 30, 100, 130)
    ]
    full = ROOM._replace(slots=9, vcenter_jobs={1: 1})
    assert begins(full, *[Use(1, 1, seconds=10)] * 3, Use(2, 1)) == [0, 10, 20, 0]
    of_policy = Use(1, 1, policy_id=3, most_running=2)
    assert begins(ROOM._replace(slots=9), *[of_policy] * 3, Use(1, 1)) == [0, 0, 60, 0]
    assert begins(ROOM._replace(slots=0), Use(1, 1)) == [math.inf]


def test_who_waits_for_something_else_keeps_no_worker_from_others():
    """A long queue of one vCenter made everybody late: the workers were reckoned as kept."""
    full = ROOM._replace(vcenter_jobs={1: 1})
    of_full = [Use(1, 1, seconds=100)] * 9
    assert begins(full, *of_full, Use(2, 1, seconds=10), Use(2, 1)) == [
        *range(0, 900, 100),
        *(0, 10),
    ]
    # VMs that fail again and again get one worker of four; first copies what is left over.
    roomy = Capacity(4, (), {}, 8, {}, 8, usual_load=4)
    for lane in (Lane.FAILING, Lane.LONG):
        slow = [Use(1, 1, lane=lane, seconds=1000)] * 3
        assert begins(roomy, *slow, *[Use(1, 1, seconds=10)] * 4) == [0, 1000, 2000, 0, 0, 0, 10]


def test_a_job_that_rests_begins_in_its_turn_once_it_may():
    queue = Queue(ROOM._replace(slots=1))
    rests = queue.add(Use(1, 1, seconds=10), not_before=15)
    others = [queue.add(Use(1, 1, seconds=10)) for _ in range(3)]
    found = queue.begins()
    assert [found[number] for number in (rests, *others)] == [20, 0, 10, 30]


uses = st.builds(
    Use,
    *(st.integers(1, 2), st.integers(1, 2), st.just(1), st.integers(0, 2)),
    seconds=st.integers(1, 50),
)
jobs = st.lists(uses, max_size=12)


@settings(max_examples=50)
@given(jobs, st.integers(1, 3))
def test_at_no_moment_do_more_run_than_there_are_places(waiting, slots):
    capacity = Capacity(slots, (), {1: 1}, 2, {2: 1}, 2)
    spans = list(zip(begins(capacity, *waiting), waiting, strict=True))
    for moment, _ in spans:
        now = [job for begins, job in spans if begins <= moment < begins + job.seconds]
        assert len(now) <= slots
        assert sum(job.vcenter_id == 1 for job in now) <= 1
        assert sum(job.repository_id == 2 for job in now) <= 1
