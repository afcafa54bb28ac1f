"""`script/load`: what many do at once, and what becomes of jobs whose workers die."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
from functools import partial
from pathlib import Path
from urllib.parse import quote

from vmrep.bench.processes import cpu_seconds, machine
from vmrep.load import killed, mix, site, starts
from vmrep.load.figures import Report
from vmrep.local.errors import LocalError, StopRequested
from vmrep.local.folder import DataFolder
from vmrep.local.ports import THIS_MACHINE
from vmrep.local.supervisor import STOP_SIGNALS, Supervisor

MODES = ("mix", "starts", "killed")


def main(arguments: list[str]) -> int:
    wanted = _parser().parse_args(arguments)
    folder = DataFolder(wanted.folder / "data")
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "vmrep.settings",
        "DATABASE_URL": wanted.postgres,
        "VMREP_DATA_DIR": str(folder.path),
        "VMREP_ALLOW_ADDRESSES": THIS_MACHINE,  # the lab's
        "VMREP_REDIS_URL": f"redis+socket://{quote(str(folder.redis_socket()))}",
    }
    os.environ.setdefault("VMREP_INTEGRITY_MINUTES", "0")
    try:
        with Supervisor(os.environ, wanted.folder / "log") as supervisor:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.default_int_handler)
            report = _run(supervisor, folder, wanted)
    except (StopRequested, KeyboardInterrupt):
        print("script/load: stopped", file=sys.stderr)  # noqa: T201
        return 130
    except LocalError as problem:
        print(f"script/load: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    for words in report.wrong:
        say(f"WRONG  {words}")
    told = {"mode": wanted.mode, **report.told, "wrong": report.wrong, "machine": machine()}
    say(json.dumps(told))
    return 1 if report.wrong else 0


def _run(supervisor: Supervisor, folder: DataFolder, wanted: argparse.Namespace) -> Report:
    if wanted.mode == "killed":
        import django

        django.setup()
        jobs, vms = wanted.jobs or 200, wanted.vms
        say(f"{jobs} replications of {vms} VMs; a worker dies every {wanted.kill_every} s …")
        most = wanted.minutes * 60
        return killed.run(
            supervisor, folder, killed.Wanted(jobs, vms, wanted.kill_every, most, wanted.seed)
        )
    is_mix = wanted.mode == "mix"
    contexts = wanted.contexts if is_mix else 100
    say(f"Making {contexts:,} VMs with their history …")
    running = site.start(
        supervisor,
        folder,
        wanted.postgres,
        contexts=contexts,
        jobs=(wanted.jobs or 20 * contexts) if is_mix else 200,
        sessions=wanted.clients if is_mix else 1,
    )
    if not is_mix:
        say(f"{' and '.join(map(str, wanted.at_once))} starts of one VM in the same moment …")
        return starts.run(running, wanted.postgres, tuple(wanted.at_once))
    crowd = mix.Crowd(wanted.clients, wanted.minutes * 60, wanted.bound_ms / 1000)
    say(f"{crowd.clients} clients for {crowd.seconds:.0f} s …")
    return mix.run(supervisor, running, crowd, partial(cpu_seconds, wanted.postgres_pid))


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/load",
        description="mix: people and programs use an installation with many VMs at once. starts:"
        " many start the replication of one VM in the same moment. killed: replications whose"
        " workers are killed. The last line is the result as JSON; the exit code is 1 if anything"
        " was wrong.",
    )
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--contexts", type=int, default=10_000, help="mix: VMs (default 10,000)")
    parser.add_argument("--jobs", type=int, help="mix: jobs in the history; killed: jobs (200)")
    parser.add_argument("--clients", type=int, default=20, help="mix: clients (default 20)")
    parser.add_argument(
        "--minutes", type=float, default=3.0, help="mix: how long; killed: at most (default 3)"
    )
    parser.add_argument(
        "--bound-ms", type=float, default=mix.MOST_P95_SECONDS * 1000, help="mix: of the p95"
    )
    parser.add_argument(
        "--at-once", type=int, nargs="+", default=list(starts.ROUNDS), help="starts: how many"
    )
    parser.add_argument("--vms", type=int, default=50, help="killed: VMs (default 50)")
    parser.add_argument(
        "--kill-every", type=float, default=3.0, help="killed: seconds between two deaths"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--postgres", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--postgres-pid", type=int, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, required=True, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
