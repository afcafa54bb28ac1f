from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import uuid
from pathlib import Path

import pytest

from replication.engine import folders, qemu
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import EngineError, ImageAltered, RepositoryFull, TargetError
from replication.engine.image import (
    ImageConnection,
    ImageReader,
    ImageWriter,
)
from replication.engine.processes import ProcessIdentity, is_alive, this_boot_id
from tests.engine.support import (
    MIB,
    chain_of,
    copy_into,
    create,
    difference,
    files_of,
    make_raw,
    names,
    opened,
    pwrite,
    run_python,
    sha256,
    wait_until,
    whole,
    zero,
)

NO_PID = 1 << 22  # one more than Linux ever gives


@pytest.fixture
def image(tmp_path: Path) -> Path:
    qemu.create(tmp_path / "image.qcow2", 64 * MIB)
    return tmp_path / "image.qcow2"


def test_what_was_written_is_read_back_over_another_connection(image: Path) -> None:
    data = random.Random(1).randbytes(3 * MIB + 512)
    with ImageWriter(files_of(image)) as writer:
        assert writer.size_bytes == 64 * MIB
        pwrite(writer.connect(), memoryview(bytearray(data)), 512)
        assert writer.connect().pread(len(data), 512) == data
    with ImageReader(files_of(image)) as reader:
        assert reader.connect().pread(len(data) + 1024, 0) == bytes(512) + data + bytes(512)


def flags_of(process: ProcessIdentity, file: Path) -> int:
    """How a process has a file open."""
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        if descriptor.resolve() == file:
            lines = Path(f"/proc/{process.pid}/fdinfo/{descriptor.name}").read_text().splitlines()
            return next(int(line.split()[1], 8) for line in lines if line.startswith("flags"))
    raise AssertionError(f"{file} is not open")


def test_what_is_written_passes_by_the_page_cache(tmp_path: Path) -> None:
    repository = DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))
    raw = make_raw(tmp_path / "raw", 2 * MIB, 1, MIB)
    copy_into(repository, raw, "base", whole(2 * MIB))
    create(repository, "top.tmp", 2 * MIB, "base.qcow2")
    with opened(repository, "top.tmp") as image:
        assert flags_of(image.process, repository.root / "top.tmp/image") & os.O_DIRECT
        assert not flags_of(image.process, repository.root / "base.qcow2") & os.O_DIRECT


def test_a_file_system_without_direct_writes_gets_ordinary_ones(tmp_path: Path) -> None:
    folder = tmp_path / "ramfs"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "ramfs", "none", str(folder)], check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        repository = DirectoryRepository.initialise(folder / "repository", str(uuid.uuid4()))
        raw = make_raw(tmp_path / "raw", 2 * MIB, 1, MIB)
        copy_into(repository, raw, "base", whole(2 * MIB))
        assert difference(repository.root / "base.qcow2", raw) is None
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_without_io_uring_threads_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "_has_io_uring", lambda: False)
    repository = DirectoryRepository.initialise(tmp_path / "repository", str(uuid.uuid4()))
    raw = make_raw(tmp_path / "raw", 2 * MIB, 1, MIB)
    copy_into(repository, raw, "base", whole(2 * MIB))
    assert difference(repository.root / "base.qcow2", raw) is None


@pytest.mark.parametrize("offset", [0, 512, 65536, MIB - 512])
@pytest.mark.parametrize("length", [512, 65536, 4 * MIB])
def test_zero_hides_what_lies_below(
    repository: DirectoryRepository, tmp_path: Path, offset: int, length: int
) -> None:
    content = bytearray(random.Random(1).randbytes(8 * MIB))
    raw = tmp_path / "raw"
    raw.write_bytes(content)
    copy_into(repository, raw, "base", whole(8 * MIB))
    create(repository, "top.tmp", 8 * MIB, "base.qcow2")
    with opened(repository, "top.tmp") as image:
        zero(image.connect(), length, offset)
    content[offset : offset + length] = bytes(length)
    raw.write_bytes(content)
    assert difference(repository.root / "top.tmp/image", raw) is None


def test_zero_takes_no_room_for_data(image: Path) -> None:
    with ImageWriter(files_of(image)) as writer:
        zero(writer.connect(), 64 * MIB, 0)
    assert image.stat().st_blocks * 512 < MIB
    (entry,) = json.loads(
        subprocess.run(
            ["qemu-img", "map", "--output=json", image], capture_output=True, check=True
        ).stdout
    )
    assert (entry["length"], entry["zero"], entry["data"]) == (64 * MIB, True, False)


def test_zero_over_data_keeps_its_clusters_and_reads_as_zero(image: Path) -> None:
    with ImageWriter(files_of(image)) as writer:
        connection = writer.connect()
        pwrite(connection, b"x" * MIB, 0)
        zero(connection, MIB, 0)
        assert connection.pread(MIB, 0) == bytes(MIB)
    report = subprocess.run(
        ["qemu-img", "map", "--output=json", image], capture_output=True, check=True
    )
    first = json.loads(report.stdout)[0]
    assert (first["length"], first["zero"]) == (MIB, True)
    assert "offset" in first  # nothing was discarded


