"""`script/bench`: how fast vmrep is with a large estate, against a small one."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vmrep.bench import pages, polling, site
from vmrep.bench.browser import BadAnswer
from vmrep.bench.pages import Pair
from vmrep.bench.processes import cpu_seconds, machine
from vmrep.bench.site import Site, start
from vmrep.local.errors import LocalError, StopRequested
from vmrep.local.ports import THIS_MACHINE
from vmrep.local.supervisor import STOP_SIGNALS, Supervisor

MOST_TIMES = 1.3
MOST_CPU_PERCENT = 20.0
LEAST_UNCHANGED_PERCENT = 90.0
MOST_SECONDS_UNTIL_SEEN = 3.0
MOST_OF_THE_FIRST_DISCOVERY = 0.7
LEAST_OF_NBDCOPY = 0.8
LEAST_OF_SEQUENTIAL = 0.5
LEAST_TIMES_ONE_BY_ONE = 3.0
MOST_AMPLIFICATION = 1.02
MOST_OF_PYVMOMI_FIRST = 0.2
MOST_OF_PYVMOMI_AGAIN = 0.1


@dataclass(frozen=True)
class Sizes:
    contexts: int
    jobs: int
    small_contexts: int
    small_jobs: int
    rounds: int
    browsers: int
    seconds: float
    vms: int
    mebibytes: int


FULL = Sizes(
    10_000, 1_000_000, 100, 10_000, rounds=15, browsers=50, seconds=65, vms=5_000, mebibytes=1024
)
QUICK = Sizes(200, 4_000, 50, 1_000, rounds=1, browsers=10, seconds=5, vms=500, mebibytes=128)


class Result(NamedTuple):
    """A figure; `at_most` says on which side of its goal it should be. No goal: always ok."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = True

    @property
    def ok(self) -> bool:
        if self.goal is None:
            return True
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def as_dict(self) -> dict[str, object]:
        value = round(self.value, 4)
        return {
            "name": self.name,
            "value": value,
            "unit": self.unit,
            "goal": self.goal,
            "ok": self.ok,
        }


