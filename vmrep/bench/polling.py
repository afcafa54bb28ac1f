"""What many browsers cost while they show a table in which nothing changes, and how soon they see
a change."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from threading import Event

from vmrep.bench.browser import Browser
from vmrep.bench.site import Site, connect

ADDRESS = "/virtual-machines/"
POLL_SECONDS = 2.0
THREADS = 10


@dataclass
class Idle:
    """Polls over `seconds` while nothing changed; `cpu_seconds` of the web server's processes."""

    seconds: float
    cpu_seconds: float
    database_cpu_seconds: float
    statuses: Counter[int]

    @property
    def cpu_percent(self) -> float:
        """The percentage of one core."""
        return 100 * self.cpu_seconds / self.seconds

    @property
    def database_cpu_percent(self) -> float:
        return 100 * self.database_cpu_seconds / self.seconds

    @property
    def unchanged_percent(self) -> float:
        """The percentage of polls that were answered without a page."""
        return 100 * self.statuses[204] / max(1, self.statuses.total())


@dataclass
class Seen:
    """The seconds from the commit until each browser had the new page."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.seconds)


class Crowd:
    """Browsers that poll, each at its own moments, until the block ends."""

    def __init__(self, site: Site) -> None:
        self.browsers = [site.browser(number) for number in range(len(site.sessions))]
        self._stop = Event()
        self._pool = ThreadPoolExecutor(THREADS)
        self.changed_at: dict[int, float] = {}
        """When a browser, by its number, last got a page instead of 204."""

    def __enter__(self) -> Crowd:
        for browser in self.browsers:
            browser.open(ADDRESS)
        self._work = [self._pool.submit(self._poll, share) for share in range(THREADS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for work in self._work:
            work.result()  # raises what went wrong in the thread

    def statuses(self) -> Counter[int]:
        return sum((Counter(browser.statuses) for browser in self.browsers), Counter())

    def _poll(self, share: int) -> None:
        """One thread's browsers, one after the other, spread over the time between two polls."""
        mine = list(enumerate(self.browsers))[share::THREADS]
        began = time.monotonic() + POLL_SECONDS * share / THREADS / max(1, len(mine))
        turn = 0
        while mine:
            for place, (number, browser) in enumerate(mine):
                due = began + POLL_SECONDS * (turn + place / len(mine))
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                self._ask(number, browser)
            turn += 1

    def _ask(self, number: int, browser: Browser) -> None:
        if browser.poll(ADDRESS) == 200:
            self.changed_at[number] = time.monotonic()


def measure_idle(
    site: Site, crowd: Crowd, seconds: float, database_cpu: Callable[[], float]
) -> Idle:
    time.sleep(POLL_SECONDS)  # each has asked once
    before, cpu, database = crowd.statuses(), site.cpu_seconds(), database_cpu()
    began = time.monotonic()
    time.sleep(seconds)
    return Idle(
        seconds=time.monotonic() - began,
        cpu_seconds=site.cpu_seconds() - cpu,
        database_cpu_seconds=database_cpu() - database,
        statuses=crowd.statuses() - before,
    )


def measure_seen(site: Site, crowd: Crowd, patience: float = 15.0) -> Seen:
    """One VM's row changes, as when a job starts: when does each browser show it?"""
    with connect(site.database_url) as connection:
        connection.execute(
            "UPDATE vm_replication_contexts SET updated_at = now() WHERE context_id = %s",
            [site.context_id],
        )
    changed = time.monotonic()
    while time.monotonic() < changed + patience:
        seen = [at - changed for at in crowd.changed_at.values() if at > changed]
        if len(seen) == len(crowd.browsers):
            return Seen(seen)
        time.sleep(0.05)
    missing = len(crowd.browsers) - len(seen)
    return Seen([*seen, *[patience] * missing])
