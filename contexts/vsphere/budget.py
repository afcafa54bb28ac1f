"""How long a conversation with a server may last in all, and how much the server may send.

A socket's timeout holds for one operation only: a server that sends a byte now and then never
exceeds it.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from contexts.vsphere.errors import AnswerTooLarge


class OutOfTime(TimeoutError):
    """The time is up, whether or not anything came meanwhile; the text says which time."""


class Bounds(NamedTuple):
    """What a Budget is made of."""

    seconds: float
    most_bytes: int
    what: str


class Budget:
    """Seconds from now, and bytes, for one call or for a reading made up of many calls.

    A call within a reading spends from both. May be shared by threads. `remaining` and `spend`
    raise OutOfTime, and AnswerTooLarge as soon as more bytes have come than are allowed.
    """

    def __init__(
        self, seconds: float, most_bytes: int, what: str = "answer", within: Budget | None = None
    ) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._what = what
        self._within = within
        self._ends_at = time.monotonic() + seconds
        self._bytes = 0
        self._lock = threading.Lock()

    def remaining(self) -> float:
        """The seconds left, always more than 0. Raises OutOfTime."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise OutOfTime(f"no {self._what} within {self._seconds:g} seconds")
        return min(left, self._within.remaining()) if self._within else left

    def spend(self, count: int) -> None:
        """Note that bytes came. Raises AnswerTooLarge."""
        with self._lock:
            self._bytes += count
            too_many = self._bytes > self._most_bytes
        if too_many:
            raise AnswerTooLarge(
                f"The server sent more than {self._most_bytes >> 20} MiB for one {self._what};"
                " vmrep does not read the rest. Check that the address is that of a vCenter Server"
                " or ESXi host."
            )
        if self._within:
            self._within.spend(count)
