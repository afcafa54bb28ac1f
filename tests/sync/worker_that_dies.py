"""A worker that takes the next job and is killed with -9 at a named point of it.

Points: "before <step>" and "after <step>" for every step's function, "within transfer" (after some
requests of the copy and a checkpoint), "of hanging storage" (the image's check before the commit
does not end, and the worker stands with it: nobody kills it, it ends by itself), "of a share that
is away" (likewise, when the files are to be sealed), "between seal and commit" (files renamed,
transaction not begun), "within snapshot" (vSphere has made it, the answer is not recorded), "change
<number>" (before that change of a file, program or statement, by `pauses`).
"""

import itertools
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
from django.conf import settings

from replication import messages
from replication.engine.copy import DiskCopy
from replication.models import Repository
from replication.services import finish
from replication.services.results import SealedDisk
from replication.sync import commit, guard, runner, snapshot, transfer
from replication.sync.job_run import JobRun
from replication.sync.transfer import FinishedDisk
from tests import mounts
from tests.sync.pauses import points


def die(*args: object, **kwargs: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hold_copies_back() -> None:
    """Once a copy has done something it waits for its death, which cannot come too late then."""
    take, first = DiskCopy._take, {}

    def take_or_wait(self: DiskCopy) -> object:
        if self.low_water() > first.setdefault(id(self), self.low_water()):
            time.sleep(60)
        return take(self)

    DiskCopy._take = take_or_wait


def hang_in_storage() -> None:
    """The image's check before the commit never ends, as on storage that does not answer."""
    guard.RENEW_EVERY_SECONDS, guard.STALLED_AFTER_SECONDS = 0.5, 3.0
    folder = tempfile.mkdtemp(prefix="vmrep-test-")
    program = Path(folder) / "qemu-img"
    program.write_text(
        f'#!/bin/sh\n[ "$1" != check ] || {{ rm -r {folder}; exec sleep 600; }}\n'
        f'exec {shutil.which("qemu-img")} "$@"\n'
    )
    program.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def hang_on_a_share() -> None:
    """The repository's share is away when the files are to be sealed."""
    guard.RENEW_EVERY_SECONDS, guard.STALLED_AWAY_SECONDS = 0.5, 3.0
    seal = commit._seal

    def seal_there(run: JobRun, disk: FinishedDisk) -> SealedDisk:
        mounts.let_hang(Path(run.job.repository.config["path"]))
        return seal(run, disk)

    commit._seal = seal_there


def die_at_change(number: int) -> None:
    """Before that change of a file, program or statement, counted from 0."""
    numbers, run_next = itertools.count(), runner.run_next

    def count_and_run() -> str | None:
        def at(name: str) -> None:
            if next(numbers) == number:
                die()

        root = Path(Repository.objects.get().config["path"])
        with points(root, at, pytest.MonkeyPatch()):
            return run_next()

    runner.run_next = count_and_run


def arrange(point: str) -> None:
    when, _, name = point.partition(" ")
    if when in ("before", "after"):
        step = getattr(runner, name)

        def dying(*args: object) -> object:
            if when == "before":
                die()
            step(*args)
            die()
            return None

        setattr(runner, name, dying)
    elif when == "change":
        die_at_change(int(name))
    elif point == "within snapshot":
        snapshot._created = die
    elif point == "between seal and commit":
        finish.completed = die
    elif point == "of hanging storage":
        hang_in_storage()
    elif point == "of a share that is away":
        hang_on_a_share()
    elif point == "within transfer":
        transfer.PROGRESS_EVERY_SECONDS = 0.01
        transfer.CHECKPOINT_EVERY_SECONDS = 0.0
        report = transfer._Transfer._report

        def report_and_die(self: transfer._Transfer) -> None:
            report(self)
            for active in self._active:
                if active.copy.low_water() > active.plan.extents[0].offset:
                    active.checkpoint()
                    self._save_checkpoint(active)
                    die()

        transfer._Transfer._report = report_and_die
        hold_copies_back()
    else:
        raise ValueError(f"no such point: {point}")


def main(point: str, nbd_commands: str = "") -> None:
    """In a process of its own (`nursery`): nothing of what is arranged is taken back."""
    settings.NBD_COMMANDS = nbd_commands
    messages.send = lambda *message: None
    arrange(point)
    runner.run_next()
