"""The scheduler's own functions in virtual time: 200 VMs for a day with everything that goes wrong,
and what must hold of any estate. `python -m vmrep.bench.simulation` runs larger ones."""

from __future__ import annotations

import pytest

from replication.models.groups import MOST_MEMBERS
from replication.scheduler.decide import FAILING_SHARE, LEAST_LONG_SHARE, MOST_AHEAD, Lane
from replication.services.finish import MAX_ATTEMPTS
from vmrep.bench.virtual_estate import (
    DAY,
    FIRST_COPY_SECONDS,
    SICK_ATTEMPT_SECONDS,
    Plan,
    longest_seconds,
)
from vmrep.bench.virtual_time import TICK_SECONDS, Told, World

PLAN = Plan(vms=200, days=1.0, workers=4, places=2)


@pytest.fixture(scope="module")
def world() -> World:
    """That no limit was exceeded, and that no VM had two jobs, it checks at every moment."""
    world = World(PLAN)
    world.run()
    return world


@pytest.fixture(scope="module")
def told(world) -> Told:
    return world.told


def test_much_went_wrong_and_much_was_replicated(world, told):
    """Otherwise the rest would say nothing."""
    assert told.jobs > PLAN.vms * DAY / PLAN.target_seconds * 0.9
    assert told.failed > 10
    assert told.taken_over > 10
    assert sum(map(len, world.troubles.outages.values())) == 2
    assert sum(map(world.figures.began_at_night, told.breaches)) > 0.9 * PLAN.vms


def test_the_limits_were_reached_and_the_queue_stayed_short(told):
    assert told.most_running["vcenter", 0] == PLAN.vcenter_jobs
    assert told.most_running["repository", 0] == PLAN.repository_jobs
    assert told.most_due > 50
    assert told.most_ready <= MOST_AHEAD * PLAN.slots


def test_nobody_waits_for_longer_than_all_others_take_once(world, told):
    """What was just replicated is least at risk of all: it does not come again before a VM that
    waits. While it waits, half of the workers may be at work for first copies and VMs that fail."""
    everyone = sum(map(longest_seconds, world.vms)) / PLAN.slots
    assert told.longest_wait[Lane.USUAL] <= 2 * everyone + 2 * TICK_SECONDS


def test_those_that_are_held_back_get_their_turn(world, told):
    """First copies, one worker at least; and VMs that fail again and again, of which each attempt
    takes a minute."""
    assert all(vm.point_at is not None for vm in world.vms)
    first = [vm for vm in world.vms if vm.taken_at > 0]
    workers = max(1, PLAN.slots // LEAST_LONG_SHARE)
    assert 0 < told.longest_wait[Lane.LONG] <= len(first) * 1.5 * FIRST_COPY_SECONDS / workers
    sick = sum(vm.sick is not None for vm in world.vms)
    attempts = 2 * MAX_ATTEMPTS * SICK_ATTEMPT_SECONDS
    assert sick
    assert told.longest_wait[Lane.FAILING] <= sick * attempts / (PLAN.slots // FAILING_SHARE)


def test_vms_of_a_group_are_replicated_together(world, told):
    """But for those that fail, rest after that, or are copied for the first time; also although
    workers die meanwhile. However many VMs are gathered, no limit is exceeded."""
    assert told.runs > len(world.groups) * DAY / PLAN.target_seconds / 2
    assert world.figures.share_together() > 0.9
    assert told.left_out > 0
    assert told.most_gathered >= MOST_MEMBERS


def test_breaches_are_foretold(world):
    assert world.figures.share_foretold() >= 0.9


def test_what_is_foretold_comes_more_often_than_not(world, told):
    """Also with groups: a sum of what nine of ten jobs take foretold 24 breaches for each one."""
    came = sum(not world.figures.began_at_night(breach) for breach in told.breaches)
    assert came > 100
    assert told.taken_back < came


def test_no_vm_gets_over_its_target_while_nothing_is_wrong():
    calm = World(Plan(vms=200, days=0.2, workers=4, places=2, load=0.5, calm=True)).run()
    assert calm.jobs > 3000
    assert calm.breaches == []
