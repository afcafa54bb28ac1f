"""All of vmrep's processes with a PostgreSQL and a Redis of their own, each of which can be killed,
made to hang, and started again."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple
from urllib.parse import urlencode

from vmrep.local import programs
from vmrep.local.ports import LOCALHOST, listen
from vmrep.local.supervisor import Child, Program

PROJECT = Path(__file__).resolve().parents[2]
USER, PASSWORD = "ops", "a-password-for-tests"
START_SECONDS = 120.0  # of a process, on a busy machine

_MAKE_USER = f"""
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser({USER!r}, password={PASSWORD!r})
"""


class Answer(NamedTuple):
    status: int
    text: str
    seconds: float
    content: bytes = b""


class Installation:
    """Use it as a context manager. `folder` is empty, and not below one that only this user may
    enter: PostgreSQL runs as another one. `environment`: more for all its processes; `of_program`:
    for one alone, by its name."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] = MappingProxyType({}),
        of_program: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self._sockets = folder / "sockets"
        self._data = folder / "cluster"
        self._redis_url = f"redis+socket://{self._sockets}/redis"
        self._listener = listen(0)
        self.port = self._listener.getsockname()[1]
        self._cookies = SimpleCookie()
        self.children: dict[str, Child] = {}
        self._environment = os.environ | {
            "DATABASE_URL": f"postgres://vmrep@/vmrep?host={self._sockets}",
            "VMREP_REDIS_URL": self._redis_url,
            "VMREP_DATA_DIR": str(folder / "data"),
            "VMREP_INTEGRITY_MINUTES": "0",
            "VMREP_LOG_FORMAT": "json",
            "DJANGO_SETTINGS_MODULE": "vmrep.settings",
            "PYTHONPATH": str(PROJECT),
            **environment,
        }
        self._of_program = of_program

    def __enter__(self) -> Installation:
        try:
            self._make()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in reversed(self.children):
            self.kill(name)
        self._listener.close()

    def _make(self) -> None:
        self._sockets.mkdir(parents=True)
        (self.folder / "log").mkdir(exist_ok=True)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            subprocess.run(["chown", "postgres:", self.folder, self._sockets], check=True)
        made = ["initdb", "--no-sync", "--auth", "trust", "--username", "vmrep"]
        subprocess.run(
            postgres(*made, "--pgdata", str(self._data)), check=True, stdout=subprocess.DEVNULL
        )
        self.start("postgres")
        subprocess.run(
            postgres("createdb", "-h", str(self._sockets), "-U", "vmrep", "vmrep"), check=True
        )
        self.start("redis")
        self._manage("migrate", "--verbosity", "0")
        self._manage("shell", "--no-imports", "-c", _MAKE_USER)
        for name in ("copies", "storage", "control", "tick", "beat", "web"):
            self.start(name)
        self.log_in()

    def _manage(self, *arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=PROJECT, env=self._environment, check=True)

    def _program(self, name: str) -> Program:
        make: dict[str, Callable[[], Program]] = {
            "postgres": self._postgres_program,
            "redis": self._redis_program,
            "copies": lambda: programs.copies(self._redis_url),
            "storage": lambda: programs.storage(self._redis_url),
            "control": lambda: programs.control(self._redis_url),
            "tick": lambda: programs.ticking(self._redis_url),
            "beat": programs.beat,
            "web": lambda: programs.web(self._listener),
        }
        return make[name]()

    def _postgres_program(self) -> Program:
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # of one that was killed
        run = ["postgres", "-D", str(self._data), "-c", "listen_addresses=", "-c", "fsync=off"]
        run += ["-c", f"unix_socket_directories={self._sockets}"]
        asks = postgres("pg_isready", "-q", "-h", str(self._sockets))
        return Program(
            "postgres", postgres(*run), ready=lambda: not subprocess.run(asks).returncode
        )

    def _redis_program(self) -> Program:
        socket = self._sockets / "redis"
        run = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", ""]
        return Program("redis", [*run, "--dir", str(self.folder / "data")], ready=socket.exists)

    # ------------------------------------------------------------- what can happen to a process

    def start(self, name: str) -> None:
        (self.folder / "data").mkdir(exist_ok=True, mode=0o700)
        environment = {**self._environment, **self._of_program.get(name, {})}
        child = Child(self._program(name), environment, self.folder / "log")
        self.children[name] = child
        deadline = time.monotonic() + START_SECONDS
        while child.program.ready is not None and not child.program.ready():
            assert child.running, child.tail()
            assert time.monotonic() < deadline, child.tail()
            time.sleep(0.1)

    def kill(self, name: str) -> None:
        """With -9, it and what it started."""
        self.signal(name, signal.SIGKILL)
        self.children[name].process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """To a process and all that it started: PostgreSQL's are in sessions of their own."""
        for pid in (self.children[name].process.pid, *below(self.children[name].process.pid)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # it ended just now

    def sql(self, statement: str) -> None:
        """As the database's own account."""
        command = ("psql", "-q", "-h", str(self._sockets), "-U", "vmrep", "-c", statement, "vmrep")
        subprocess.run(postgres(*command), check=True)

    def dump(self) -> bytes:
        """The whole database, as text."""
        command = ("pg_dump", "-h", str(self._sockets), "-U", "vmrep", "vmrep")
        return subprocess.run(postgres(*command), check=True, stdout=subprocess.PIPE).stdout

    @property
    def redis_socket(self) -> Path:
        return self._sockets / "redis"

    # ------------------------------------------------------------- what is seen from outside

    @property
    def cookies(self) -> dict[str, str]:
        return {name: it.value for name, it in self._cookies.items()}

    def ask(self, method: str, address: str, form: dict[str, str] | None = None) -> Answer:
        """What the web server answers. Never waits for more than two minutes."""
        headers = {"Cookie": "; ".join(f"{key}={it}" for key, it in self.cookies.items())}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self._ask(method, address, urlencode(form or {}), headers)

    def call(self, method: str, path: str, body: object, token: str) -> Answer:
        """What the API answers to a program; without a token, to nobody."""
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Token {token}"} if token else {}
        written = "" if body is None else json.dumps(body)
        return self._ask(method, f"/api/v1/{path}", written, headers)

    def _ask(self, method: str, address: str, body: str, headers: dict[str, str]) -> Answer:
        begun = time.monotonic()
        connection = http.client.HTTPConnection(LOCALHOST, self.port, timeout=120)
        try:
            connection.request(method, address, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            for cookie in answer.headers.get_all("Set-Cookie") or ():
                self._cookies.load(cookie)
        finally:
            connection.close()
        text = content.decode("utf-8", "replace")
        return Answer(answer.status, text, time.monotonic() - begun, content)

    def get(self, address: str) -> Answer:
        return self.ask("GET", address)

    def log_in(self) -> None:
        page = self.get("/login/")
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page.text)
        assert token is not None, page
        form = {"csrfmiddlewaretoken": token[1], "username": USER, "password": PASSWORD}
        assert self.ask("POST", "/login/", form).status == 302


def postgres(program: str, *arguments: str) -> list[str]:
    """A program of PostgreSQL's newest version, as a user that may run it."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    user = as_user if os.geteuid() == 0 else []
    return [*user, "env", "-C", "/", "LC_ALL=C.UTF-8", str(found[-1]), *arguments]


def below(pid: int) -> list[int]:
    """All descendants of a process."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            here = [int(child) for child in children.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in here:
            found += [child, *below(child)]
    return found
