"""Child processes that can never outlive this one.

Linux sends the death signal (PR_SET_PDEATHSIG) when the *thread* that forked the child ends, not
when its process does. So one thread that lives as long as the process forks all children; the
calling threads may be as short-lived as they like.

The signal is set by util-linux's ``setpriv``, not by a ``preexec_fn``: Python code between fork and
exec can deadlock in a process with threads. A parent that dies before ``setpriv`` has run would be
missed, so a shell then compares its parent's pid with ours before it becomes the program.
Both together cost about 3 ms (measured).
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import IO, NamedTuple

from replication.engine import keeper
from replication.engine.errors import EngineError

ASK_AGAIN_SECONDS = 0.1
KILL_SECONDS = 10.0

_STDERR_TAIL_BYTES = 4096
_BECOME = '[ "$PPID" = "$1" ] || exit 125; shift; exec "$@"'


class ProcessIdentity(NamedTuple):
    """What identifies a process for good on one machine: a pid is reused, these three never are."""

    pid: int
    start_time: int
    """Clock ticks from boot to the process's start."""
    boot_id: str


class Child:
    """A running child process. Made by ``spawn``."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        argv: list[str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        self.argv = argv
        self.stdout = stdout
        self._process = process
        self._stderr = stderr
        self._last_words = ""
        # Not reaped yet, so its entry in /proc exists even if it has already ended.
        self.identity = identity_of(process.pid)

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal's number; None while it runs."""
        return self._process.poll()

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for the end and return the exit code. TimeoutError when it takes longer."""
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self.argv[0]} did not end in {timeout_seconds} s") from error

    def stop(self, timeout_seconds: float) -> int:
        """Ask it to end (SIGTERM) until it does, and return the exit code.

        It is asked repeatedly: a program that checks a flag and then sleeps misses a signal that
        comes in between. TimeoutError when it takes longer.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                return self.wait(ASK_AGAIN_SECONDS)
        raise TimeoutError(f"{self.argv[0]} did not end in {timeout_seconds} s")

    def kill(self) -> None:
        """End it at once (SIGKILL) and reap it.

        A process that hanging storage holds in the kernel ends only when it is let go: after
        `KILL_SECONDS` it is left behind.
        """
        self._process.kill()
        with contextlib.suppress(TimeoutError):
            self.wait(KILL_SECONDS)

    def error_text(self) -> str:
        """The last part of what it wrote to standard error."""
        if self._stderr.closed:
            return self._last_words
        # Not by seeking: the position is shared with the process, which is writing there.
        descriptor = self._stderr.fileno()
        start = max(0, os.fstat(descriptor).st_size - _STDERR_TAIL_BYTES)
        return os.pread(descriptor, _STDERR_TAIL_BYTES, start).decode(errors="replace").strip()

    def close(self) -> None:
        """Forget its output, but not its last words. The process has ended, or is left behind."""
        self._last_words = self.error_text()
        self.stdout.close()
        self._stderr.close()


def spawn(argv: list[str]) -> Child:
    """Start a program (found on PATH) that is killed as soon as this process ends, however it ends.

    Its input is empty, its output goes to temporary files, its environment contains nothing of
    ours but PATH and TMPDIR, and it has its own session, so that Ctrl-C in a terminal reaches only
    us. A program that does not exist is a child that ends with code 127.
    """
    stdout, stderr = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
    command = ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", _BECOME, "sh", str(os.getpid())]
    try:
        process = _spawner.start([*command, *argv], stdout, stderr)
    except OSError as error:
        raise EngineError(
            f"{argv[0]} cannot be started: {error}. The package util-linux is needed."
        ) from error
    return Child(process, argv, stdout, stderr)


def spawn_kept(folder: Path, argv: list[str]) -> Child:
    """Start a program as `spawn` does, under a keeper: with it, and as soon as this process ends,
    everything that it has started ends, too (`keeper`). The child is the keeper, which ends as the
    program does; its environment, and no other, also names the ``folder``.
    """
    watch = [sys.executable, "-I", "-S", keeper.__file__, str(os.getpid()), str(folder)]
    return spawn([*watch, *argv])


def identity_of(pid: int) -> ProcessIdentity:
    """The identity of a process on this machine. Raises EngineError when there is none."""
    start_time = _start_time(pid)
    if start_time is None:
        raise EngineError(f"There is no process {pid}.")
    return ProcessIdentity(pid, start_time, this_boot_id())


def this_boot_id() -> str:
    """What distinguishes this boot of the machine from every other."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_alive(pid: int, start_time: int, boot_id: str) -> bool:
    """Whether exactly that process, not a later one with the same pid, still runs on this machine.

    A zombie has released its files and locks: it counts as ended.
    """
    return boot_id == this_boot_id() and _start_time(pid, zombies=False) == start_time


def _start_time(pid: int, zombies: bool = True) -> int | None:
    """Field 22 of /proc/<pid>/stat; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command in brackets, which may contain spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX" and not zombies:
        return None
    return int(fields[19])


class _Spawner:
    """The one thread that forks. Recreated when this process itself was forked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._orders: queue.SimpleQueue[
            tuple[list[str], IO[bytes], IO[bytes], Future[subprocess.Popen[bytes]]]
        ] = queue.SimpleQueue()

    def start(
        self, command: list[str], stdout: IO[bytes], stderr: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        result: Future[subprocess.Popen[bytes]] = Future()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="spawner", daemon=True)
                self._thread.start()
        self._orders.put((command, stdout, stderr, result))
        return result.result()

    def _run(self) -> None:
        while True:
            command, stdout, stderr, result = self._orders.get()
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    env=_environment(),
                    start_new_session=True,
                    # SIGXFSZ stays ignored, as it is here: a file that may not grow any more is an
                    # error of the write, and not the end of the program.
                    restore_signals=False,
                )
            except Exception as error:  # noqa: BLE001  the edge of this thread: raised in start()
                result.set_exception(error)
            else:
                result.set_result(process)
            # Do not keep the last request's files open until the next one comes.
            del command, stdout, stderr, result


def _environment() -> dict[str, str]:
    """Our secrets are none of the child's business; its messages must be in English."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


_spawner = _Spawner()


def _after_fork() -> None:
    global _spawner
    _spawner = _Spawner()


os.register_at_fork(after_in_child=_after_fork)
