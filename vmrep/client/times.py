"""Times and lengths of time as people type them."""

from __future__ import annotations

import argparse
import re
from datetime import datetime

_LENGTH = re.compile(r"([0-9]{1,6})(s|m|min|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


def duration(text: str) -> int:
    """90s, 15m, 2h, 3d as seconds."""
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 15m, 2h or 3d")
    return int(found[1]) * _SECONDS[found[2]]


def time_of(text: str) -> str:
    """A time; without a zone it is this machine's. As ISO 8601, with its zone."""
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-12-24T18:00:00Z"
        ) from None
