"""Where a worker may stand still: before each change of a file, each program, each statement."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from replication.engine import image, qemu

_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_watched: dict[int, tuple[Path, Callable[[str], None]]] = {}


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    """Python tells of these just before it asks the kernel."""
    watched = _watched.get(threading.get_ident())
    if watched is None or event not in {*_CHANGES, "open"}:
        return
    if not isinstance(arguments[0], str | os.PathLike):
        return
    (root, at), path = watched, Path(arguments[0])
    if not path.is_relative_to(root):
        return
    if event in _CHANGES or (event == "open" and _writes(arguments)):
        at(f"{event} {path.relative_to(root)}")


def _writes(arguments: tuple[object, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & _WRITES)


sys.addaudithook(_audit)


@contextmanager
def points(
    root: Path, at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Call `at` with a name before all that this thread is about to do to the files below `root`,
    with programs and in the database, but for what is within a transaction: another worker waits
    for its end."""

    def statement(execute, sql, parameters, many, context):
        if not connection.in_atomic_block and not sql.startswith("SELECT"):
            at(f"sql {sql[:40]}")
        return execute(sql, parameters, many, context)

    def spawning(spawn):
        def before(argv: list[str]) -> object:
            if threading.get_ident() in _watched:
                at(f"spawn {' '.join(argv[:2])}")
            return spawn(argv)

        return before

    with monkeypatch.context() as patched, connection.execute_wrapper(statement):
        patched.setattr(qemu, "spawn", spawning(qemu.spawn))
        patched.setattr(image, "spawn", spawning(image.spawn))
        _watched[threading.get_ident()] = root, at
        try:
            yield
        finally:
            del _watched[threading.get_ident()]
