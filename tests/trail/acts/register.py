"""Every act of the services: how it is done, and what the audit trail then tells.

`ACTS` has a line for each public function that somebody's wish, or the clock, makes change
something; the modules beside this one fill it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from replication.services.bandwidth import Window

BY = "alice"
TARGET = {"rpo_kind": "target", "rpo_target_seconds": 900}
WINDOW = Window(1_000_000)
WEBHOOK = {"url": "https://hooks.example.org/", "secret": f"whsec_{'a' * 40}"}


class Told(NamedTuple):
    """The act and the object of the event that must be there."""

    verb: str
    kind: str


Doing = Callable[[Any], object]
ACTS: dict[str, tuple[Told, Doing]] = {}


def act(name: str, verb: str, kind: str) -> Callable[[Doing], Doing]:
    """`name`: the function, as module.function without the packages."""

    def register(doing: Doing) -> Doing:
        ACTS[name] = (Told(verb, kind), doing)
        return doing

    return register
