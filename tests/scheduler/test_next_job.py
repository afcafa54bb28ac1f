"""What is expected of a VM's next job before enough has been measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from replication.scheduler.decide import UNKNOWN_SECONDS
from replication.scheduler.estimate import FEW
from replication.scheduler.next_job import VM, EndedJob, next_job
from replication.scheduler.when import Schedule

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WANTED = Schedule("target", 900)


def ended(seconds: float, kind="incremental", status="completed", back=0) -> EndedJob:
    began = NOW - 15 * MINUTE * (back + 1)
    read = 0 if kind == "incremental" else 1 << 30
    return EndedJob(
        status, None, kind, read, None, began, began, began + timedelta(seconds=seconds)
    )


def expected(*jobs: EndedJob) -> float | None:
    return next_job(WANTED, VM("ctx-1", NOW - 60 * MINUTE, NOW), jobs, NOW).expected_seconds


def test_after_a_full_copy_the_next_takes_no_longer_than_that():
    """Many VMs that were copied within seconds would be thought to need all workers for minutes,
    so that no worker was left for the first copies of the others."""
    assert expected() is None
    assert expected(ended(4, "initial")) == 4
    assert expected(ended(9000, "initial")) == UNKNOWN_SECONDS
    assert expected(ended(2, status="failed"), ended(4, "initial", back=1)) == 4


def test_one_run_is_enough_to_expect_something_of_the_next():
    assert expected(ended(7), ended(9000, "initial", back=1)) == 7
    assert expected(ended(7), ended(11, back=1), ended(9000, "initial", back=2)) == 11
    assert expected(*(ended(7, back=back) for back in range(FEW + 1))) == 7