def test_a_larger_overlay_reads_zeroes_behind_its_base(
    repository: DirectoryRepository, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(random.Random(1).randbytes(2 * MIB))
    copy_into(repository, raw, "base", whole(2 * MIB))
    create(repository, "top.tmp", 4 * MIB, "base.qcow2")
    with repository.open_readonly(chain_of(repository, "top.tmp")) as image:
        assert image.connect().pread(4 * MIB, 0) == raw.read_bytes() + bytes(2 * MIB)


def test_stretches_cover_everything_and_know_the_zeroes(image: Path) -> None:
    with ImageWriter(files_of(image)) as writer:
        connection = writer.connect()
        pwrite(connection, b"x" * 65536, 10 * MIB)
        zero(connection, MIB, 20 * MIB)
    with ImageReader(files_of(image)) as reader:
        found = list(reader.connect().stretches(512, 63 * MIB))
    at = 512
    for stretch in found:
        assert stretch.offset == at
        at += stretch.length
    assert at == 63 * MIB + 512
    assert [(s.offset, s.length) for s in found if not s.zero] == [(10 * MIB, 65536)]


def test_a_reader_cannot_write(image: Path) -> None:
    with ImageReader(files_of(image)) as reader, pytest.raises(TargetError, match="writing"):
        pwrite(reader.connect(), b"x" * 512, 0)


def test_writing_outside_the_image_is_an_error(image: Path) -> None:
    with ImageWriter(files_of(image)) as writer:
        connection = writer.connect()
        with pytest.raises(TargetError, match="writing"):
            pwrite(connection, b"x" * 1024, 64 * MIB - 512)
        with pytest.raises(TargetError, match="writing"):
            zero(connection, 1024, 64 * MIB - 512)


def test_two_writers_exclude_each_other(image: Path) -> None:
    with ImageWriter(files_of(image)), pytest.raises(TargetError, match="lock"):
        ImageWriter(files_of(image))


def test_an_image_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="No such file"):
        ImageWriter(files_of(tmp_path / "missing.qcow2"))
    (tmp_path / "garbage").write_bytes(b"garbage" * 1000)
    with pytest.raises(TargetError, match="not a qcow2 image"):
        ImageWriter(files_of(tmp_path / "garbage"))


def test_hostile_file_names_reach_the_daemon_unharmed(tmp_path: Path) -> None:
    path = tmp_path / "a,read-only=on,\"b'$(id)  ü.qcow2"
    qemu.create(path, MIB)
    with ImageWriter(files_of(path)) as writer:
        pwrite(writer.connect(), b"x" * 512, 0)
    with ImageReader(files_of(path)) as reader:
        assert reader.connect().pread(512, 0) == b"x" * 512


def test_close_leaves_no_process_and_no_folder(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = tmp_path / "s"
    sockets.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(sockets))
    writer = ImageWriter(files_of(image))
    assert is_alive(*writer.process)
    assert len(names(sockets)) == 1
    writer.close()
    writer.close()
    assert not is_alive(*writer.process)
    with pytest.raises(TargetError):
        ImageWriter(files_of(tmp_path / "missing.qcow2"))
    assert names(sockets) == []


def test_a_killed_daemon_is_a_target_error_everywhere(image: Path) -> None:
    writer = ImageWriter(files_of(image))
    connection = writer.connect()
    pwrite(connection, b"x" * 512, 0)
    os.kill(writer.process.pid, signal.SIGKILL)
    for action in (
        lambda: pwrite(connection, b"x" * 512, 0),
        lambda: connection.pread(512, 0),
        lambda: zero(connection, 512, 0),
        writer.flush,
        writer.connect,
    ):
        with pytest.raises(TargetError, match="ended with code -9"):
            action()
    with pytest.raises(TargetError, match="flushing"):
        writer.close()


def test_a_failure_inside_the_block_is_not_hidden_by_one_at_its_end(image: Path) -> None:
    def fail() -> None:
        with ImageWriter(files_of(image)) as writer:
            os.kill(writer.process.pid, signal.SIGKILL)
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        fail()
    assert "Closing the image failed as well" in caught.value.__notes__[0]


def test_a_flush_survives_the_daemon_s_death_for_all_connections(image: Path) -> None:
    """Four threads write over connections of their own, a fifth one flushes."""
    content = random.Random(1).randbytes(64 * MIB)
    writer = ImageWriter(files_of(image))

    def write(part: int) -> None:
        connection = writer.connect()
        for offset in range(part * 16 * MIB, (part + 1) * 16 * MIB, MIB):
            pwrite(connection, content[offset : offset + MIB], offset)

    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()
    writer.kill()
    qemu.check(image)
    with ImageReader(files_of(image)) as reader:
        connection = reader.connect()
        for offset in range(0, 64 * MIB, 16 * MIB):
            assert connection.pread(16 * MIB, offset) == content[offset : offset + 16 * MIB]


