from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest

from replication.engine.processes import Child, is_alive, spawn, this_boot_id
from tests.engine.support import run_python, wait_until


def ended(child: Child) -> str:
    child.wait(30)
    text = child.error_text()
    child.close()
    return text


def test_a_child_has_the_program_s_pid_arguments_and_exit_code() -> None:
    hostile = ["a b", "$HOME", "`id`", "'\"", "--", "-n", ""]
    child = spawn(["sh", "-c", 'echo "$$ $LC_ALL"; printf "<%s>" "$@"; exit 7', "sh", *hostile])
    assert child.wait(30) == 7
    child.stdout.seek(0)
    first, rest = child.stdout.read().decode().split("\n", 1)
    assert first == f"{child.pid} C"
    assert rest == "".join(f"<{word}>" for word in hostile)
    child.close()


def test_a_child_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user:secret@host/db")
    child = spawn(["env"])
    child.wait(30)
    child.stdout.seek(0)
    names = {line.split(b"=")[0] for line in child.stdout.read().splitlines()}
    assert b"PATH" in names
    assert b"DATABASE_URL" not in names
    child.close()


def test_last_words_stay_readable_while_it_runs_and_after() -> None:
    child = spawn(["sh", "-c", "echo one >&2; read x; echo two >&2; exec sleep 600"])
    wait_until(lambda: "two" in child.error_text(), "the child's words")
    child.kill()
    child.close()
    assert child.error_text() == "one\ntwo"


def test_a_program_that_does_not_exist_ends_with_127() -> None:
    child = spawn(["vmrep-no-such-program"])
    assert child.wait(30) == 127
    assert "not found" in ended(child)


def test_an_impossible_argument_is_raised_and_the_next_spawn_works() -> None:
    with pytest.raises(ValueError, match="null byte"):
        spawn(["echo", "\0"])
    assert ended(spawn(["true"])) == ""


def test_identity_tells_processes_apart() -> None:
    child = spawn(["sleep", "600"])
    pid, start_time, boot = child.identity
    assert is_alive(pid, start_time, boot)
    assert not is_alive(pid, start_time + 1, boot)
    assert not is_alive(pid, start_time, "00000000-0000-0000-0000-000000000000")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid, start_time, boot), "the end of the child")
    assert child.wait(30) == -signal.SIGKILL
    assert not is_alive(pid, start_time, boot)
    child.close()


def test_a_zombie_counts_as_ended() -> None:
    process = subprocess.Popen(["true"])
    stat = f"/proc/{process.pid}/stat"
    wait_until(lambda: " Z " in open(stat).read(), "the zombie")  # noqa: PTH123, SIM115
    fields = open(stat).read().rpartition(")")[2].split()  # noqa: PTH123, SIM115
    assert not is_alive(process.pid, int(fields[19]), this_boot_id())
    process.wait()


def test_a_child_outlives_the_thread_that_asked_for_it() -> None:
    children: list[Child] = []
    thread = threading.Thread(target=lambda: children.append(spawn(["sleep", "600"])))
    thread.start()
    thread.join()
    with pytest.raises(TimeoutError):
        children[0].wait(0.3)
    assert children[0].stop(30) == -signal.SIGTERM
    children[0].close()


SPAWN_AND_WAIT = """
import sys, threading
from replication.engine.processes import spawn
child = spawn(["sleep", "600"])
print(*child.identity, flush=True)
threading.Event().wait()
"""


def test_a_child_dies_with_a_parent_that_is_killed() -> None:
    parent = run_python(SPAWN_AND_WAIT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid, start_time, boot = parent.stdout.readline().split()
    assert is_alive(int(pid), int(start_time), boot)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_alive(int(pid), int(start_time), boot), "the end of the child")


SPAWN_IN_A_FORK = """
import os, signal
from replication.engine.processes import spawn
spawn(["true"]).wait(30)
pid = os.fork()
if pid == 0:
    child = spawn(["sh", "-c", "exit 5"])
    os._exit(child.wait(30))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_forked_worker_can_spawn_as_well() -> None:
    process = run_python(SPAWN_IN_A_FORK, stdout=subprocess.PIPE)
    assert process.communicate(timeout=60)[0].strip() == "5"


def test_a_program_is_not_begun_when_the_parent_died_just_before() -> None:
    """The shell between setpriv and the program sees that its parent is another one."""
    from replication.engine import processes

    stray = subprocess.run(
        ["sh", "-c", processes._BECOME, "sh", "1", "echo", "began"],
        capture_output=True,
        check=False,
    )
    assert (stray.returncode, stray.stdout) == (125, b"")
