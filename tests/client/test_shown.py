"""What reaches a terminal is text, whatever a vCenter calls its VMs."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from vmrep.client.shown import cut, safe, size, span, table, width

HOSTILE = "\x1b[2J\x1b]0;owned\x07web\r\n\u202egnp.exe\u2028\x9b31m\x00\ud800"


@settings(max_examples=25)
@given(st.text(st.characters(), max_size=60))
def test_no_character_does_anything_but_be_seen(text: str) -> None:
    shown = safe(text)
    assert all(unicodedata.category(each)[0] not in "C" for each in shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()


def test_what_is_hidden_is_named() -> None:
    assert safe(HOSTILE).startswith(r"\x1b[2J\x1b]0;owned\x07web\r\n\u202egnp.exe\u2028\x9b31m\x00")
    assert safe("Zürich – 東京 ✓") == "Zürich – 東京 ✓"


@settings(max_examples=25)
@given(st.text(st.characters(codec="utf-8"), max_size=40), st.integers(2, 20))
def test_what_is_cut_fits(text: str, most: int) -> None:
    shown = cut(safe(text), most)
    assert width(shown) <= most
    assert shown == safe(text) or shown.endswith("…")


def test_a_table_fits_the_terminal_and_cuts_the_widest_column() -> None:
    rows = [["web-01", "x" * 300, 5], ["東京", None, ""]]
    lines = list(table(["NAME", "PATH", "N"], rows, most=40))
    assert max(map(width, lines)) <= 40
    assert lines[0].startswith("NAME    PATH")
    assert "web-01" in lines[1]
    assert "…" in lines[1]
    assert lines[2].split() == ["東京", "—", "—"]
    assert "x" * 300 in list(table(["NAME", "PATH", "N"], rows, most=0))[1]


def test_numbers_have_units() -> None:
    assert [size(each) for each in (None, 0, 1536, 5 << 30, 200 << 40)] == [
        *(None, "0 B", "1.5 KiB", "5.0 GiB", "200 TiB"),
    ]
    assert [span(each) for each in (None, 0, 90, 7500, 90_000)] == [
        *(None, "0 s", "1 min 30 s", "2 h 5 min", "1 d 1 h"),
    ]
