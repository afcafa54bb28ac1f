"""A worker that gathers a group's VMs and is killed with -9 at a named point of it (POINTS)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from replication import messages
from replication.services import finish, group_runs
from replication.sync import group, snapshot


def die(*args: object, **kwargs: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: object, name: str) -> Callable[[], None]:
    return lambda: setattr(owner, name, die)


def _after(owner: object, name: str) -> Callable[[], None]:
    def arrange() -> None:
        act = getattr(owner, name)

        def acting(*args: object, **how: object) -> None:
            act(*args, **how)
            die()

        setattr(owner, name, acting)

    return arrange


def _at_the_snapshot(name: str) -> Callable[[], None]:
    """Not at the stun at which tracking begins."""

    def arrange() -> None:
        act = group._all_ready

        def acting(*args: object) -> None:
            act(*args)
            setattr(snapshot, name, die)

        group._all_ready = acting

    return arrange


POINTS: dict[str, Callable[[], None]] = {
    "after the claim": _before(group, "_gather"),
    "after one was prepared": _after(group, "prepare"),
    "when all are ready": _after(group, "_all_ready"),
    "with a stun that no answer told of": _before(snapshot, "_created"),
    "with a snapshot intended": _at_the_snapshot("_create"),
    "with a snapshot that no answer told of": _at_the_snapshot("_created"),
    "with a snapshot": _before(finish, "go_alone"),
    "before one is let go": _before(group_runs, "let_go"),
    "before all are": _before(group_runs, "gathered"),
}


def main(point: str) -> None:
    """In a process of its own (`nursery`): nothing of what is arranged is taken back."""
    messages.send = lambda *message: None
    POINTS[point]()
    group.run_next()
