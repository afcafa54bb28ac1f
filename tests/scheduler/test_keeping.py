"""Whether a target can be kept, by what has been measured."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.scheduler.estimate import (
    Estimate,
    job_seconds,
    latest_start_seconds,
    shortest_target_seconds,
)
from replication.scheduler.keeping import verdict

MIB, GIB = 1 << 20, 1 << 30
BUSY = Estimate(18 * GIB / 3600, 40 * MIB, overhead_seconds=209.28, wait_seconds=0)
pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    ("known", "target", "can_be_kept", "words"),
    [
        (BUSY, 300, False, "5 min cannot be kept: 18 GiB/h at 40 MiB/s needs 8 min"),
        (BUSY, 481, True, "8 min 1 s can be kept: 18 GiB/h at 40 MiB/s takes 4 min 31 s each time"),
        (BUSY, None, None, "18 GiB/h at 40 MiB/s: needs 8 min"),
        (
            BUSY._replace(bytes_per_second=4 * MIB),
            *(86_400, False),
            "1 d cannot be kept: 18 GiB/h at 4 MiB/s is more than can be read",
        ),
        (
            Estimate(0, None, overhead_seconds=10, wait_seconds=5),
            *(60, True),
            "1 min can be kept: 0 B/h takes 10 s each time",
        ),
        (None, 300, None, "not known yet: needs 3 incremental replications"),
    ],
)
def test_it_says_what_a_target_needs(known, target, can_be_kept, words):
    found = verdict(known, target)
    assert (found.can_be_kept, found.words) == (can_be_kept, words)


@settings(max_examples=60)
@given(
    st.builds(
        Estimate,
        st.floats(0, 1e9),
        st.none() | st.floats(1, 1e9),
        st.floats(0, 1e4),
        st.floats(0, 1e3),
    ),
    st.integers(60, 31_622_400),
)
def test_a_run_that_begins_at_the_latest_ends_in_time_and_can_be_repeated_if_the_target_can_be_kept(
    known, target
):
    latest = latest_start_seconds(known, target)
    ends = latest + known.wait_seconds + job_seconds(known, latest)
    assert latest == 0 or ends == pytest.approx(target)
    shortest = shortest_target_seconds(known)
    if shortest is not None and shortest <= target * 0.999:
        # What begins as the run before it ends is not late.
        assert known.wait_seconds + job_seconds(known, latest) <= latest * 1.001
