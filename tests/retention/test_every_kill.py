"""A worker is killed with -9 at any step of a removal, and another one goes on with it. At every
moment all other points read as before."""

from __future__ import annotations

import itertools
import signal

import pytest

from replication.retention import run
from replication.states import RecoveryPointState
from tests.retention.chain import Chain, Made
from tests.sync.estate import database_url
from tests.sync.nursery import nursery

ON_THE_WAY = (
    *("before begin", "after begin", "within expect", "after expect", "within merge"),
    *("after merge", "after check_merged", "after merged", "within take_name", "after take_name"),
    *("after switched", "before finish", "after finish"),
)
"""Of the first disk's merge where there are two; each later than the one before."""


def die(point: str) -> int:
    code, stderr = nursery(database_url()).run("tests.retention.removal_that_dies", point)
    assert code in (0, -signal.SIGKILL), stderr
    return code


@pytest.mark.slow
def test_a_removal_that_is_killed_at_every_step_in_turn_goes_on_and_ends(chain: Chain):
    """Point 2: both disks are merged, one of them into a smaller one."""
    chain.want(2)
    for point in ON_THE_WAY:
        assert die(point) == -signal.SIGKILL, point
        chain.require_equal()
        chain.time_passes()
        if point == "after take_name":  # the rows are behind the files, which is no damage
            assert chain.findings() == {"removal_stuck", "lease_left_behind"}
    assert chain.point(2).state == RecoveryPointState.EXPIRED
    chain.require_settled()
    chain.replicate()
    chain.require_settled()


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 4, 5])
def test_a_worker_may_be_killed_anywhere(
    made_chain: Made, transactional_db: None, tmp_path, number: int
):
    """Before every change of a file, program and statement: a middle where a disk grows, one where
    a disk is left out, and the end of a chain."""
    for change in itertools.count():
        with made_chain.copied(tmp_path / str(change)) as chain:
            chain.want(number)
            code = die(f"change {change}")
            chain.require_equal()
            chain.time_passes()
            while run.run_next():
                pass
            assert chain.point(number).state == RecoveryPointState.EXPIRED
            chain.clean()
            chain.estate.assert_nothing_left_over(chain.context)
            chain.require_equal()
            if code == 0:
                chain.replicate()
                chain.require_settled()
                break
    print(f"{change} points to be killed at")
