"""What is started of what is due."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from replication.scheduler.decide import AHEAD, Candidate, Capacity, Use, choose

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


def test_first_copies_leave_half_of_the_workers_to_the_others_unless_there_are_none():
    roomy = ROOM._replace(of_other_vcenters=99, of_other_repositories=99)
    long = [due(n, is_long=True) for n in range(30)]
    short = [due(n) for n in range(30, 33)]
    assert numbers(choose(long + short, roomy)) == [*range(5), 30, 31, 32]
    assert numbers(choose(long, roomy)) == list(range(20))
    works = roomy._replace(active=[Use(1, 1)])
    assert numbers(choose(long, works)) == list(range(5))
    one_worker = roomy._replace(slots=1)
    assert numbers(choose(long + short, one_worker)) == [0, 30]


uses = st.builds(
    Use, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.just(2), st.booleans()
)


@settings(max_examples=40)
@given(st.lists(uses, max_size=20), st.lists(uses, max_size=10), st.integers(0, 8))
def test_no_limit_is_ever_exceeded_and_nobody_is_started_twice(wanted, active, slots):
    room = Capacity(slots, active, {1: 1}, 3, {2: 2}, 3)
    chosen = choose([Candidate(f"ctx-{n}", use) for n, use in enumerate(wanted)], room)
    assert len({each.context_id for each in chosen}) == len(chosen)
    if not chosen:
        return
    assert len(active) + len(chosen) <= AHEAD * slots
    for each in chosen:
        counts = Counter(active)
        counts.update(one.use for one in chosen)
        assert _count(counts, "vcenter_id", each) <= AHEAD * (1 if each.use.vcenter_id == 1 else 3)
        most = AHEAD * (2 if each.use.repository_id == 2 else 3)
        assert _count(counts, "repository_id", each) <= most
        assert _count(counts, "policy_id", each) <= 2


def _count(counts: Counter[Use], name: str, like: Candidate) -> int:
    mine = getattr(like.use, name)
    return sum(count for use, count in counts.items() if getattr(use, name) == mine)
