"""For real: many VMs of a lab, replicated by themselves by worker processes of which one
is killed now and then.

python -m vmrep.bench.running --postgres URL --folder FOLDER --vms 200 --workers 4

Starts the lab, Redis, all of vmrep's processes but the pages, and a database of its own on the
server of that URL; stops and removes them at the end. The last line is the result as JSON. Exit
code 1: a VM went over its target, a recovery point differs from its snapshot, or something is left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import django

from vmrep.bench import site
from vmrep.bench.processes import cpu_seconds, machine
from vmrep.demo.programs import prepare
from vmrep.local import programs
from vmrep.local.errors import LocalError, StopRequested
from vmrep.local.folder import DataFolder, Remembered
from vmrep.local.ports import LOCALHOST, THIS_MACHINE
from vmrep.local.supervisor import Child, Supervisor

if TYPE_CHECKING:
    from vmrep.bench.running_acts import Acts

SCENARIO = """
[estate]
task_delay_seconds = 0.05

[[datacenters]]
path = "Lab/DC1"
host = "esx1.lab.example.com"
datastores = [{{ name = "datastore1", type = "vmfs" }}, {{ name = "datastore2", type = "vmfs" }}]
networks = ["VM Network"]
"""
VMS = """
[[vms]]
name = "vm-{name}"
count = {count}
folder = "Many"
datastore = "{datastore}"
disks = [{{ capacity = "32MiB", content = "random", data = "1MiB" }}]
nics = [{{ network = "VM Network" }}]
"""
POLL_SECONDS = 5.0
BACK_AFTER_SECONDS = 5.0


def main(arguments: list[str]) -> int:
    wanted = _parser().parse_args(arguments)
    name = f"vmrep_running_{os.getpid()}"
    url = site.new_database(wanted.postgres, name)
    try:
        return _run(wanted, url)
    except (StopRequested, KeyboardInterrupt):
        _say("stopped")
        return 130
    except LocalError as problem:
        _say(str(problem))
        return 1
    finally:
        site.drop_database(wanted.postgres, name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vmrep.bench.running", description=__doc__)
    parser.add_argument("--postgres", required=True, help="DATABASE_URL of the server")
    parser.add_argument("--folder", type=Path, required=True, help="that is not there yet")
    parser.add_argument("--vms", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--target-minutes", type=int, default=10)
    parser.add_argument("--kill-every", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201


def _run(wanted: argparse.Namespace, url: str) -> int:
    folder = DataFolder(wanted.folder)
    if not folder.is_new:
        raise LocalError(f"{folder.path} is not new: choose another folder")
    redis_url = f"redis+socket://{quote(str(folder.redis_socket()))}"
    os.environ |= {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "vmrep.settings",
        "VMREP_DATA_DIR": str(folder.path),
        "VMREP_REDIS_URL": redis_url,
        "VMREP_ALLOW_ADDRESSES": THIS_MACHINE,  # the lab's
        "PYTHONUNBUFFERED": "1",
    }
    with Supervisor(os.environ, folder.logs) as supervisor:
        if supervisor.run(prepare(first=True, flush=False, with_admin=False)):
            raise LocalError("the database could not be prepared")
        django.setup()
        acts = _start(supervisor, folder, redis_url, folder.remembered(url), _scenario(wanted))
        result = _replicate(wanted, supervisor, acts, redis_url)
    given = {key: value for key, value in vars(wanted).items() if key not in ("postgres", "folder")}
    print(json.dumps({**given, **result, "machine": machine()}))  # noqa: T201
    return 1 if result["problems"] else 0


def _scenario(wanted: argparse.Namespace) -> str:
    half = wanted.vms // 2
    return (
        SCENARIO.format()
        + VMS.format(name="a", count=half, datastore="datastore1")
        + VMS.format(name="b", count=wanted.vms - half, datastore="datastore2")
    )


def _start(
    supervisor: Supervisor, folder: DataFolder, redis_url: str, ports: Remembered, scenario: str
) -> Acts:
    """All processes but the workers that copy."""
    # Only now: it needs Django's models.
    from vmrep.bench.running_acts import Acts

    many = folder.path / "many.toml"
    many.write_text(scenario)
    programs.make_lab_password(folder)
    supervisor.start([programs.redis(folder)])
    lab = programs.lab(folder, ports, churn=True, scenario=str(many), churn_seconds=45.0)
    supervisor.start(
        [
            *(lab, programs.storage(redis_url), programs.control(redis_url)),
            *(programs.ticking(redis_url), programs.beat()),
        ]
    )
    return Acts(
        ports.lab_port,
        folder.lab_password.read_text().strip(),
        f"http://{LOCALHOST}:{ports.lab_control_port}",
        folder.repository,
    )


def _replicate(
    wanted: argparse.Namespace, supervisor: Supervisor, acts: Acts, redis_url: str
) -> dict[str, Any]:
    """For the wanted time, while workers are killed. Returns what came of it."""
    killer = _Killer(wanted, supervisor, redis_url)
    _say(f"Taking {wanted.vms} VMs with a target of {wanted.target_minutes} minutes")
    acts.take(wanted.target_minutes * 60)
    begun = time.monotonic()
    for left in _until(supervisor, begun + wanted.minutes * 60):
        killer.look()
        if int(left) % 60 < POLL_SECONDS:
            _say(f"{left / 60:.0f} minutes to go: {acts.state()}")
    cpu = cpu_seconds(os.getpid())
    killer.come_back()
    _say("Pausing all, and waiting for what is under way")
    acts.pause()
    for _ in _until(supervisor, time.monotonic() + 600):
        if acts.is_at_rest():
            break
    _say("Looking at everything")
    result = acts.result(wanted.target_minutes * 60)
    return result | {"kills": killer.kills, "cpu_seconds": round(cpu)}


def _until(supervisor: Supervisor, end: float) -> Iterator[float]:
    """Every few seconds, the seconds that are left."""
    while (left := end - time.monotonic()) > 0:
        yield left
        again = time.monotonic() + POLL_SECONDS
        while time.monotonic() < again:
            supervisor.pause()


class _Killer:
    """The workers that copy; kills one of them now and then, and starts another one a little
    later: the whole worker with its processes, or the process of its job alone."""

    def __init__(self, wanted: argparse.Namespace, supervisor: Supervisor, redis_url: str) -> None:
        self._supervisor, self._redis_url = supervisor, redis_url
        self._random = random.Random(wanted.seed)  # noqa: S311
        self._every = wanted.kill_every
        self._dead: dict[str, float] = {}
        self.kills = {"worker": 0, "job's process": 0}
        self._names = [f"copies{number}" for number in range(1, wanted.workers + 1)]
        supervisor.start(programs.copies(redis_url, name, 1) for name in self._names)
        self._set_next()

    def _set_next(self) -> None:
        self._next = time.monotonic() + self._every * self._random.uniform(0.5, 1.5)

    def look(self) -> None:
        now = time.monotonic()
        for name, at in list(self._dead.items()):
            if now - at > BACK_AFTER_SECONDS:
                self._start(name)
        if now >= self._next and not self._dead:
            self._kill(self._random.choice(self._names))
            self._set_next()

    def come_back(self) -> None:
        for name in list(self._dead):
            self._start(name)

    def _start(self, name: str) -> None:
        del self._dead[name]
        self._supervisor.start([programs.copies(self._redis_url, name, 1)])

    def _kill(self, name: str) -> None:
        child = next(it for it in self._supervisor.children if it.program.name == name)
        if self._random.random() < 0.5 and (process := _process_of_its_job(child)):
            _say(f"Killing the process of {name}’s job")
            os.kill(process, signal.SIGKILL)
            self.kills["job's process"] += 1
            return
        _say(f"Killing {name}")
        self._supervisor.children.remove(child)
        os.kill(child.process.pid, signal.SIGKILL)
        child.kill()
        self._dead[name] = time.monotonic()
        self.kills["worker"] += 1


def _process_of_its_job(child: Child) -> int | None:
    """The process of the worker's pool."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it ended just now
            if parent == child.process.pid and b"celery" in command:
                return int(folder.name)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