def main(arguments: list[str]) -> int:
    wanted = _parser().parse_args(arguments)
    sizes = QUICK if wanted.quick else FULL
    sizes = Sizes(**{**vars(sizes), **_given(wanted)})
    environment = {
        **os.environ,
        "VMREP_DATA_DIR": str(wanted.folder / "data"),
        "VMREP_ALLOW_ADDRESSES": THIS_MACHINE,  # the lab's
    }
    try:
        with Supervisor(environment, wanted.folder / "log") as supervisor:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.default_int_handler)
            results = _measure(supervisor, wanted, sizes)
    except (StopRequested, KeyboardInterrupt):
        print("script/bench: stopped", file=sys.stderr)  # noqa: T201
        return 130
    except (LocalError, BadAnswer) as problem:
        print(f"script/bench: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    report = {"results": [result.as_dict() for result in results], "quick": wanted.quick}
    say(json.dumps(report | {"sizes": vars(sizes), "machine": machine()}))
    # So few rows and rounds show whether it works, not how fast it is.
    return 0 if wanted.quick or all(result.ok for result in results) else 1


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description="Measure pages and polls with a large estate and with a small one. The last "
        "line is the result as JSON; the exit code is 1 when a goal is missed.",
    )
    parser.add_argument("--quick", action="store_true", help="only see whether it works (1 min)")
    for name, value in vars(FULL).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), metavar="N", help=f"instead of {value:,}")
    parser.add_argument("--postgres", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--postgres-pid", type=int, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, required=True, help=argparse.SUPPRESS)
    return parser


def _given(wanted: argparse.Namespace) -> dict[str, float]:
    """The sizes given on the command line."""
    return {name: vars(wanted)[name] for name in vars(FULL) if vars(wanted)[name] is not None}


def _measure(supervisor: Supervisor, wanted: argparse.Namespace, sizes: Sizes) -> list[Result]:
    make: Callable[..., Site] = partial(
        start, supervisor, postgres_url=wanted.postgres, sessions=sizes.browsers
    )
    say(f"Making {sizes.small_contexts:,} and {sizes.contexts:,} VMs with their history …")
    small = make("small", contexts=sizes.small_contexts, jobs=sizes.small_jobs)
    large = make("large", contexts=sizes.contexts, jobs=sizes.jobs)
    say(f"{large.contexts:,} VMs with {large.jobs:,} jobs against {small.contexts:,}.\n")
    say(f"{'full page, median':40} {'small':>9} {'large':>9} {'ratio':>7}   goal {MOST_TIMES}")
    with_goal, others = pages.compare(small, large, sizes.rounds, _show_pair)
    stored: dict[str, float] = {}
    results = [
        *(Result(f"page: {pair.name}", pair.ratio, "times", MOST_TIMES) for pair in with_goal),
        *(Result(f"page: {pair.name}", pair.ratio, "times") for pair in others),
        *_polls(large, sizes, partial(cpu_seconds, wanted.postgres_pid)),
        *_discoveries(supervisor, wanted, sizes.vms, stored),
        *_reading(supervisor, wanted, sizes),
        *_inventory(supervisor, wanted, sizes.vms, stored),
    ]
    say("")
    for result in results:
        if not result.ok:
            say(f"MISSED  {result.name}: {result.value:.2f} {result.unit}, goal {result.goal}")
    return results


def _show_pair(pair: Pair) -> None:
    say(f"{pair.name:40} {pair.small * 1000:6.0f} ms {pair.large * 1000:6.0f} ms {pair.ratio:7.2f}")


def _polls(large: Site, sizes: Sizes, database_cpu: Callable[[], float]) -> list[Result]:
    say(f"\n{sizes.browsers} browsers poll for {sizes.seconds:.0f} s; nothing changes …")
    with polling.Crowd(large) as crowd:
        idle = polling.measure_idle(large, crowd, sizes.seconds, database_cpu)
        seen = polling.measure_seen(large, crowd)
    results = [
        Result("polls: web server", idle.cpu_percent, "% of a core", MOST_CPU_PERCENT),
        Result("polls: PostgreSQL", idle.database_cpu_percent, "% of a core"),
        Result(
            *("polls: answered with 204", idle.unchanged_percent, "%", LEAST_UNCHANGED_PERCENT),
            at_most=False,
        ),
        Result("polls: per second", idle.statuses.total() / idle.seconds, "1/s"),
        Result("event seen, median", seen.median, "s", MOST_SECONDS_UNTIL_SEEN),
        Result("event seen, by the last", max(seen.seconds), "s"),
    ]
    for result in results:
        goal = "" if result.goal is None else f"   goal {result.goal:.0f}"
        say(f"{result.name:40} {result.value:9.2f} {result.unit}{goal}")
    return results


def _discoveries(
    supervisor: Supervisor, wanted: argparse.Namespace, vms: int, stored: dict[str, float]
) -> Iterator[Result]:
    """Storing an unchanged vCenter again must take less time than the first time. What PostgreSQL
    takes goes into `stored`."""
    say(f"\nStoring what a discovery of {vms:,} VMs read, and again when nothing changed …")
    for name, url in (
        ("PostgreSQL", site.new_database(wanted.postgres, "discovered")),
        ("SQLite", f"sqlite:///{wanted.folder / 'discovered.sqlite3'}"),
    ):
        report = wanted.folder / "discovered.json"
        site.run(supervisor, "discovering", url, "--vms", str(vms), "--report", str(report))
        seconds = json.loads(report.read_text())
        stored |= seconds if name == "PostgreSQL" else {}
        ratio = seconds["again"] / seconds["first"]
        say(f"{name:40} {seconds['first']:7.2f} s {seconds['again']:7.2f} s {ratio:6.2f}")
        yield Result(f"discovery: first time, {name}", seconds["first"], "s")
        yield Result(f"discovery: unchanged, {name}", ratio, "times", MOST_OF_THE_FIRST_DISCOVERY)


def _reading(supervisor: Supervisor, wanted: argparse.Namespace, sizes: Sizes) -> list[Result]:
    """A disk over NFC into a recovery point, against nbdcopy from nbdkit over TLS."""
    say(f"\nReading {sizes.mebibytes:,} MiB over NFC, and with nbdcopy over TLS …")
    report = wanted.folder / "reading.json"
    arguments = ("--mebibytes", str(sizes.mebibytes), "--rounds", str(min(5, sizes.rounds)))
    site.run(supervisor, "reading", "sqlite:///:memory:", *arguments, "--report", str(report))
    rates = json.loads(report.read_text())
    for name, rate in rates.items():
        say(f"{name:40} {rate:9.2f}")
    away, of_nbdcopy = rates["random_away"], rates["nfc"] / rates["nbdcopy"]
    return [
        Result("reading: NFC, of nbdcopy", of_nbdcopy, "times", LEAST_OF_NBDCOPY, False),
        Result(
            "reading: 64 KiB at random, of the sequential rate",
            *(away / rates["sequential_away"], "times", LEAST_OF_SEQUENTIAL, False),
        ),
        Result(
            "reading: several requests at once, of one at a time",
            *(away / rates["one_by_one_away"], "times", LEAST_TIMES_ONE_BY_ONE, False),
        ),
        Result("reading: received", rates["amplification"], "of the bytes", MOST_AMPLIFICATION),
    ]


def _inventory(
    supervisor: Supervisor, wanted: argparse.Namespace, vms: int, stored: Mapping[str, float]
) -> Iterator[Result]:
    """Reading a vCenter, against pyVmomi reading the same. `stored`: seconds that storing takes."""
    say(f"\nReading {vms:,} VMs from a lab: plain pyVmomi, a first discovery, a repeated one …")
    report = wanted.folder / "inventory.json"
    site.run(
        *(supervisor, "inventory", f"sqlite:///{wanted.folder / 'unused.sqlite3'}"),
        *("--vms", str(vms), "--folder", str(wanted.folder / "many"), "--report", str(report)),
    )
    spent = json.loads(report.read_text())
    say(f"{'seconds':40} {'wall':>9} {'client':>9} {'lab':>9}")
    for name, key in (("plain pyVmomi", "pyvmomi"), ("first", "first"), ("repeated", "again")):
        wall, client, lab = (spent[key][part] for part in ("wall", "client", "lab"))
        say(f"{name:40} {wall:9.2f} {client:9.2f} {lab:9.2f}")
        yield Result(f"inventory: {name}", wall, "s")
    for name, key, goal in (
        ("first", "first", MOST_OF_PYVMOMI_FIRST),
        ("repeated", "again", MOST_OF_PYVMOMI_AGAIN),
    ):
        of_client, of_wall = (spent[key][part] / spent["pyvmomi"][part] for part in _TIMES)
        say(f"{name:40} {of_client:9.2f} of the client's time, goal {goal}; {of_wall:.2f} in all")
        yield Result(f"inventory: {name} reading, client", of_client, "times", goal)
        yield Result(f"inventory: {name} reading, with the lab's time", of_wall, "times")
        if key in stored:
            whole = spent[key]["wall"] + stored[key]
            yield Result(f"inventory: {name} reading and storing", whole, "s")


_TIMES = ("client", "wall")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
