"""The driver's side of the workers: starts them, and tells what became of an errand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from vmrep.chaos.failing import PAGE, Page, is_possible, library
from vmrep.chaos.worker import Order
from vmrep.local.errors import LocalError

ENDS_WITHIN_SECONDS = 300.0


class Outcome(NamedTuple):
    """How an errand ended."""

    code: int
    """The exit code; negative: the signal that killed it."""
    said: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Workers:
    """Processes that run errands, on a database, at a repository whose file operations can fail."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.page = Page(folder / "page")
        self._environment = {
            **os.environ,
            PAGE: str(self.page.path),
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "vmrep.settings",
        }
        self.can_fail_files = is_possible()
        if self.can_fail_files:
            preloaded = {"LD_PRELOAD": str(library(folder)), PAGE: str(self.page.path)}
            self._environment |= preloaded
            path = _preloading(folder / "bin", preloaded)
            self._environment["PATH"] = f"{path}{os.pathsep}{os.environ['PATH']}"
        self._servers: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.kill()
            server.wait()
        self.page.close()

    def run(
        self,
        order: Order,
        *,
        on_start: Callable[[int], None] = lambda pid: None,
        on_stop: Callable[[int], None] = lambda pid: None,
        other: bool = False,
    ) -> Outcome:
        """Have a worker do it; `other`: another one than that which stands still. `on_start` and
        `on_stop` are told its process ID; once `on_stop` returns it goes on."""
        server = self._server(int(other))
        if server.stdin is None or server.stdout is None:
            raise LocalError("a worker has no input or output")
        server.stdin.write(json.dumps([order.errand, order.fault]) + "\n")
        server.stdin.flush()
        told: dict[str, object] = {}
        pid = int(str(self._told(server)["pid"]))
        late = threading.Timer(ENDS_WITHIN_SECONDS, os.kill, (pid, signal.SIGKILL))
        late.start()
        try:
            on_start(pid)
            while "ended" not in (told := self._told(server)):
                on_stop(pid)
                os.kill(pid, signal.SIGCONT)
        except (KeyboardInterrupt, SystemExit):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
        finally:
            late.cancel()
        return Outcome(int(str(told["ended"])), str(told["said"]))

    def _told(self, server: subprocess.Popen[str]) -> dict[str, object]:
        line = server.stdout.readline() if server.stdout else ""
        if not line:
            raise LocalError(f"a worker has ended by itself (exit code {server.wait()})")
        told: dict[str, object] = json.loads(line)
        return told

    def _server(self, number: int) -> subprocess.Popen[str]:
        while len(self._servers) <= number:
            self._servers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "vmrep.chaos.worker"],
                    cwd=Path(__file__).parents[2],
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        return self._servers[number]


def _preloading(folder: Path, preloaded: dict[str, str]) -> Path:
    """A folder with qemu's programs: vmrep gives them nothing of its environment but PATH."""
    folder.mkdir(exist_ok=True)
    given = " ".join(f"{name}='{value}'" for name, value in preloaded.items())
    for name in ("qemu-img", "qemu-storage-daemon"):
        if real := shutil.which(name):
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec env {given} {real} "$@"\n')
            program.chmod(0o755)
    return folder
