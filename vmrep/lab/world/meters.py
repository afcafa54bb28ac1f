"""What the lab has counted: how much was there at once, and how much was served in each second.
Clients' limits are proven by it, seen from the side that they are for."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

KEPT_SECONDS = 3600
KEPT_SNAPSHOTS = 10_000


class Meters:
    """Counted since the last `reset`; all methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Counter[tuple[str, str]] = Counter()
        self._most: Counter[tuple[str, str]] = Counter()
        self._since = time.monotonic()
        self._served: dict[str, Counter[int]] = {}
        self._taken: deque[dict[str, str]] = deque(maxlen=KEPT_SNAPSHOTS)

    def reset(self) -> None:
        """What is there at this moment counts on; everything else is forgotten."""
        with self._lock:
            self._most = Counter(self._now)
            self._since = time.monotonic()
            self._served.clear()
            self._taken.clear()

    def are_now(self, what: str, where: str, count: int) -> None:
        """There are so many of something (sessions, snapshots) at a place now."""
        with self._lock:
            self._now[what, where] = count
            self._most[what, where] = max(self._most[what, where], count)

    def at_once(self, what: str) -> dict[str, dict[str, int]]:
        """For each place: how many there are now, and how many there were at most."""
        with self._lock:
            return {
                where: {"now": self._now[kind, where], "most": most}
                for (kind, where), most in self._most.items()
                if kind == what and most
            }

    def serve(self, way: str, count: int) -> None:
        """So many bytes of a disk were sent, over `folder` or `nfc`."""
        with self._lock:
            seconds = self._served.setdefault(way, Counter())
            seconds[int(time.monotonic() - self._since)] += count

    def served(self) -> dict[str, list[int]]:
        """For each way the bytes of each full second, and of the one that has begun, since the
        reset; of an hour at most."""
        with self._lock:
            last = int(time.monotonic() - self._since)
            first = max(0, last + 1 - KEPT_SECONDS)
            return {
                way: [seconds[each] for each in range(first, last + 1)]
                for way, seconds in self._served.items()
            }

    def taken(self, vm: str, snapshot: str, name: str, at: str) -> None:
        """A snapshot was taken, at that moment (ISO 8601) by its host's clock."""
        with self._lock:
            self._taken.append({"vm": vm, "snapshot": snapshot, "name": name, "at": at})

    def when_taken(self) -> list[dict[str, str]]:
        """The snapshots since the reset, removed ones as well, in the order in which they were
        taken."""
        with self._lock:
            return list(self._taken)
