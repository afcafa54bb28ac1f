"""A worker that removes the next points and is killed with -9 at a named point.

Points: "before <step>" and "after <step>" for every step in the database (`retention.steps`) and
every one of the storage (`expect`, `merge`, `check_merged`, `take_name`, `discard`); "within
expect" (the map is written, but has no name), "within merge" (qemu-img has written a part, and is
killed with its worker), "within take_name" (renamed, the folder not synced), "change <number>"
(before that change of a file, program or statement).
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from replication import messages
from replication.engine import durable, merging
from replication.engine.directory import DirectoryRepository
from replication.models import Repository
from replication.retention import run, steps
from tests.sync.pauses import points


def die(*args: object, **kwargs: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_commit() -> None:
    """A qemu-img that writes slowly, and is killed just before its worker when it has begun: the
    shell that stands for it here ends with the worker, and would leave it behind."""
    folder = Path(tempfile.mkdtemp(prefix="vmrep-test-"))
    program = folder / "qemu-img"
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = commit ] || exec {shutil.which("qemu-img")} "$@"\n'
        f"rm -r {folder}\n"
        f'{shutil.which("qemu-img")} commit -r 600k "$2" "$3" "$4" >&2 & sleep 0.35\n'
        f"kill -9 $!; kill -9 {os.getpid()}; wait\n"
    )
    program.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def arrange(point: str) -> None:
    when, _, name = point.partition(" ")
    if point == "within expect":
        merging.rename_durably = die
    elif point == "within merge":
        half_commit()
    elif point == "within take_name":
        durable.fsync_folder = die
    elif when == "change":
        numbers, run_next = itertools.count(), run.run_next

        def count_and_run() -> str | None:
            def at(_: str) -> None:
                if next(numbers) == int(name):
                    die()

            root = Path(Repository.objects.get().config["path"])
            with points(root, at, pytest.MonkeyPatch()):
                return run_next()

        run.run_next = count_and_run
    else:
        owner = steps if hasattr(steps, name) else DirectoryRepository
        step = getattr(owner, name)

        def dying(*args: object, **kwargs: object) -> object:
            if when == "after":
                step(*args, **kwargs)
            return die()

        setattr(owner, name, dying)


def main(point: str) -> None:
    """In a process of its own (`nursery`): nothing of what is arranged is taken back."""
    messages.send = lambda *message: None
    arrange(point)
    run.run_next()
