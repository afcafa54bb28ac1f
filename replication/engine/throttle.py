"""Reading no faster than allowed, by as many threads as there are."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count

from replication.engine.errors import CopyStopped
from replication.engine.sources.base import Read, Reader

SLICE_BYTES = 64 << 10
"""Reads are cut into multiples of this: a cluster, and whole sectors of every disk."""

SLICES_PER_SECOND = 8
"""A limited read takes about this many turns in a second, so that it soon obeys another rate, and
is even within a second."""

LOOK_EVERY_SECONDS = 0.2


class Throttle:
    """Lets all reads that go through it together get `set_rate` bytes a second; none: all at once.

    The oldest read goes first, so that under a low rate reads end one after the other, and not all
    of them much later. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rate: float | None = None
        self._balance = 0.0  # bytes that may be read now; below zero: that were read too early
        self._at = time.monotonic()
        self._tickets = count()
        self._waiting: set[int] = set()

    @property
    def rate(self) -> float | None:
        """Bytes per second; None: without a limit."""
        return self._rate

    def set_rate(self, bytes_per_second: float | None) -> None:
        """From now on, also for reads that wait or are under way."""
        with self._changed:
            self._settle()
            self._rate = bytes_per_second
            if bytes_per_second is not None:
                most = bytes_per_second / SLICES_PER_SECOND
                # What was read under another rate is no debt under this one.
                self._balance = max(-most, min(self._balance, most))
            self._changed.notify_all()

    def read(
        self,
        reader: Reader,
        reads: Sequence[Read],
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Fill all views as `reader.read_many` does, in turns. `is_over` is asked while it waits.

        Raises CopyStopped when it is over, and what the reader raises.
        """
        ticket, left = next(self._tickets), deque(reads)
        while left:
            size = self._admit(ticket, sum(len(read.view) for read in left), is_over)
            reader.read_many(_first(left, size))

    def _admit(self, ticket: int, wanted: int, is_over: Callable[[], bool]) -> int:
        """How many of the wanted bytes may be read now; waits until there are some."""
        with self._changed:
            self._waiting.add(ticket)
            try:
                while self._rate is not None:
                    if is_over():
                        raise CopyStopped("The copy was stopped while it waited for its turn.")
                    self._settle()
                    seconds = LOOK_EVERY_SECONDS
                    if ticket == min(self._waiting):
                        if self._balance > 0:
                            size = min(wanted, _slice_bytes(self._rate))
                            self._balance -= size
                            return size
                        seconds = min(seconds, -self._balance / self._rate + 0.001)
                    self._changed.wait(seconds)
                return wanted
            finally:
                self._waiting.discard(ticket)
                self._changed.notify_all()

    def _settle(self) -> None:
        """Add what the time since the last look has brought; what nobody reads is not saved up."""
        now = time.monotonic()
        if self._rate is not None:
            most = self._rate / SLICES_PER_SECOND
            self._balance = min(most, self._balance + (now - self._at) * self._rate)
        self._at = now


def _slice_bytes(rate: float) -> int:
    """How much one turn reads."""
    return max(1, int(rate / SLICES_PER_SECOND) // SLICE_BYTES) * SLICE_BYTES


def _first(left: deque[Read], size: int) -> list[Read]:
    """So many bytes of what is left to read, which are taken off."""
    taken = []
    while left and size:
        offset, view = left.popleft()
        taken.append(Read(offset, view[:size]))
        if len(view) > size:
            left.appendleft(Read(offset + size, view[size:]))
        size -= len(taken[-1].view)
    return taken
