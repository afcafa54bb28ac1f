"""Starts vmrep's processes, watches them, and stops them in order.

Each child has its own session: Ctrl-C on the terminal reaches only the supervisor, which then stops
the children one after the other. A supervisor that is killed with -9 takes its children with it:
`setpriv --pdeathsig` asks the kernel to signal them. (Not covered: a kill in the instant between a
child's fork and that request.)
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from vmrep.local.errors import LocalError, StopRequested
from vmrep.private import keep_private

POLL_SECONDS = 0.2
START_SECONDS = 60.0
LOG_BYTES_MAX = 20 * 1024 * 1024
TAIL_LINES = 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Program:
    """A process to run.

    ready: called until it returns true; a process without it counts as ready at once.
    stop: the signals to stop it with, each with the seconds to wait before the next one. After
        the last, it and all it started are killed.
    death_signal: the signal that it gets when the supervisor dies.
    quiet: its output goes to its log file; otherwise to the terminal.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool] | None = None
    stop: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10.0),)
    death_signal: signal.Signals = signal.SIGTERM
    quiet: bool = True
    pass_fds: Sequence[int] = ()


class ChildDied(LocalError):
    """A process ended that should have kept running."""


class Child:
    """One running process."""

    def __init__(self, program: Program, environment: Mapping[str, str], log_folder: Path) -> None:
        self.program = program
        self.log = log_folder / f"{program.name}.log"
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") if program.quiet else nullcontext() as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", program.death_signal.name[3:], "--", *program.argv],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT if log else None,
                start_new_session=True,
                pass_fds=program.pass_fds,
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def tail(self) -> str:
        """The last lines that this process logged, for people to read."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self.log_start, size - 64 * 1024))
            lines = log.read(64 * 1024).decode(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"  {self.program.name} | {line}" for line in lines)

    def outcome(self) -> str:
        """How the process ended, in words."""
        code = self.process.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def stop(self, in_a_hurry: Callable[[], bool]) -> None:
        """Stops the process as gently as possible, then everything that it started."""
        for number, seconds in self.program.stop:
            deadline = time.monotonic() + seconds
            if self.running:
                self.process.send_signal(number)
            while self.running and time.monotonic() < deadline and not in_a_hurry():
                time.sleep(0.05)
        self.kill()

    def kill(self) -> None:
        """Ends the process and what is left of its session's process group, at once."""
        with suppress(ProcessLookupError):  # nothing is left
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Supervisor:
    """Has the children and the request to stop. Use it as a context manager: leaving it stops all.

    It must be used from the main thread: the kernel ties the children's death signal to the
    thread that started them.
    """

    def __init__(self, environment: Mapping[str, str], log_folder: Path) -> None:
        self.environment = environment
        self.log_folder = log_folder
        self.children: list[Child] = []
        self.stop_signals = 0
        self._handlers_before: dict[signal.Signals, Any] = {}
        keep_private()
        log_folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Supervisor:
        for number in STOP_SIGNALS:
            self._handlers_before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_signals += 1

    def start(self, programs: Iterable[Program]) -> None:
        """Starts the programs together and returns when all are ready.

        Raises ChildDied when one ends or does not become ready, StopRequested on Ctrl-C.
        """
        started = []
        for program in programs:
            child = Child(program, self.environment, self.log_folder)
            self.children.append(child)
            started.append(child)
        deadline = time.monotonic() + START_SECONDS
        for child in started:
            while child.program.ready is not None and not child.program.ready():
                self.pause()
                if time.monotonic() > deadline:
                    raise ChildDied(
                        f"{child.program.name} was not ready after {START_SECONDS:.0f} seconds. "
                        f"Its last lines ({child.log}):\n{child.tail()}"
                    )

    def run(self, program: Program) -> int:
        """Runs a program until it ends, while the others continue; returns its exit code."""
        child = Child(program, self.environment, self.log_folder)
        try:
            while child.running:
                self.pause()
        finally:
            self._stop(child)
        return child.process.returncode

    def pause(self) -> None:
        """Waits briefly, and notices a request to stop and the death of a child."""
        if self.stop_signals:
            raise StopRequested
        for child in self.children:
            if not child.running:
                raise ChildDied(
                    f"{child.program.name} {child.outcome()}. "
                    f"Its last lines ({child.log}):\n{child.tail()}"
                )
        time.sleep(POLL_SECONDS)

    def tails(self) -> str:
        """The last lines of every process's log."""
        return "\n".join(child.tail() for child in self.children)

    def stop(self) -> None:
        """Stops the children, last started first. A second Ctrl-C kills what is left."""
        while self.children:
            self._stop(self.children.pop())

    def _stop(self, child: Child) -> None:
        child.stop(in_a_hurry=lambda: self.stop_signals > 1)
