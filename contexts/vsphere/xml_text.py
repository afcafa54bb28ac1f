"""XML whose text breaks XML's own rules, made readable.

A VM's notes, a guest's name or a file's label may hold characters that XML forbids, or bytes that
are no UTF-8, and servers pass them on. XML has no way of saying them: the whole answer is then not
well-formed, with whatever else it says of other objects.
"""

from __future__ import annotations

import re

REPLACED = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character that could not be read."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,8}));")


def mended(body: bytes) -> bytes:
    """The same with REPLACED for each byte that is no UTF-8 and each character that XML forbids,
    also where it is written as a reference (`&#1;`)."""
    text = _FORBIDDEN.sub(REPLACED, body.decode("utf-8", "replace"))
    return _REFERENCE.sub(_allowed, text).encode()


def _allowed(reference: re.Match[str]) -> str:
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    plain = number in (0x9, 0xA, 0xD) or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD
    return reference[0] if plain or 0x10000 <= number <= 0x10FFFF else REPLACED