OPEN_AND_WAIT = """
import sys, threading
from pathlib import Path
from replication.engine.header import read_image_file
from replication.engine.image import ImageWriter
writer = ImageWriter([read_image_file(Path(sys.argv[1]))])
print(*writer.process, flush=True)
threading.Event().wait()
"""


def test_the_daemon_dies_with_its_worker_and_gives_the_lock_back(image: Path) -> None:
    worker = run_python(OPEN_AND_WAIT, str(image), stdout=subprocess.PIPE)
    assert worker.stdout is not None
    pid, start_time, boot = worker.stdout.readline().split()
    assert is_alive(int(pid), int(start_time), boot)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    wait_until(lambda: not is_alive(int(pid), int(start_time), boot), "the end of the daemon")
    with ImageWriter(files_of(image)) as writer:
        pwrite(writer.connect(), b"x" * 512, 0)


def test_the_folder_of_a_killed_workers_daemon_is_removed_later(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tempfile.mkdtemp(dir="/tmp")  # a socket's path must be short
    monkeypatch.setenv("TMPDIR", temporary)
    monkeypatch.setattr(tempfile, "tempdir", temporary)
    worker = run_python(OPEN_AND_WAIT, str(image), stdout=subprocess.PIPE)
    assert worker.stdout is not None
    pid, start_time, boot = worker.stdout.readline().split()
    worker.kill()
    worker.wait()
    worker.stdout.close()
    wait_until(lambda: not is_alive(int(pid), int(start_time), boot), "the end of the daemon")
    (left,) = Path(temporary).glob("vmrep-*")
    with ImageWriter(files_of(image)):
        (used,) = set(Path(temporary).glob("vmrep-*")) - {left}
        assert folders.remove_abandoned() == 1
        assert (left.exists(), used.exists()) == (False, True)
    Path(temporary).rmdir()  # it is empty


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another account")
def test_a_folder_of_another_account_is_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can put a link in /tmp under that name: to an image of terabytes, to a pipe."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    precious = tmp_path / "precious"
    precious.write_text(f"999999999 1 {this_boot_id()}")
    foreign, linked, piped = (tmp_path / f"vmrep-{name}" for name in ("foreign", "link", "pipe"))
    for folder in (foreign, linked, piped):
        folder.mkdir()
    for folder in (foreign, linked):
        (folder / "worker").symlink_to(precious)
    os.mkfifo(piped / "worker")
    (tmp_path / "vmrep-elsewhere").symlink_to(linked)
    os.chown(foreign, 12345, 12345)
    assert folders.remove_abandoned() == 0
    assert {path.name for path in tmp_path.glob("vmrep-*")} == {
        *("vmrep-foreign", "vmrep-link", "vmrep-pipe", "vmrep-elsewhere")
    }


def fill(connection: ImageConnection) -> None:
    for offset in range(0, 64 * MIB, MIB):
        pwrite(connection, os.urandom(MIB), offset)


def test_a_full_disk_is_said_and_the_base_stays_as_it_was(small_disk: Path, tmp_path: Path) -> None:
    repository = DirectoryRepository.initialise(small_disk / "repository", str(uuid.uuid4()))
    raw = make_raw(tmp_path / "raw", 64 * MIB, 1, 8 * MIB)
    copy_into(repository, raw, "base", whole(64 * MIB))
    before = sha256(repository.root / "base.qcow2")
    create(repository, "top.tmp", 64 * MIB, "base.qcow2")
    with (
        opened(repository, "top.tmp") as image,
        pytest.raises(RepositoryFull, match="Free space"),
    ):
        fill(image.connect())
    assert sha256(repository.root / "base.qcow2") == before


@pytest.mark.parametrize("pid", ["$$", str(NO_PID)], ids=["not reaped yet", "gone"])
def test_a_daemon_that_dies_once_it_is_up_is_a_target_error_with_its_words(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: str
) -> None:
    """Between its pid file and the look at its files: nobody has altered an image then."""
    daemon = tmp_path / "bin" / "qemu-storage-daemon"
    daemon.parent.mkdir()
    daemon.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != --pidfile ]; do shift; done\n'
        "echo I am ill >&2\n"
        f'echo {pid} > "$2.new" && mv "$2.new" "$2"\n'
        "exit 3\n"
    )
    daemon.chmod(0o755)
    monkeypatch.setenv("PATH", f"{daemon.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(TargetError, match="ended with code 3 and said: I am ill") as caught:
        ImageWriter(files_of(image))
    assert not isinstance(caught.value, ImageAltered)


def test_a_daemon_that_cannot_be_started_keeps_no_file_open(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(image)
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no setpriv
    with pytest.raises(EngineError, match="cannot be started"):
        ImageWriter(files)
    assert [file.held.closed for file in files] == [True]
