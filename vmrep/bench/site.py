"""vmrep's web server for one generated estate, in its own database."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import environ
import psycopg
from psycopg import sql

from vmrep.bench.browser import Browser
from vmrep.bench.processes import cpu_seconds
from vmrep.local import programs
from vmrep.local.errors import LocalError
from vmrep.local.ports import listen
from vmrep.local.supervisor import Program, Supervisor


@dataclass
class Site:
    name: str
    database_url: str
    port: int
    pid: int
    contexts: int
    jobs: int
    context_id: str
    sessions: list[str]

    def browser(self, number: int = 0) -> Browser:
        return Browser(self.port, self.sessions[number])

    def cpu_seconds(self) -> float:
        """The CPU time of all the web server's processes."""
        return cpu_seconds(self.pid)


def connect(url: str) -> psycopg.Connection:
    """Connect to the database that a DATABASE_URL names; each statement is a transaction."""
    config = environ.Env.db_url_config(url)
    return psycopg.connect(
        host=config["HOST"], user=config["USER"], dbname=config["NAME"], autocommit=True
    )


def new_database(postgres_url: str, name: str) -> str:
    """Create a database of that name on the same server; returns its DATABASE_URL."""
    with connect(postgres_url) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{postgres_url.rpartition('/')[0]}/{name}"


def drop_database(postgres_url: str, name: str) -> None:
    """Remove a database of that server, whoever still uses it."""
    with connect(postgres_url) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run(supervisor: Supervisor, module: str, url: str, *arguments: str) -> None:
    """Run a module of the bench on this database, as a worker that reads vCenters is run. Raises
    LocalError with the end of its log."""
    command = [*programs.READS_VCENTERS, sys.executable, "-m", f"vmrep.bench.{module}", *arguments]
    run_command(supervisor, module, url, command)


def run_command(supervisor: Supervisor, name: str, url: str, command: Sequence[str]) -> None:
    """Run it on this database, to its end. Raises LocalError with the end of its log."""
    code = supervisor.run(Program(name, ["env", f"DATABASE_URL={url}", *command]))
    if code:
        log = (supervisor.log_folder / f"{name}.log").read_text()
        raise LocalError(f"{' '.join(command)} failed (exit code {code}):\n{log[-3000:]}")


def start(
    supervisor: Supervisor, name: str, postgres_url: str, *, contexts: int, jobs: int, sessions: int
) -> Site:
    """Fill a new database of that name, and start a web server for it, as the demo does.

    Raises LocalError (ChildDied) when that fails, StopRequested when somebody stops it.
    """
    url = new_database(postgres_url, name)
    filled = _fill(supervisor, url, contexts, jobs, sessions)
    listener = listen(0)
    web = programs.web(listener)
    argv = ["env", f"DATABASE_URL={url}", "VMREP_LOG_LEVEL=ERROR", *web.argv]
    supervisor.start([replace(web, name=f"web-{name}", argv=argv)])
    port = listener.getsockname()[1]
    listener.close()
    pid = supervisor.children[-1].process.pid
    return Site(name=name, database_url=url, port=port, pid=pid, **filled)


def _fill(
    supervisor: Supervisor, url: str, contexts: int, jobs: int, sessions: int
) -> dict[str, Any]:
    report = supervisor.log_folder / "prepared.json"
    run(
        *(supervisor, "prepare", url, "--contexts", str(contexts), "--jobs", str(jobs)),
        *("--sessions", str(sessions), "--report", str(report)),
    )
    filled: dict[str, Any] = json.loads(report.read_text())
    return filled
