"""`script/demo`: all of vmrep on this machine, with a simulated vCenter to replicate from."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from vmrep.demo import programs
from vmrep.local.errors import LocalError, StopRequested
from vmrep.local.folder import DataFolder
from vmrep.local.machine import Machine, running

PROJECT = Path(__file__).resolve().parent.parent.parent
DEFAULT_PORT = 8000


def main(arguments: list[str]) -> int:
    wanted = _parser().parse_args(arguments)
    try:
        return _once() if wanted.once else _demo(wanted)
    except LocalError as problem:
        complain(str(problem))
        return 1
    except KeyboardInterrupt:  # before there was anything to stop
        return 130


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def complain(text: str) -> None:
    print(f"script/demo: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/demo",
        description="Start vmrep on this machine, with a simulated vCenter to replicate from.",
        epilog="The data is kept in var/, or in VMREP_DATA_DIR; DATABASE_URL names another "
        "database. Ctrl-C stops everything; the next start continues with the same data.",
    )
    parser.add_argument(
        "--port", type=port_number, default=DEFAULT_PORT, help=f"of the pages ({DEFAULT_PORT})"
    )
    parser.add_argument("--fresh", action="store_true", help="delete this demo's data first")
    parser.add_argument("--no-churn", action="store_true", help="keep the guests from writing")
    parser.add_argument(
        "--once",
        action="store_true",
        help="without a terminal, on free ports, in a temporary folder: replicate and compare "
        "everything, then stop; the last line is the result as JSON",
    )
    return parser


def port_number(text: str) -> int:
    """A TCP port from the command line."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _demo(wanted: argparse.Namespace) -> int:
    folder = DataFolder(Path(os.environ.get("VMREP_DATA_DIR") or PROJECT / "var"))
    say("Starting vmrep …")
    try:
        with running(
            folder,
            port=wanted.port,
            fresh=wanted.fresh,
            churn=not wanted.no_churn,
            prepare=partial(programs.prepare, with_admin=True),
        ) as machine:
            say(f"vmrep is running: {machine.address}   (Ctrl-C stops everything)")
            say(f"The logs are in {folder.logs}.")
            if not machine.remembered.replicated:
                _first_replications(machine)
            machine.watch()
    except StopRequested:
        say("vmrep has stopped.")
    return 0


def _drive(machine: Machine, *options: str) -> int:
    """Runs the driver to its end: discovery, replications, comparison. Returns its exit code."""
    driver = programs.driver(machine.folder, machine.remembered, *options)
    return machine.supervisor.run(driver)


def _first_replications(machine: Machine) -> None:
    if _drive(machine) == 0:
        machine.folder.remember_replicated()
        say(
            "Every replica is equal to its VM's snapshot. Now try it; the guests keep writing.\n"
            "Nothing is replicated by itself yet: give the policy Default a target, such as 5 m."
        )
    else:
        say("Something went wrong, see above. vmrep keeps running, so that you can investigate.")


def _once() -> int:
    """A whole demo in one go. The last line on standard output is always the JSON object."""
    with ExitStack() as stack:
        given = os.environ.get("VMREP_DATA_DIR")
        path = given or stack.enter_context(tempfile.TemporaryDirectory(prefix="vmrep-once-"))
        folder = DataFolder(Path(path))
        result_file = folder.logs / "result.json"
        try:
            if not folder.is_new:
                raise LocalError(f"a demo has already run in {folder.path}; --once needs a new one")
            prepare = partial(programs.prepare, with_admin=False)
            with running(folder, port=0, fresh=False, churn=False, prepare=prepare) as machine:
                code = _drive(machine, "--result", str(result_file))
                if code != 0:
                    # Afterwards the folder and its logs may be gone.
                    complain(f"something failed; the logs end with:\n{machine.supervisor.tails()}")
            if not result_file.exists():
                raise LocalError("the demo failed, see above")
            result = result_file.read_text()
        except StopRequested:
            code, result = 130, _no_result("stopped by a signal")
        except LocalError as problem:
            complain(str(problem))
            code, result = 1, _no_result(str(problem).splitlines()[0])
    say(result.strip())
    return code


def _no_result(why: str) -> str:
    return json.dumps({"vms": [], "refused": [], "integrity": f"not checked: {why}"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
