"""Work in a thread that is abandoned when it takes too long: one errand at a time per place.

The threads are daemons: none keeps a process from ending. A thread that waits for storage in the
kernel ends when the storage answers. Until then no other is sent to the same place, so there are
never more such threads than places.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from replication.engine.errors import RepositoryUnavailable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

WAIT_SECONDS = 1.0
"""The time between two calls of `on_wait`."""


class DoesNotAnswer(RepositoryUnavailable):
    """It took too long. The work is abandoned, but its thread may still finish it later."""


class Errand(Generic[T_co]):
    """One piece of work, begun at once. `seconds`: how long its own waiter waits for it.

    It must not use the database: nobody would close its thread's connection. If it was given up
    before it ended, `on_late` is called in its thread with its result.
    """

    def __init__(
        self,
        work: Callable[[], T_co],
        on_late: Callable[[T_co], None] | None = None,
        seconds: float = 0.0,
    ) -> None:
        self.began_at = time.monotonic()
        self.until = self.began_at + seconds
        self.ended_at: float | None = None
        self._work = work
        self._on_late = on_late
        self._answers: list[T_co] = []
        self._problem: BaseException | None = None
        self._given_up = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="errand", daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self._ended.is_set()

    @property
    def was_left_behind(self) -> bool:
        return self._given_up and not self.is_over

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, or ends within `seconds`."""
        return self._ended.wait(max(0.0, seconds))

    def answer(self) -> T_co:
        """What the work returned, or raises what it raised. Call it only when the work is over."""
        if self._problem is not None:
            raise self._problem
        return self._answers[0]

    def give_up(self) -> bool:
        """Leave it behind. Returns False if it has just ended."""
        with self._lock:
            self._given_up = self.ended_at is None
            return self._given_up

    def _run(self) -> None:
        try:
            self._answers.append(self._work())
        except BaseException as problem:  # noqa: BLE001  the edge of a thread: raised in answer()
            self._problem = problem
        with self._lock:
            self.ended_at = time.monotonic()
        if self._given_up and self._on_late is not None and self._answers:
            self._on_late(self._answers[0])
        self._ended.set()


_under_way: dict[Hashable, Errand[object]] = {}
_lock = threading.Lock()


def run(
    place: Hashable,
    work: Callable[[], T],
    *,
    seconds: float,
    or_else: str,
    on_wait: Callable[[], None] = lambda: None,
    on_late: Callable[[T], None] | None = None,
) -> T:
    """What `work` returns or raises, if it ends within `seconds` of its start.

    Otherwise it is left behind, and DoesNotAnswer is raised with the words `or_else`. They are
    raised at once while an earlier errand that was left behind at this place has not returned. An
    errand that somebody still waits for goes first, for as long as its own waiter allows, and for
    `seconds` more at most if others are faster then. `on_wait` is called every second; when it
    raises, the work is left behind, too.
    """
    in_line_until: float | None = None
    errand = _begin(place, work, on_late, seconds)
    while errand is None:
        other = _under_way.get(place)
        if other is not None:
            in_line_until = in_line_until or other.until + seconds
            if other.was_left_behind or not _came_back(other, in_line_until, on_wait):
                raise DoesNotAnswer(or_else)
        errand = _begin(place, work, on_late, seconds)
    try:
        if _waited(errand, errand.until, on_wait) or not errand.give_up():
            return errand.answer()
    except BaseException:
        errand.give_up()
        raise
    raise DoesNotAnswer(or_else)


def count(kind: str) -> int:
    """How many errands are running at places whose tuple begins with `kind`."""
    with _lock:
        return sum(
            isinstance(place, tuple) and place[0] == kind and not errand.is_over
            for place, errand in _under_way.items()
        )


def _begin(
    place: Hashable,
    work: Callable[[], T],
    on_late: Callable[[T], None] | None,
    seconds: float,
) -> Errand[T] | None:
    """None while another errand is at that place."""
    with _lock:
        for there in [it for it, errand in _under_way.items() if errand.is_over]:
            del _under_way[there]
        if place in _under_way:
            return None
        errand = Errand(work, on_late, seconds)
        _under_way[place] = errand
        return errand


def _came_back(other: Errand[object], deadline: float, on_wait: Callable[[], None]) -> bool:
    """Whether the errand ahead ends before the deadline, and before its own waiter gives it up."""
    while not other.wait(min(WAIT_SECONDS, deadline - time.monotonic())):
        if other.was_left_behind or time.monotonic() >= deadline:
            return False
        on_wait()
    return True


def _waited(errand: Errand[T], deadline: float, on_wait: Callable[[], None]) -> bool:
    """Whether it ends before the deadline."""
    while not errand.wait(min(WAIT_SECONDS, deadline - time.monotonic())):
        if time.monotonic() >= deadline:
            return False
        on_wait()
    return True


def _forget() -> None:
    """In a forked process: threads stay with the process that started them."""
    global _lock
    _lock = threading.Lock()
    _under_way.clear()


os.register_at_fork(after_in_child=_forget)
