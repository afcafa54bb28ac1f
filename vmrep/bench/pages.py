"""How much longer a page takes with a large estate than with a small one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from vmrep.bench.site import Site

# Pages of the VM table and of the panel: these have a goal. Each shows as many rows with the small
# estate as with the large one; otherwise the number of rows would be compared.
TABLE = {
    "VM table": "/virtual-machines/",
    "VM table, status": "/virtual-machines/?status=ready_for_failover",
    "VM table, protection": "/virtual-machines/?protection=protected",
    "VM table, page 100": "/virtual-machines/?page=100",
    **{
        f"VM table, by {column}": f"/virtual-machines/?sort={column}"
        for column in ("name", "status", "rpo", "last_job", "vcenter", "os", "power", "size")
    },
    "VM table, by size, page 100": "/virtual-machines/?sort=size&page=100",
}
PANEL = {
    f"panel, {tab}": f"/virtual-machines/?vm={{context_id}}&tab={tab}"
    for tab in ("overview", "jobs", "disks", "network", "cbt", "points")
}
# The other lists, and the search, which reads the texts of every VM, are measured, too.
OTHERS = {
    "VM table, search": "/virtual-machines/?search=vm",
    "jobs": "/jobs/",
    "jobs, page 100": "/jobs/?page=100",
    "jobs, failed": "/jobs/?status=failed",
    "jobs of a VM": "/jobs/?vm={context_id}",
    "discovery": "/discovery/",
    "vCenters": "/vcenters/",
    "repositories": "/repositories/",
}


class Pair(NamedTuple):
    """Medians, in seconds."""

    name: str
    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / self.small


def compare(
    small: Site, large: Site, rounds: int, on_page: Callable[[Pair], None]
) -> tuple[list[Pair], list[Pair]]:
    """The pages with a goal, and the others. Each page is requested from both in turn, so that
    whatever else the machine does affects both alike."""
    with_goal = _compare(small, large, {**TABLE, **PANEL}, rounds, on_page)
    return with_goal, _compare(small, large, OTHERS, rounds, on_page)


def _compare(
    small: Site, large: Site, pages: dict[str, str], rounds: int, on_page: Callable[[Pair], None]
) -> list[Pair]:
    pairs = []
    for name, address in pages.items():
        pair = Pair(name, *_medians((small, large), address, rounds))
        on_page(pair)
        pairs.append(pair)
    return pairs


def _medians(sites: Sequence[Site], address: str, rounds: int) -> list[float]:
    times: list[list[float]] = [[] for _ in sites]
    browsers = [(site.browser(), address.format(context_id=site.context_id)) for site in sites]
    for number in range(rounds + 2):
        turn = list(zip(browsers, times, strict=True))
        for (browser, place), taken in turn if number % 2 else reversed(turn):
            seconds = browser.open(place)
            if number >= 2:  # the first rounds fill caches
                taken.append(seconds)
    return [median(taken) for taken in times]
