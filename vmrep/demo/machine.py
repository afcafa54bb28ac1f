"""All of vmrep's processes on this machine, from the first start to the orderly end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from vmrep.demo import programs
from vmrep.demo.errors import DemoError
from vmrep.demo.folder import DataFolder, Remembered, database_of
from vmrep.demo.ports import LOCALHOST, listen
from vmrep.demo.supervisor import Supervisor


@dataclass(frozen=True)
class Machine:
    """A running demo."""

    folder: DataFolder
    supervisor: Supervisor
    remembered: Remembered
    address: str

    def drive(self, *options: str) -> int:
        """Runs the driver to its end: discovery, replications, comparison. Its exit code."""
        return self.supervisor.run(programs.driver(self.folder, self.remembered, *options))

    def watch(self) -> None:
        """Until a signal (StopRequested) or the death of a process (ChildDied)."""
        while True:
            self.supervisor.pause()


@contextmanager
def running(
    folder: DataFolder, *, port: int, fresh: bool, churn: bool, with_admin: bool
) -> Iterator[Machine]:
    """Starts everything, and stops everything at the end.

    Raises DemoError when something cannot start or ends by itself, StopRequested on Ctrl-C.
    """
    with closing(listen(port)) as listener:
        before = folder.start_over() if fresh else None
        with Supervisor(_environment(folder), folder.logs) as supervisor:
            remembered = _prepare(supervisor, folder, before, with_admin=with_admin)
            redis_url = supervisor.environment["VMREP_REDIS_URL"]
            supervisor.start([programs.redis(folder)])
            supervisor.start(
                [
                    programs.lab(folder, remembered, churn=churn),
                    programs.web(listener),
                    programs.copies(redis_url),
                    programs.control(redis_url),
                    programs.beat(),
                ]
            )
            web_port = listener.getsockname()[1]
            yield Machine(folder, supervisor, remembered, f"http://{LOCALHOST}:{web_port}/")


def _environment(folder: DataFolder) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "vmrep.settings",
        "VMREP_DATA_DIR": str(folder.path),
        "VMREP_REDIS_URL": f"redis+socket://{quote(str(folder.redis_socket()))}",
        "PYTHONUNBUFFERED": "1",
    }


def _prepare(
    supervisor: Supervisor, folder: DataFolder, before: Remembered | None, *, with_admin: bool
) -> Remembered:
    """The database, the administrator, and what the folder has to remember."""
    database = database_of(os.environ.get("DATABASE_URL"))
    # Starting over took the data folder's own database away; another one is emptied only if it
    # is the one that this demo used.
    flush = before is not None and before.database == database != ""
    code = supervisor.run(programs.prepare(first=folder.is_new, flush=flush, with_admin=with_admin))
    if code != 0:
        raise DemoError("the database could not be made ready, see above; nothing was started")
    programs.make_lab_password(folder)
    return folder.remembered(database)
