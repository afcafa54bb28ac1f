"""What is started of what is due."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.scheduler.decide import (
    AHEAD,
    AHEAD_SECONDS,
    FAILING,
    LEAST_SECONDS,
    LONG_SECONDS,
    MOST_AHEAD,
    SMALL_BYTES,
    Candidate,
    Capacity,
    Lane,
    Stand,
    Use,
    choose,
    is_full,
    lane,
)

ROOM = Capacity(10, (), {}, 8, {}, 8)


def due(number: int, vcenter=1, repository=1, **use) -> Candidate:
    return Candidate(f"ctx-{number}", Use(vcenter, repository, **use))


def numbers(chosen) -> list[int]:
    return [int(each.context_id.removeprefix("ctx-")) for each in chosen]


def test_after_a_stop_only_those_most_at_risk_are_started():
    many = [due(number, vcenter=number, repository=number) for number in range(10_000)]
    assert numbers(choose(many, ROOM)) == list(range(20))
    busy = ROOM._replace(active=[Use(-1 - n, -1 - n) for n in range(15)])
    assert numbers(choose(many, busy)) == list(range(5))
    assert choose(many, ROOM._replace(slots=0)) == []


def test_a_full_vcenter_or_repository_hides_no_other():
    some = [due(n) for n in range(40)] + [due(40, vcenter=2, repository=2)]
    assert numbers(choose(some, ROOM)) == [*range(16), 40]
    small = ROOM._replace(repository_jobs={1: 1}, vcenter_jobs={2: 0})
    assert numbers(choose(some, small)) == [0, 1]


def test_no_more_jobs_of_a_policy_run_than_it_says():
    some = [due(n, policy_id=3, most_running=2) for n in range(5)]
    some += [due(n, policy_id=4, most_running=0) for n in range(5, 8)]
    assert numbers(choose(some, ROOM)) == [0, 1, 5, 6, 7]
    one = ROOM._replace(active=[Use(1, 1, 3, 2)])
    assert numbers(choose(some, one)) == [0, 5, 6, 7]


ROOMY = ROOM._replace(of_other_vcenters=99, of_other_repositories=99)


def test_short_jobs_are_enough_until_the_tick_after_the_next():
    """Two for each worker would be done long before the next tick looks."""
    many = [due(n, seconds=4) for n in range(200)]
    assert len(choose(many, ROOMY)) == 10 * AHEAD_SECONDS / 4
    assert len(choose(many, ROOM)) == 8 * AHEAD_SECONDS / 4, "of a vCenter's limit, too"
    tiny = [due(n, seconds=0.1) for n in range(200)]
    assert len(choose(tiny, ROOMY)) == 10 * AHEAD_SECONDS / LEAST_SECONDS == 10 * MOST_AHEAD
    assert is_full(ROOMY._replace(active=[each.use for each in tiny[:100]]))
    assert len(choose([due(n, seconds=900) for n in range(200)], ROOMY)) == 20
    long = [Use(1, 1, seconds=9000)] * 6
    assert len(choose(many, ROOMY._replace(active=long))) == 4 * AHEAD_SECONDS / 4


def test_jobs_that_no_worker_could_begin_keep_nobody_from_one():
    """40 wait for a repository that is away: the others' VMs have workers."""
    away = [Use(1, 1, stand=Stand.HELD_UP)] * 40
    others = [due(n, repository=2) for n in range(3)]
    assert numbers(choose(others, ROOM._replace(active=away))) == [0, 1, 2]
    hosts = [Use(1, 1, stand=Stand.FOR_A_PLACE)] * 16
    assert choose(others, ROOM._replace(active=hosts)) == [], "the vCenter has enough to do"
    assert numbers(choose([due(0, 2, 2)], ROOM._replace(active=hosts))) == [0]
    gathered = [Use(1, 1, stand=Stand.GATHERED)] * 40
    assert numbers(choose([due(0, 2, 2)], ROOM._replace(active=gathered))) == [0]


def test_first_copies_leave_as_many_workers_as_the_others_need_soon():
    long = [due(n, lane=Lane.LONG) for n in range(30)]
    short = [due(n) for n in range(30, 33)]
    busy = ROOMY._replace(usual_load=99.0)
    assert numbers(choose(long + short, busy)) == [0, 30, 31, 32], "one at least"
    assert numbers(choose(long, busy)) == [0], "also when none of them is due just now"
    assert numbers(choose(long, busy._replace(slots=24))) == [0, 1, 2], "an eighth at least"
    assert numbers(choose(long, ROOMY._replace(usual_load=2.0))) == list(range(7))
    assert numbers(choose(long, ROOMY)) == list(range(20)), "there are no others"
    works = ROOMY._replace(usual_load=2.0, active=[Use(1, 1, lane=Lane.LONG)])
    assert numbers(choose(long, works)) == list(range(6))
    assert numbers(choose(long + short, busy._replace(slots=1))) == [0, 30]


