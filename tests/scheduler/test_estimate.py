"""What a VM's last replications say about the next one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from replication.scheduler.estimate import FEW, Run, estimate, job_seconds, lead_seconds

MIB = 1 << 20
USUAL = Run(
    seconds=70,
    waited_seconds=5,
    read_bytes=600 * MIB,
    bytes_per_second=10 * MIB,
    interval_seconds=600,
)


def test_of_too_few_nothing_is_guessed():
    full = USUAL._replace(interval_seconds=None)
    assert estimate([full] * 20 + [USUAL] * (FEW - 1)) is None
    assert lead_seconds(None, 900) == 20 + 40


def test_it_takes_what_changes_meanwhile_at_the_pace_of_before():
    known = estimate([USUAL] * 5)
    assert known == (1 * MIB, 10 * MIB, 10, 5)
    assert job_seconds(known, 600) == 70
    assert job_seconds(known, 6000) == 610
    assert lead_seconds(known, 600) == 1.3 * 70 + 5 + 20 + 40


def test_one_odd_run_of_many_does_not_count():
    odd = USUAL._replace(seconds=9000, read_bytes=10**12, waited_seconds=4000)
    assert job_seconds(estimate([*[USUAL] * 19, odd]), 600) == 70


def test_a_vm_in_which_nothing_changes_takes_only_the_rest():
    idle = USUAL._replace(read_bytes=0, bytes_per_second=None, seconds=4)
    assert job_seconds(estimate([idle] * 3), 900) == 4


numbers = st.floats(0, 1e6)
runs = st.builds(
    Run, numbers, numbers, st.integers(0, 1 << 50), st.none() | st.floats(1, 1e9), numbers
)


@settings(max_examples=40)
@given(st.lists(runs, max_size=6), st.integers(60, 31_622_400))
def test_a_lead_is_always_a_length_of_time(history, target):
    assert 20 <= lead_seconds(estimate(history), target) < float("inf")
