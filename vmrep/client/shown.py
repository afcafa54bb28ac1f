"""What the terminal shows. Names come from a vCenter and may be hostile: no control character, and
so no escape sequence, and nothing that turns the direction of writing reaches the terminal."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

UNKNOWN = "—"
NARROWEST = 8
"""A column is never cut below it."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def safe(text: object) -> str:
    r"""Visible characters as they are, all others as escapes: `\x1b[31m`."""
    return "".join(_escaped(each) for each in str(text))


def _escaped(character: str) -> str:
    # C: control, format (among them those that turn the writing), surrogate, private, unassigned;
    # Zl and Zp: they break the line.
    category = unicodedata.category(character)
    if category[0] != "C" and category not in ("Zl", "Zp"):
        return character
    return character.encode("unicode_escape").decode() if character != "\u00ad" else "\\xad"


def width(text: str) -> int:
    """In cells of the terminal."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def cut(text: str, most: int) -> str:
    """At most so many cells, the last of which says that something is missing."""
    if width(text) <= most:
        return text
    kept, used = "", 0
    for character in text:
        used += width(character)
        if used > most - 1:
            break
        kept += character
    return f"{kept}…"


def table(titles: Sequence[str], rows: Sequence[Sequence[object]], *, most: int) -> Iterator[str]:
    """The lines of a table of at most so many cells (0: as many as it takes). What is too wide is
    cut, the widest column first."""
    cells = [[safe(UNKNOWN if cell in (None, "") else cell) for cell in row] for row in rows]
    widths = [max(width(text) for text in column) for column in zip(titles, *cells, strict=True)]
    while most and sum(widths) + 2 * (len(widths) - 1) > most:
        widest = widths.index(max(widths))
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    for line in ([*titles], *cells):
        parts = [cut(text, most) for text, most in zip(line, widths, strict=True)]
        padded = [
            part + " " * (most - width(part)) for part, most in zip(parts, widths, strict=True)
        ]
        yield "  ".join(padded).rstrip()


def terminal_width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def size(count: object) -> str | None:
    """Bytes for people: 1.5 GiB."""
    if not isinstance(count, int | float):
        return None
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return (
        f"{value:.0f} {_UNITS[unit]}"
        if unit == 0 or value >= 100
        else f"{value:.1f} {_UNITS[unit]}"
    )


def span(seconds: object) -> str | None:
    """A length of time in its two largest units: 2 h 5 min."""
    if not isinstance(seconds, int | float):
        return None
    left, parts = int(abs(seconds)), []
    for name, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def ago(moment: object) -> str | None:
    """How long ago a time of an answer was."""
    if not isinstance(moment, str):
        return None
    since = datetime.now(UTC) - datetime.fromisoformat(moment)
    return f"{span(max(since.total_seconds(), 0))} ago"
