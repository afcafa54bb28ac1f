"""vmrep's web server as it is in production, over PostgreSQL and Redis, with a generated estate."""

from __future__ import annotations

import json
import shlex
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from vmrep.bench import site as bench
from vmrep.load.clients import Site
from vmrep.local import programs
from vmrep.local.folder import DataFolder
from vmrep.local.ports import listen
from vmrep.local.supervisor import Program, Supervisor

UNIT = Path(__file__).parents[2] / "deploy/systemd/vmrep-web.service"


class Running(NamedTuple):
    """`made`: how many contexts and jobs there are. `pid`: the web server's first process."""

    site: Site
    made: dict[str, int]
    pid: int


def start(
    supervisor: Supervisor, folder: DataFolder, url: str, *, contexts: int, jobs: int, sessions: int
) -> Running:
    """Fill the database, then start Redis and the web server. No worker: the vCenters of the estate
    do not exist. Raises LocalError."""
    report = supervisor.log_folder / "prepared.json"
    arguments = {"contexts": contexts, "jobs": jobs, "sessions": sessions}
    given = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "vmrep.load.prepare", *given, "--report", str(report)]
    bench.run_command(supervisor, "prepare", url, command)
    found: dict[str, Any] = json.loads(report.read_text())
    made = found.pop("made")
    supervisor.start([programs.redis(folder)])
    listener = listen(0)
    supervisor.start([web(listener)])
    port = listener.getsockname()[1]
    listener.close()
    return Running(
        Site(port=port, vms=made["contexts"], **found), made, supervisor.children[-1].process.pid
    )


def web(listener: socket.socket) -> Program:
    """With the options of deploy/systemd/vmrep-web.service, without the proxy in front of it."""
    _, _, options = unit_command().partition(" -m gunicorn ")
    bound = f"fd://{listener.fileno()}"
    argv = programs.python("gunicorn", *shlex.split(options), "--bind", bound)
    return replace(programs.web(listener), argv=argv)


def unit_command() -> str:
    """What the unit executes."""
    lines = UNIT.read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("ExecStart="))
