"""Commands that serve NBD: nbdkit's own plugins, and programs that do not do what they should."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from replication.engine.errors import SourceError
from replication.engine.sources import nbd_command
from replication.engine.sources.nbd_command import PASSWORD, SOCKET, NbdCommandSource
from tests.engine.support import has_process

MIB = 1 << 20
SIZE = 4 * MIB
CONTENT = bytes(range(256)) * (SIZE // 256)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    file = tmp_path / "disk.raw"
    file.write_bytes(CONTENT)
    return file


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nbd_command, "START_SECONDS", 1.0)
    monkeypatch.setattr(nbd_command, "READ_SECONDS", 1.0)
    monkeypatch.setattr(nbd_command, "RETRY_DELAYS_SECONDS", (0.0, 0.0, 0.0))


def nbdkit(*arguments: str) -> Callable[[Path], Sequence[str]]:
    kept = ("--foreground", "--exit-with-parent", "--readonly", "--newstyle")
    return lambda folder: ["nbdkit", *kept, "--unix", str(folder / SOCKET), *arguments]


def source(make: Callable[[Path], Sequence[str]], **more: object) -> NbdCommandSource:
    return NbdCommandSource(make, SIZE, "vm1, Hard disk 1, by the command “x”", **more)


def read(served: NbdCommandSource, offset: int = 0, length: int = MIB) -> bytes:
    reader = served.connect()
    try:
        found = bytearray(length)
        reader.read_into(offset, memoryview(found))
        return bytes(found)
    finally:
        reader.close()


def read_on(served: NbdCommandSource) -> None:
    """Read until it fails: a program that went into the background may serve first reads before
    it is ended."""
    reader = served.connect()
    try:
        for _ in range(1000):
            reader.read_into(0, memoryview(bytearray(MIB)))
    finally:
        reader.close()


def python(text: str) -> Callable[[Path], Sequence[str]]:
    """A program of our own; its first argument is the socket."""
    return lambda folder: [sys.executable, "-c", text, str(folder / SOCKET)]


def processes_of(keeper: int, file: str) -> list[Path]:
    """A file of /proc of the keeper and of what it runs."""
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    assert children
    return [Path(f"/proc/{pid}/{file}") for pid in (keeper, *children)]


@pytest.mark.parametrize("connections", [1, 4])
def test_threads_read_at_once_and_the_program_ends_with_the_last(raw, connections):
    pids: list[int] = []

    def make(folder: Path) -> Sequence[str]:
        assert folder.stat().st_mode & 0o777 == 0o700
        pids.append(os.getpid())
        return nbdkit("file", f"file={raw}")(folder)

    served, wrong = source(make, connections=connections), []
    readers = [served.connect() for _ in range(4)]

    def work(number: int) -> None:
        view = memoryview(bytearray(64 << 10))
        for at in range(number * len(view), SIZE, 4 * len(view)):
            readers[number].read_into(at, view)
            if view != CONTENT[at : at + len(view)]:
                wrong.append(at)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, len(pids)) == ([], 1)
    server = served._server
    assert server is not None
    assert server._child is not None
    pid, folder = server._child.pid, server._folder
    for reader in readers:
        reader.close()
    assert not has_process(pid)
    assert not folder.exists()


def test_the_password_is_in_a_file_until_the_program_serves(raw, tmp_path):
    copy = tmp_path / "seen"
    script = (
        f'stat -c %a "$1/{PASSWORD}" >{copy}; cat "$1/{PASSWORD}" >>{copy}; '
        f'exec nbdkit -f -r -U "$1/{SOCKET}" file {raw}'
    )
    served = source(lambda folder: ["sh", "-c", script, "sh", str(folder)], password="s3cret 'x")
    reader = served.connect()
    reader.read_into(0, memoryview(bytearray(512)))
    assert copy.read_text() == "600\ns3cret 'x"
    server = served._server
    assert server is not None
    assert not (server._folder / PASSWORD).exists()
    assert server._child is not None
    for told in ("cmdline", "environ"):
        shown = b"".join(path.read_bytes() for path in processes_of(server._child.pid, told))
        assert b"s3cret" not in shown
    reader.close()


def test_a_slow_program_is_only_slow(raw):
    make = nbdkit("--filter=delay", "file", f"file={raw}", "rdelay=200ms")
    assert read(source(make)) == CONTENT[:MIB]


def test_an_error_that_passes_is_tried_again(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(nbd_command, "RETRY_DELAYS_SECONDS", (0.5, 0.5, 0.5))
    fails = tmp_path / "fails"
    fails.touch()
    make = nbdkit(
        "--filter=error",
        "file",
        f"file={raw}",
        "error=EIO",
        "error-rate=100%",
        f"error-file={fails}",
    )
    served = source(make)
    reader = served.connect()
    threading.Timer(0.3, fails.unlink).start()
    found = bytearray(MIB)
    reader.read_into(0, memoryview(found))
    assert bytes(found) == CONTENT[:MIB]
    fails.touch()
    with pytest.raises(SourceError, match="could not read 1048576 bytes at 0") as problem:
        reader.read_into(0, memoryview(found))
    assert problem.value.transient
    reader.close()


SERVES = (
    "import os,sys,socket,time; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()"
)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda folder: ["/nonexistent/program"],
            r"ended with code 127 \(there is no such program",
        ),
        (python("import sys; sys.exit('no licence')"), "code 1 and said: no licence"),
        (python(f"{SERVES}; c,_=s.accept()"), "the command ended with code 0"),
        (lambda folder: ["nbdkit", "-U", str(folder / SOCKET), "memory", "4M"], "the background"),
        (python("import time; time.sleep(60)"), "made no socket in 1 seconds"),
        (python(f"{SERVES}; time.sleep(60)"), "did not finish its greeting in time"),
        (
            python(f"{SERVES}; c,_=s.accept(); c.send(b'HTTP/1.1 400 no'*99); time.sleep(60)"),
            "serves no disk over NBD",
        ),
        (nbdkit("memory", "5M"), "serves 5242880 bytes, but the disk has 4194304"),
        (python(f"{SERVES}; os.fork() and os._exit(0); time.sleep(60)"), "into the background"),
        (
            nbdkit("--filter=delay", "memory", "4M", "rdelay=30"),
            "did not answer a read of 1048576 bytes at 0 in time",
        ),
    ],
)
def test_what_a_program_does_wrong_is_reported(impatient, make, words):
    started = time.monotonic()
    with pytest.raises(SourceError, match=words) as problem:
        read_on(source(make))
    assert str(problem.value).startswith("vm1, Hard disk 1, by the command “x”: the command ")
    assert time.monotonic() - started < 20


def test_a_program_that_dies_in_the_middle_is_reported_and_leaves_nothing(raw, impatient):
    served = source(nbdkit("file", f"file={raw}"))
    reader = served.connect()
    reader.read_into(0, memoryview(bytearray(MIB)))
    server = served._server
    assert server is not None
    assert server._child is not None
    (program,) = processes_of(server._child.pid, "")[1:]
    os.kill(int(program.name), 9)
    with pytest.raises(SourceError, match="ended with code -9") as problem:
        reader.read_into(MIB, memoryview(bytearray(MIB)))
    assert problem.value.transient
    reader.close()
    assert not server._folder.exists()


def test_what_it_started_ends_with_it(raw, tmp_path):
    other = tmp_path / "other"
    script = f'sleep 600 & echo $! >{other}; exec nbdkit -f -r -U "$1" file {raw}'
    assert read(source(lambda folder: ["sh", "-c", script, "sh", str(folder / SOCKET)]))
    deadline = time.monotonic() + 5
    while has_process(int(other.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not has_process(int(other.read_text()))


def test_an_aborted_read_waits_for_nobody(impatient, monkeypatch):
    monkeypatch.setattr(nbd_command, "READ_SECONDS", 600.0)
    served = source(nbdkit("--filter=delay", "memory", "4M", "rdelay=600"))
    threading.Timer(0.5, served.abort).start()
    with pytest.raises(SourceError, match="stopped") as problem:
        read(served)
    assert not problem.value.transient
