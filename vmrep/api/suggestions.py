"""Suggests the name that was probably meant, so that a misspelt one is never ignored silently."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from contexts.models.specs import SPEC_NAMES

LONGEST_SHOWN = 60
REPEATED = "It is given more than once."


# What was called otherwise before: the new name is not like the old one.
RENAMED = {"rpo": "protection", "rpo_state": "protection"}


def closest(name: str, known: Collection[str]) -> str | None:
    """The known name that is most similar to this one, or None."""
    if RENAMED.get(name) in known:
        return RENAMED[name]
    close = difflib.get_close_matches(name.lower(), known, n=1)
    if close:
        return close[0]
    stem = name.lower().rstrip("s")  # "cpus" means "cpu_count"
    return next((it for it in sorted(known) if len(stem) > 2 and it.startswith(stem)), None)


def unknown_names(names: Iterable[str], known: Collection[str], what: str) -> dict[str, list[str]]:
    """An error for each unknown name; `what` is the kind of name, such as "field"."""
    return {
        name[:LONGEST_SHOWN]: [_complaint(name[:LONGEST_SHOWN], known, what)]
        for name in names
        if name not in known
    }


def _complaint(name: str, known: Collection[str], what: str) -> str:
    unknown = f"There is no {what} {name!r} here."
    if (meant := closest(name, known)) is not None:
        return f"{unknown} Did you mean {meant!r}?"
    if (spec := closest(name, SPEC_NAMES)) is not None:
        return f"{unknown} A VM's {spec!r} is read from its vCenter and never sent."
    return f"{unknown} " + (f"It takes {', '.join(sorted(known))}." if known else "It takes none.")
