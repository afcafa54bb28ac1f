"""Hours as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.policies import hours
from replication.policies.checking import Window

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("", []),
        ("Mon to Fri 22:00 to 06:00", [(31, 1320, 360)]),
        ("mon-fri 22:00-6:00\n\n sat, sun 0:00 – 24:00 ", [(31, 1320, 360), (96, 0, 1440)]),
        ("daily 1:30 to 2:30", [(127, 90, 150)]),
        ("1:30 to 2:30", [(127, 90, 150)]),
        ("sat to mon 10:00 to 11:00", [(97, 600, 660)]),
        ("Monday and wednesday 10:00-11:00", [(5, 600, 660)]),
    ],
)
def test_what_people_write_is_understood(text, windows):
    assert [tuple(window) for window in hours.parse(text)] == windows


@pytest.mark.parametrize(
    "text",
    [
        *["at night", "mon 22:00", "mon 25:00 to 26:00", "mon 10:60 to 11:00", "x 10:00-11:00"],
        *["mon,, 10:00-11:00", "mon 24:00 to 1:00", "m" * 200, "monkey 10:00-11:00"],
    ],
)
def test_what_names_no_hours_is_refused(text):
    with pytest.raises(ValueError, match="names no hours"):
        hours.parse(text)


@given(
    st.lists(
        st.builds(Window, st.integers(1, 127), st.integers(0, 1439), st.integers(0, 1440)),
        max_size=4,
    )
)
def test_what_is_written_is_read_back(windows):
    assert hours.parse(hours.words(tuple(windows))) == tuple(windows)
