"""File operations of a removal fail, one after the other: of its worker, and of qemu-img."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.models import PointRemoval
from replication.retention import run
from replication.states import RecoveryPointState, RemovalState
from tests.retention.chain import Chain
from tests.sync.estate import database_url
from vmrep.chaos.failing import ALL, FOREVER, FileFault, Operation, Whose, is_possible
from vmrep.chaos.worker import Order
from vmrep.chaos.workers import Workers

pytestmark = [
    pytest.mark.any_database,
    pytest.mark.slow,
    pytest.mark.skipif(not is_possible(), reason="needs a C compiler"),
]

NUMBERS = (*range(1, 9), *range(12, 500, 11))
"""Of the operations of one kind that fail: each of the first ones, and then some."""


@pytest.fixture
def workers(chain: Chain, tmp_path: Path) -> Iterator[Workers]:
    with Workers(tmp_path, database_url()) as workers:
        workers.page.watch(chain.estate.repository_folder)
        yield workers


def require_goes_on(chain: Chain, workers: Workers, number: int) -> None:
    workers.page.arm(None)
    chain.time_passes()
    while run.run_next():
        chain.time_passes()
    assert chain.point(number).state == RecoveryPointState.EXPIRED, chain.problems()
    chain.require_settled()


@pytest.mark.parametrize("operation", ALL, ids=lambda each: each.name.lower())
def test_whatever_fails_costs_nothing(chain: Chain, workers: Workers, operation: Operation):
    """The first one of an attempt, then the second one of the next attempt, and so on."""
    chain.want(2)
    for number in NUMBERS:
        workers.page.arm(FileFault((operation,)), number)
        outcome = workers.run(Order("removal"))
        assert outcome.code == 0, outcome.said
        chain.require_equal()
        assert not any("nexpected" in problem for problem in chain.problems())
        if not workers.page.happened:
            break
        chain.time_passes()
    assert number > 1 or operation in (Operation.TRUNCATE, Operation.MKDIR)
    assert number < NUMBERS[-1]
    require_goes_on(chain, workers, 2)
    chain.replicate()


@pytest.mark.parametrize("number", [1, 2, 4])
def test_no_room_in_mid_merge_gives_it_up_until_there_is_some(
    chain: Chain, workers: Workers, number: int
):
    """A disk has grown: so the other one's file has to, too. All other points read as before."""
    chain.want(2)
    takes_room = (Operation.CREATE, Operation.WRITE, Operation.TRUNCATE)
    full = FileFault(takes_room, error=errno.ENOSPC, whose=Whose.PROGRAMS, lasts=FOREVER)
    workers.page.arm(full, number)
    assert workers.run(Order("removal")).code == 0
    assert workers.page.happened
    removal = PointRemoval.objects.get()
    assert removal.state == RemovalState.UNDER_WAY
    assert "Free space" in removal.problem
    assert removal.next_attempt_at is not None
    chain.require_equal()
    require_goes_on(chain, workers, 2)
