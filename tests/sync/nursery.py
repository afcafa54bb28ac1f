"""Processes that die at a named point, without a second of imports for each.

One process has vmrep loaded and does nothing but fork: it has no thread, no connection and no
transaction, so that a child of it is as a process that has just started.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

WAIT_SECONDS = 120


class Nursery:
    """That process, and the way to ask it. It ends with the process that asks."""

    def __init__(self, database_url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, module: str, *arguments: str) -> tuple[int, str]:
        """Call `module.main` in a process of its own: its exit code (negative: the signal that
        killed it), and what it wrote to stderr."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([module, *arguments]) + "\n")
        self._process.stdin.flush()
        code, stderr = json.loads(self._process.stdout.readline())
        return code, stderr


@functools.cache
def nursery(database_url: str) -> Nursery:
    return Nursery(database_url)


def _child(module: str, arguments: list[str], stderr: int) -> None:
    os.dup2(stderr, 1)
    os.dup2(stderr, 2)
    code = 0
    try:
        importlib.import_module(module).main(*arguments)
    except BaseException:  # noqa: BLE001 - it goes no further than this process
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _serve() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    for line in sys.stdin:
        module, *arguments = json.loads(line)
        importlib.import_module(module)  # once: the children have it
        with tempfile.TemporaryFile() as stderr:
            child = os.fork()
            if child == 0:
                _child(module, arguments, stderr.fileno())
            _, status = os.waitpid(child, 0)
            stderr.seek(0)
            told = [os.waitstatus_to_exitcode(status), stderr.read().decode(errors="replace")]
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _serve()