@pytest.mark.parametrize(("lane", "most"), [(Lane.LONG, 4), (Lane.FAILING, 2)])
def test_they_leave_places_of_their_vcenter_and_their_repository_too(lane, most):
    """All first copies may be of one vCenter, into one repository, which has older VMs."""
    some = [due(n, lane=lane) for n in range(30)]
    many_workers = ROOMY._replace(slots=40, usual_load=1.0)
    assert len(choose(some, many_workers._replace(of_other_vcenters=8))) == most
    assert len(choose(some, many_workers._replace(of_other_repositories=8))) == most
    assert len(choose(some, many_workers._replace(of_other_repositories=1))) == 1


def test_vms_that_fail_again_and_again_do_not_take_the_workers_from_the_others():
    """Nothing is more at risk than they are, and so they would always be the first."""
    failing = [due(n, lane=Lane.FAILING) for n in range(30)]
    well = [due(n) for n in range(30, 33)]
    assert numbers(choose(failing + well, ROOMY)) == [0, 1, 30, 31, 32]
    tried_again = [Use(1, 1, lane=Lane.FAILING, stand=Stand.HELD_UP)] * 2
    assert numbers(choose(failing + well, ROOMY._replace(active=tried_again))) == [30, 31, 32]
    assert numbers(choose(failing, ROOMY._replace(usual_load=0.1))) == [0, 1]
    assert numbers(choose(failing, ROOMY)) == list(range(20)), "there are no others"


def test_lanes():
    assert lane(None, None, 0) == lane(None, LONG_SECONDS, FAILING - 1) == Lane.USUAL
    assert lane(SMALL_BYTES + 1, None, 0) == lane(None, LONG_SECONDS + 1, 0) == Lane.LONG
    assert lane(SMALL_BYTES, None, 0) == Lane.USUAL, "its copy is done within a minute"
    assert lane(SMALL_BYTES + 1, None, FAILING) == Lane.FAILING


uses = st.builds(
    Use,
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.just(2),
    st.sampled_from(Lane),
    st.floats(0, 4000),
    st.just(Stand.READY),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(uses, max_size=20), st.lists(uses, max_size=10), st.integers(0, 8), st.booleans())
def test_no_limit_is_ever_exceeded_and_nobody_is_started_twice(wanted, active, slots, has_usual):
    room = Capacity(slots, active, {1: 1}, 3, {2: 2}, 3, usual_load=float(has_usual))
    chosen = choose([Candidate(f"ctx-{n}", use) for n, use in enumerate(wanted)], room)
    assert len({each.context_id for each in chosen}) == len(chosen)
    if not chosen:
        return
    assert len(active) + len(chosen) <= MOST_AHEAD * slots
    for each in chosen:
        every = [*active, *(one.use for one in chosen)]
        limits = {"vcenter_id": {1: 1}, "repository_id": {2: 2}}
        for name, most in limits.items():
            mine = getattr(each.use, name)
            line = [use.seconds for use in every if getattr(use, name) == mine]
            places = most.get(mine, 3)
            # The last one of them is what filled it.
            assert len(line) <= AHEAD * places or sum(line) - max(line) < AHEAD_SECONDS * places
            assert len(line) <= MOST_AHEAD * places
        assert sum(use.policy_id == each.use.policy_id for use in every) <= 2


@settings(max_examples=40, deadline=None)
@given(st.lists(uses, max_size=60), st.integers(0, 2), st.booleans())
def test_more_of_those_that_take_part_in_the_same_would_change_nothing(wanted, slots, has_usual):
    """So that the database need not tell of all that are due."""
    room = Capacity(slots, (), {1: 1}, 3, {2: 2}, 3, usual_load=float(has_usual))
    some, seen = [], Counter()
    every = [Candidate(f"ctx-{n}", use) for n, use in enumerate(wanted)]
    for each in every:
        takes_part = each.use._replace(seconds=0.0)
        seen[takes_part] += 1
        if seen[takes_part] <= MOST_AHEAD * slots:
            some.append(each)
    assert choose(some, room) == choose(every, room)
