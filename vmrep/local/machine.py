"""All of vmrep's processes on this machine, from the first start to a clean stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from vmrep.local import programs
from vmrep.local.errors import LocalError
from vmrep.local.folder import DataFolder, Remembered, database_of
from vmrep.local.ports import LOCALHOST, THIS_MACHINE, listen
from vmrep.local.supervisor import Program, Supervisor


@dataclass(frozen=True)
class Machine:
    """vmrep while everything is running."""

    folder: DataFolder
    supervisor: Supervisor
    remembered: Remembered
    address: str

    def watch(self) -> None:
        """Wait for a signal (StopRequested) or the death of a process (ChildDied)."""
        while True:
            self.supervisor.pause()


@contextmanager
def running(
    folder: DataFolder, *, port: int, fresh: bool, churn: bool, prepare: Callable[..., Program]
) -> Iterator[Machine]:
    """Starts everything, and stops everything at the end.

    `prepare(first=…, flush=…)` is the program that prepares the database: `first` when the folder
    is new, `flush` when the content of another database has to go.

    Raises LocalError when something cannot start or ends by itself, StopRequested on Ctrl-C.
    """
    with closing(listen(port)) as listener:
        before = folder.start_over() if fresh else None
        with Supervisor(_environment(folder), folder.logs) as supervisor:
            remembered = _prepare(supervisor, folder, before, prepare)
            redis_url = supervisor.environment["VMREP_REDIS_URL"]
            supervisor.start([programs.redis(folder)])
            supervisor.start(
                [
                    programs.lab(folder, remembered, churn=churn),
                    programs.web(listener),
                    programs.copies(redis_url),
                    programs.storage(redis_url),
                    programs.control(redis_url),
                    programs.ticking(redis_url),
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
        # The lab is on this machine.
        "VMREP_ALLOW_ADDRESSES": THIS_MACHINE,
        "VMREP_REDIS_URL": f"redis+socket://{quote(str(folder.redis_socket()))}",
        "PYTHONUNBUFFERED": "1",
    }


def _prepare(
    supervisor: Supervisor,
    folder: DataFolder,
    before: Remembered | None,
    prepare: Callable[..., Program],
) -> Remembered:
    """Prepare the database, the administrator, and what the folder has to remember."""
    database = database_of(os.environ.get("DATABASE_URL"))
    # Starting over removed the data folder's own database; any other is emptied only if this demo
    # used it.
    flush = before is not None and before.database == database != ""
    code = supervisor.run(prepare(first=folder.is_new, flush=flush))
    if code != 0:
        raise LocalError("the database could not be prepared, see above; nothing was started")
    programs.make_lab_password(folder)
    return folder.remembered(database)
