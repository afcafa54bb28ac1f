"""What a command starts ends with it, wherever it went, and however its worker ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.engine import folders
from replication.engine.sources import nbd_command
from replication.engine.sources.nbd_command import SOCKET, NbdCommandSource
from tests.engine.support import has_process, run_python, wait_until

SIZE = 4 << 20

# A real nbdkit, and beside it: a child, a session of its own, a daemon that has left its parents,
# one without the environment that it was given, and one that wants to hear no signal.
STARTS = """
cd "$2"
sleep 600 & echo $! >child
setsid sh -c 'echo $$ >session; exec sleep 600' &
(setsid sh -c 'sh -c "echo \\$\\$ >daemon; exec sleep 600" &' &)
env -i setsid sh -c 'echo $$ >bare; exec sleep 600' &
sh -c 'trap "" TERM HUP INT; echo $$ >deaf; sleep 600; sleep 600' &
echo $$ >nbdkit
exec nbdkit --foreground --readonly --unix "$1" memory 4M
"""
READ_AND_WAIT = """
import json, sys, threading
from replication.engine.sources.nbd_command import SOCKET, NbdCommandSource
script, told = sys.argv[1:]
source = NbdCommandSource(
    lambda folder: ["sh", "-c", script, "sh", str(folder / SOCKET), told], 4 << 20, "vm1"
)
reader = source.connect()
reader.read_into(0, memoryview(bytearray(512)))
print(json.dumps([source._server._child.pid, str(source._server._folder)]), flush=True)
threading.Event().wait()
"""
NAMES = ("child", "session", "daemon", "bare", "deaf", "nbdkit")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path must be short
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Path]:
    """Where the processes write their IDs. None outlives the test."""
    yield tmp_path
    for pid in running(tmp_path):
        os.kill(pid, signal.SIGKILL)


def running(told: Path) -> list[int]:
    files = [told / name for name in NAMES if (told / name).exists()]
    return [pid for pid in (int(file.read_text()) for file in files) if has_process(pid)]


def worker_that_reads(told: Path) -> tuple[subprocess.Popen[str], int, Path]:
    """A worker whose command runs, the process that watches over it, and its folder."""
    worker = run_python(READ_AND_WAIT, STARTS, str(told), stdout=subprocess.PIPE)
    assert worker.stdout is not None
    keeper, folder = json.loads(worker.stdout.readline())
    wait_until(lambda: len(running(told)) == len(NAMES), "all that the command starts")
    return worker, keeper, Path(folder)


def end(worker: subprocess.Popen[str]) -> None:
    worker.kill()
    worker.wait()
    assert worker.stdout is not None
    worker.stdout.close()


def test_all_end_with_a_worker_that_is_killed(temporary: Path, told: Path) -> None:
    worker, keeper, folder = worker_that_reads(told)
    end(worker)
    wait_until(lambda: not running(told), "the end of what the command started", seconds=10)
    wait_until(lambda: not has_process(keeper), "the end of the one that watches")
    assert folders.remove_abandoned() == 1
    assert not folder.exists()


def test_all_end_with_the_last_reader(temporary: Path, told: Path) -> None:
    source = NbdCommandSource(
        lambda folder: ["sh", "-c", STARTS, "sh", str(folder / SOCKET), str(told)], SIZE, "vm1"
    )
    reader = source.connect()
    reader.read_into(0, memoryview(bytearray(512)))
    wait_until(lambda: len(running(told)) == len(NAMES), "all that the command starts")
    reader.close()
    assert running(told) == []
    assert list(temporary.iterdir()) == []


def test_the_next_command_ends_what_a_killed_watcher_left(temporary: Path, told: Path) -> None:
    """Worker and watcher are killed together: what has kept its environment is found by it."""
    worker, keeper, folder = worker_that_reads(told)
    os.kill(keeper, signal.SIGSTOP)  # so that it cannot notice
    end(worker)
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not has_process(keeper), "the end of the one that watches")
    wait_until(lambda: not has_process(int((told / "nbdkit").read_text())), "nbdkit's end")
    assert running(told), "a case in which nothing is left shows nothing"

    source = NbdCommandSource(
        lambda folder: ["nbdkit", "-f", "-r", "-U", str(folder / SOCKET), "memory", "4M"],
        SIZE,
        "vm1",
    )
    reader = source.connect()
    reader.read_into(0, memoryview(bytearray(512)))
    assert [path for path in temporary.iterdir() if path == folder] == []
    bare = int((told / "bare").read_text())  # docs/transports.md says that this one stays
    assert running(told) in ([], [bare])
    reader.close()


def test_what_a_live_worker_runs_is_left_alone(temporary: Path, told: Path) -> None:
    worker, _, _ = worker_that_reads(told)
    try:
        assert folders.remove_abandoned() == 0
        assert len(running(told)) == len(NAMES)
    finally:
        end(worker)


def test_a_watcher_that_is_killed_takes_all_with_it(
    temporary: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker ends what is left when it hears of it."""
    monkeypatch.setattr(nbd_command, "RETRY_DELAYS_SECONDS", ())
    source = NbdCommandSource(
        lambda folder: ["sh", "-c", STARTS, "sh", str(folder / SOCKET), str(told)], SIZE, "vm1"
    )
    reader = source.connect()
    reader.read_into(0, memoryview(bytearray(512)))
    wait_until(lambda: len(running(told)) == len(NAMES), "all that the command starts")
    assert source._server is not None
    assert source._server._child is not None
    os.kill(source._server._child.pid, signal.SIGKILL)
    reader.close()
    assert running(told) in ([], [int((told / "bare").read_text())])
    assert list(temporary.iterdir()) == []
