"""`script/load mix`: people and programs at once, for some minutes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from vmrep.bench.processes import cpu_seconds
from vmrep.load.clients import PEOPLE, PROGRAMS, WHOLE_FILES, Client
from vmrep.load.figures import Figures, Report, in_milliseconds, percentile
from vmrep.load.site import Running
from vmrep.local.errors import LocalError
from vmrep.local.supervisor import Supervisor

MOST_P95_SECONDS = 0.5
"""Of all requests but those for whole files."""
PROGRAMS_SHARE = 0.2
_LOOK_EVERY_SECONDS = 1.0


class Crowd(NamedTuple):
    clients: int
    seconds: float
    bound_seconds: float = MOST_P95_SECONDS


def run(
    supervisor: Supervisor, running: Running, crowd: Crowd, database_cpu: Callable[[], float]
) -> Report:
    figures = Figures()
    before = (cpu_seconds(running.pid), database_cpu(), time.process_time())
    began = time.monotonic()
    asyncio.run(_live(supervisor, running, crowd, figures))
    seconds = time.monotonic() - began
    after = (cpu_seconds(running.pid), database_cpu(), time.process_time())
    web, database, client = (
        round(100 * (late - early) / seconds, 1) for early, late in zip(before, after, strict=True)
    )
    told = {
        **running.made,
        "clients": crowd.clients,
        "seconds": round(seconds, 1),
        "percent_of_a_core": {"web": web, "database": database, "clients": client},
    }
    summary = summed_up(figures, crowd, seconds)
    return Report(told | summary.told, summary.wrong)


async def _live(supervisor: Supervisor, running: Running, crowd: Crowd, figures: Figures) -> None:
    until = time.monotonic() + crowd.seconds
    programs = max(1, round(crowd.clients * PROGRAMS_SHARE))
    lives = [
        Client(running.site, number, figures, until).live(PROGRAMS if number < programs else PEOPLE)
        for number in range(crowd.clients)
    ]
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(supervisor))
        await asyncio.gather(*lives)
        watching.cancel()


async def _watch(supervisor: Supervisor) -> None:
    """Ends with LocalError when a process dies, or when somebody wants to stop."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        if supervisor.stop_signals:
            raise KeyboardInterrupt
        for child in supervisor.children:
            if not child.running:
                raise LocalError(f"{child.program.name} {child.outcome()}:\n{child.tail()}")


def summed_up(figures: Figures, crowd: Crowd, seconds: float) -> Report:
    of_pages = [
        each
        for name, kind in figures.kinds.items()
        if name not in WHOLE_FILES
        for each in kind.seconds
    ]
    wrong = [f"{count} times {words}" for words, count in figures.wrong.most_common(20)]
    p95 = percentile(of_pages, 0.95)
    if p95 > crowd.bound_seconds:
        wrong.append(f"p95 is {p95:.3f} s, more than {crowd.bound_seconds} s")
    if not of_pages:
        wrong.append("nothing was answered")
    told = {
        "requests": len(figures.seconds),
        "requests_per_second": round(len(figures.seconds) / seconds, 1),
        **in_milliseconds(of_pages),
        "bound_ms": crowd.bound_seconds * 1000,
        "kinds": {name: kind.told() for name, kind in sorted(figures.kinds.items())},
        "codes": {str(code): count for code, count in sorted(figures.codes().items())},
    }
    return Report(told, wrong)
