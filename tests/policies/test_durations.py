"""Durations as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.policies import durations
from replication.policies.choices import TARGETS
from vmrep.web import formats

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("15m", 900), ("15 min", 900), (" 15 Minutes ", 900), ("1h30", 5400), ("1h 30m", 5400)],
        *[
            ("1,5 h", 5400),
            ("1.5h", 5400),
            ("2 d", 172_800),
            ("2d4h", 187_200),
            ("1 week", 604_800),
        ],
        *[("1 d, 2 h", 93_600), ("90s", 90), ("15 m 3", 903), ("0 s", 0)],
    ],
)
def test_what_people_type_is_understood(text, seconds):
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", "15", "m", "15 x", "-5 m", "1h 2d", "1 h 1 h", "1.0005 s", "0.5 s"],
        *["١٥ m", "15 m\0", "1e9 d", "9" * 400 + " m", "15 m " * 30, "every day"],
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="Write 15 m"):
        durations.parse(text)


@given(st.integers(0, 366 * 86_400))
def test_what_is_written_is_read_back(seconds):
    assert durations.parse(durations.words(seconds)) == seconds


def test_pages_write_what_they_offer_as_it_can_be_typed():
    for seconds in TARGETS:
        assert formats.duration(seconds) == durations.words(seconds)
