"""What the tick takes with many VMs: processor time of its process, and of the database.

    DATABASE_URL=… python -m vmrep.bench.ticking --vms 10000

Fills the database, which must be empty, with an estate and lets the tick run: while nothing is due,
and while at each tick as many jobs have ended, and as many VMs are due, as with a target of four
hours or of one. Prints JSON. PostgreSQL's time is that of the connection's own process there, which
must be on this machine; SQLite's is the tick's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path

import django

from vmrep.bench.processes import cpu_seconds, machine

TICK_SECONDS = 10.0
TARGETS_HOURS = (4, 1)
ROUNDS = 12
JOBS_PER_VM = 20
WORKERS, SLOTS = 5, 8


def main() -> None:
    parser = argparse.ArgumentParser(prog="vmrep.bench.ticking", description=__doc__)
    parser.add_argument("--vms", type=int, default=10_000)
    parser.add_argument("--report", type=Path)
    wanted = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    report = json.dumps(_measure(wanted.vms) | {"machine": machine()})
    if wanted.report:
        wanted.report.write_text(report)
    print(report)  # noqa: T201


def _measure(vms: int) -> dict[str, object]:
    from vmrep.bench import estate, ticks

    estate.generate(vms, vms * JOBS_PER_VM)
    ticks.prepare(WORKERS, SLOTS)
    result: dict[str, object] = {"vms": vms, "idle": _ticks(0)}
    for hours in TARGETS_HOURS:
        per_tick = round(vms * TICK_SECONDS / (hours * 3600))
        result[f"target of {hours} h"] = {"due": per_tick} | _ticks(per_tick)
    return result


def _ticks(due: int) -> dict[str, object]:
    """Medians of one tick."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from vmrep.bench import ticks

    own, of_database, started = [], [], []
    parts: defaultdict[str, float] = defaultdict(float)
    for _ in range(ROUNDS):
        ticks.let_be_due(due)
        database = _database_seconds()
        begun = time.process_time()
        for name, seconds in ticks.tick().items():
            parts[name] += seconds
        own.append(time.process_time() - begun)
        of_database.append(_database_seconds() - database)
        started.append(ticks.end_jobs())
    ticks.let_be_due(due)
    with CaptureQueriesContext(connection) as captured:
        ticks.tick()
    ticks.end_jobs()
    dearest = sorted(parts, key=lambda name: -parts[name])[:8]
    return {
        "cpu_seconds": round(statistics.median(own), 4),
        "database_cpu_seconds": round(statistics.mean(of_database), 4),
        "started": statistics.median(started),
        "statements": len(captured),
        "parts": {name: round(parts[name] / ROUNDS, 4) for name in dearest},
    }


def _database_seconds() -> float:
    """Of PostgreSQL's process for this connection."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cpu_seconds(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
