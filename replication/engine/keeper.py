"""Runs a program, and ends with it everything that it started, in whatever group or session it is.

A program of its own (`processes.spawn_kept` starts it) on the standard library alone, so that it
starts quickly. The kernel gives it the orphans among its descendants (PR_SET_CHILD_SUBREAPER) and
tells it of its worker's end (PR_SET_PDEATHSIG): so nothing that the program starts can hide from
it, and it cannot miss the moment. Should it be killed itself, the program ends with it, and
`folders.end_all` finds the others by the folder in their environment.

    python keeper.py <pid of the worker> <folder> <program> [<argument> ...]

It ends as the program did: with its exit code, or by the same signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path

FOLDER = "VMREP_FOLDER"
"""The variable by which processes know the folder that they belong to."""
LEFT = "left"
"""A file of the folder: the program ended, and left others running."""

_NO_SUCH_PROGRAM, _NO_WORKER = 127, 125
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_KILL_SECONDS = 10.0
_ENDS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def main(worker: int, folder: Path, program: list[str]) -> None:
    """Does not return."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDS, signal.SIGCHLD})
    _ask_the_kernel(_PR_SET_CHILD_SUBREAPER, 1)
    _ask_the_kernel(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != worker:
        os._exit(_NO_WORKER)
    try:
        pid = os.posix_spawnp(
            "setpriv",
            ["setpriv", "--pdeathsig", "KILL", "--", *program],
            {**os.environ, FOLDER: str(folder)},
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    except OSError as problem:
        sys.stderr.write(f"{problem}\n")
        os._exit(_NO_SUCH_PROGRAM)
    status = _await(pid)
    left = _end_descendants()
    if left and status == 0:
        (folder / LEFT).touch()
    _end_as(status)


def _ask_the_kernel(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        problem = os.strerror(ctypes.get_errno())
        sys.stderr.write(f"the kernel refuses prctl({option}): {problem}\n")
        os._exit(_NO_WORKER)


def _await(program: int) -> int:
    """Wait until the program has ended (its wait status), or is no longer wanted (-1)."""
    while signal.sigwait({*_ENDS, signal.SIGCHLD}) not in _ENDS:
        for pid, status in _ended():
            if pid == program:
                return status
    return -1


def _ended() -> list[tuple[int, int]]:
    """The children that have ended, by pid and wait status."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(one)
    return found


def _end_descendants() -> bool:
    """Kill them until there is none; returns whether there was any. One that hanging storage holds
    in the kernel is left behind: it ends when it is let go."""
    were_any, until = False, time.monotonic() + _KILL_SECONDS
    while (pids := _descendants()) and time.monotonic() < until:
        were_any = True
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
        _ended()  # what is not reaped is still among the descendants
    return were_any


def _descendants() -> set[int]:
    """The processes below this one that have not ended. The kernel reuses none of their pids before
    this process has reaped them, or their parents have."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                stat = (entry / "stat").read_text(errors="replace")
                state, parent = stat.rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(entry.name)] = int(parent)
    found, new = set[int](), {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def _end_as(status: int) -> None:
    if status != -1 and os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = os.WTERMSIG(status)
        with contextlib.suppress(OSError):  # SIGKILL cannot be set to anything
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if status != -1 else 128 + signal.SIGTERM)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
