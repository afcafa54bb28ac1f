"""The demo's supervisor with small stand-ins for vmrep's processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmrep.local.errors import StopRequested
from vmrep.local.supervisor import ChildDied, Program, Supervisor

# Notes its start; on SIGTERM notes its end.
POLITE = """
import signal, sys, time
note = open(sys.argv[1], "a", buffering=1)
def end(*_):
    print(sys.argv[2], "ends", file=note)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print(sys.argv[2], "starts", file=note)
while True:
    time.sleep(60)
"""

# Heeds nothing and has a child of its own, which does not either; notes both.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    signal.signal(signal.SIGQUIT, lambda *_: print("asked twice", file=note))
note = open(sys.argv[1], "a", buffering=1)
print(os.getpid(), file=note)
while True:
    time.sleep(60)
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(os.environ, tmp_path / "log") as supervisor:
        yield supervisor


def python(name: str, source: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", source, *map(str, arguments)]


def polite(name: str, notes: Path) -> Program:
    return Program(
        name,
        python(name, POLITE, notes, name),
        ready=lambda: f"{name} starts" in notes.read_text(),
    )


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited for 30 seconds in vain")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_stops_the_children_last_started_first(supervisor: Supervisor, notes: Path) -> None:
    supervisor.start([polite("first", notes)])
    supervisor.start([polite("second", notes)])
    supervisor.stop()
    assert notes.read_text().splitlines() == [
        "first starts",
        "second starts",
        "second ends",
        "first ends",
    ]


def test_a_child_that_dies_is_reported_with_its_last_lines(supervisor: Supervisor) -> None:
    source = "import sys; print('out of paper'); sys.exit(3)"
    with pytest.raises(ChildDied) as caught:
        supervisor.start([Program("printer", python("p", source), ready=lambda: False)])
    assert "printer ended with exit code 3" in str(caught.value)
    assert "printer | out of paper" in str(caught.value)


def test_lines_of_an_earlier_start_are_not_shown(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "log" / "printer.log").write_text("yesterday's trouble\n")
    with pytest.raises(ChildDied) as caught:
        supervisor.start([Program("printer", python("p", "1/0"), ready=lambda: False)])
    assert "ZeroDivisionError" in str(caught.value)
    assert "yesterday" not in str(caught.value)


def test_a_child_that_dies_later_is_noticed(supervisor: Supervisor, notes: Path) -> None:
    supervisor.start([polite("worker", notes)])
    supervisor.children[0].process.kill()
    with pytest.raises(ChildDied, match="worker was ended by SIGKILL"):
        wait_until(lambda: supervisor.pause() is not None)


def test_a_stubborn_child_and_what_it_started_are_killed_in_the_end(
    supervisor: Supervisor, notes: Path
) -> None:
    supervisor.start(
        [
            Program(
                "stubborn",
                python("stubborn", STUBBORN, notes),
                ready=lambda: len(notes.read_text().splitlines()) == 2,
                stop=((signal.SIGTERM, 0.3), (signal.SIGQUIT, 0.3)),
            )
        ]
    )
    pids = [int(line) for line in notes.read_text().splitlines()]
    supervisor.stop()
    assert "asked twice" in notes.read_text()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def test_a_signal_asks_to_stop_and_does_not_reach_the_children(
    supervisor: Supervisor, notes: Path
) -> None:
    supervisor.start([polite("worker", notes)])
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(StopRequested):
        supervisor.pause()
    child = supervisor.children[0]
    assert child.running
    assert os.getsid(child.process.pid) != os.getsid(0)


def test_a_program_that_ends_gives_its_exit_code(supervisor: Supervisor) -> None:
    assert supervisor.run(Program("task", python("task", "import sys; sys.exit(7)"))) == 7


def test_the_children_die_with_a_killed_supervisor(tmp_path: Path, notes: Path) -> None:
    source = textwrap.dedent(f"""
        import os, pathlib, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from vmrep.local.supervisor import Program, Supervisor
        notes = pathlib.Path({str(notes)!r})
        with Supervisor(os.environ, pathlib.Path({str(tmp_path / "log")!r})) as supervisor:
            supervisor.start([Program(
                "worker",
                [sys.executable, "-c", {POLITE!r}, str(notes), "worker"],
                ready=lambda: "worker starts" in notes.read_text(),
            )])
            print(supervisor.children[0].process.pid, flush=True)
            while True:
                supervisor.pause()
    """)
    owner = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    child = int(owner.stdout.readline())
    assert is_running(child)
    owner.kill()
    owner.wait()
    wait_until(lambda: not is_running(child))
    assert "worker ends" in notes.read_text()
