"""Showing and storing texts from elsewhere, which may contain anything."""

import re


def printable(text: str) -> str:
    r"""The text on one line, safe for a terminal or a log: characters that could move the cursor,
    start a new line or change the text direction become escapes (`\n`, `\x1b`, `\u202e`)."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def storable(text: str, most: int | None = None) -> str:
    """The text as both databases can store it: without NUL or half a surrogate pair, and cut to
    `most` characters. For whatever a server, a file or an error message says."""
    kept = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return kept if most is None or len(kept) <= most else kept[: most - 1] + "…"


def plural(count: int, one: str, many: str | None = None) -> str:
    """1 disk, 2 disks, 2 repositories"""
    many = many or re.sub(r"(?<![aeiou])y$", "ie", one) + "s"
    return f"{count:,} {one if count == 1 else many}"


_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def binary(size_bytes: float | None) -> str:
    """1.3 GiB: three digits are enough to compare by eye."""
    if size_bytes is None:
        return "unknown"
    size, unit = float(size_bytes), 0
    # 1023.7 MiB would become 1024 MiB, which is 1 GiB.
    while abs(size) >= 1023.5 and unit < len(_BINARY) - 1:
        size, unit = size / 1024, unit + 1
    if unit == 0 or abs(size) >= 99.95:
        return f"{size:.0f} {_BINARY[unit]}"
    return f"{size:.1f}".removesuffix(".0") + f" {_BINARY[unit]}"


def percent(share: float) -> str:
    """98.2 %: rounded down, so that 100 % means all of it."""
    return f"{int(share * 1000) / 10:g} %"


def duration(seconds: float | None) -> str:
    """The two largest units: 45 s, 3 m 20 s, 2 h 5 m, 3 d 4 h. One decimal below ten seconds."""
    if seconds is None:
        return "unknown"
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for size, unit, smaller_size, smaller_unit in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "m"),
        (_MINUTE, "m", 1, "s"),
    ):
        if whole >= size:
            smaller = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {smaller} {smaller_unit}" if smaller else "")
    return f"{whole} s"
