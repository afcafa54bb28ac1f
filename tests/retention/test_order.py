"""In which order points go, and what is merged on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.retention.order import Chains, Image, Step

pytestmark = pytest.mark.any_database


def chain(*points: int, first_key: int = 0) -> list[Image]:
    """One disk's chain of these points, root first."""
    keys = [first_key + number for number in range(len(points))]
    parents = [None, *keys]
    return [Image(*row) for row in zip(keys, points, parents[: len(points)], strict=True)]


def test_the_end_of_a_chain_goes_newest_first_without_a_merge():
    old, new = chain(1, 2, 3), chain(4, 5, first_key=10)
    steps = Chains([*old, *new]).in_order({2, 3})
    assert steps == [Step(3, 0), Step(2, 0)]


def test_all_others_go_oldest_first():
    assert Chains(chain(1, 2, 3, 4, 5)).in_order({1, 2, 4}) == [Step(1, 1), Step(2, 1), Step(4, 1)]


def test_a_chain_that_goes_as_a_whole_merges_nothing():
    old, new = chain(1, 2, 3), chain(4, 5, first_key=10)
    steps = Chains([*old, *new]).in_order({1, 2, 3, 4})
    assert steps == [Step(3, 0), Step(2, 0), Step(1, 0), Step(4, 1)]


def test_a_point_of_two_disks_merges_only_where_something_is_based_on_it():
    one, two = chain(1, 2, 3), [Image(10, 1, None), Image(11, 2, 10), Image(12, 3, None)]
    chains = Chains([*one, *two])
    assert chains.in_order({2}) == [Step(2, 1)]
    assert chains.above(1) == {2, 3}
    assert chains.above(2) == {3}
    assert (chains.longest(3), chains.longest(2), chains.longest(9)) == (3, 2, 0)


@given(st.integers(1, 9), st.sets(st.integers(0, 8)))
def test_every_point_goes_once_and_the_others_keep_their_chains(count, going):
    going = {point for point in going if point < count - 1}
    steps = Chains(chain(*range(count))).in_order(going)
    assert sorted(step.point for step in steps) == sorted(going)
    assert all(step.merges == 1 for step in steps)  # the newest stays, and needs them all
