from __future__ import annotations

import http.client
import os
import random
import signal
import ssl
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from replication.engine import copy
from replication.engine.copy import CopyResult, DiskCopy
from replication.engine.digests import DigestMap, digest_of, read_digests
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import (
    CopyStopped,
    ExtentError,
    ImageDamaged,
    RepositoryFull,
    SourceError,
    TargetError,
)
from replication.engine.extents import Extent, normalise, total_bytes
from replication.engine.image import ImageConnection
from replication.engine.sources.file import FileSource
from replication.engine.sources.http_range import HttpRangeSource
from tests.engine.support import (
    MIB,
    RangeServer,
    SteeredSource,
    copy_into,
    create,
    difference,
    hang_up,
    make_raw,
    names,
    opened,
    refuse,
    run_python,
    same_by_qemu,
    sha256,
    wait_until,
    whole,
)

SIZE = 96 * MIB


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_raw(tmp_path / "raw", SIZE, 1, 40 * MIB)


def change(raw: Path, seed: int, count: int = 200) -> list[Extent]:
    """Let a guest write data and zeroes of every alignment; return what a tracker would say."""
    rng, written = random.Random(seed), []
    with raw.open("r+b") as file:
        for _ in range(count):
            length = rng.choice([512, 4096, 65536, 65536 + 512, 300 * 512])
            offset = rng.randrange(0, SIZE - length, 512)
            file.seek(offset)
            file.write(bytes(length) if rng.random() < 0.3 else rng.randbytes(length))
            written.append((offset, length))
    return normalise(written, SIZE)


def test_initial_then_incremental_are_equal_to_the_disk(
    repository: DirectoryRepository, raw: Path
) -> None:
    copy_into(repository, raw, "one", whole(SIZE))
    first = repository.root / "one.qcow2"
    assert difference(first, raw) is None
    before, kept = sha256(first), raw.with_name("kept")
    kept.write_bytes(raw.read_bytes())
    plan = change(raw, 2)
    create(repository, "two.tmp", SIZE, "one.qcow2")
    with opened(repository, "two.tmp") as image:
        result = DiskCopy(FileSource(raw), image, plan).run()
    repository.seal("two.tmp", "two.qcow2")
    assert result.bytes_read == total_bytes(plan)
    assert result.bytes_read == result.bytes_written + result.bytes_zero
    assert result.bytes_zero > 0
    assert result.bytes_same == 0
    assert difference(repository.root / "two.qcow2", raw) is None
    assert same_by_qemu(repository.root / "two.qcow2", raw)
    assert difference(first, kept) is None
    assert sha256(first) == before


def test_a_new_chain_root_is_zero_where_the_plan_says_nothing(
    repository: DirectoryRepository, tmp_path: Path
) -> None:
    raw = tmp_path / "sparse"
    raw.touch()
    os.truncate(raw, SIZE)
    plan = change(raw, 3)
    copy_into(repository, raw, "root", plan)
    assert difference(repository.root / "root.qcow2", raw) is None


def test_zeroes_take_no_room(repository: DirectoryRepository, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    with raw.open("wb") as file:
        file.write(bytes(SIZE))
        for offset in range(0, SIZE, 4 * MIB):
            file.seek(offset + MIB)
            file.write(os.urandom(65536))
    create(repository, "a.tmp", SIZE)
    with opened(repository, "a.tmp") as image:
        result = DiskCopy(FileSource(raw), image, whole(SIZE)).run()
    data = SIZE // (4 * MIB) * 65536
    assert result == CopyResult(SIZE, data, SIZE - data, 0)
    assert repository.seal("a.tmp", "a.qcow2").allocated_bytes < data + MIB


def test_compare_writes_only_what_differs(repository: DirectoryRepository, raw: Path) -> None:
    copy_into(repository, raw, "one", whole(SIZE))
    with raw.open("r+b") as file:
        for offset in (0, 5 * MIB + 512, 50 * MIB):
            file.seek(offset)
            file.write(os.urandom(512))
        file.seek(70 * MIB)
        file.write(b"x" * MIB)
    copy_into(repository, raw, "two", [Extent(70 * MIB, MIB)], parent="one.qcow2")
    with raw.open("r+b") as file:
        file.seek(70 * MIB)
        file.write(bytes(MIB))
    create(repository, "three.tmp", SIZE, "two.qcow2")
    with opened(repository, "three.tmp") as image:
        result = DiskCopy(FileSource(raw), image, whole(SIZE), compare=True).run()
    sealed = repository.seal("three.tmp", "three.qcow2")
    assert result == CopyResult(SIZE, 3 * 65536, MIB, SIZE - MIB - 3 * 65536)
    assert difference(repository.root / "three.qcow2", raw) is None
    assert sealed.allocated_bytes < MIB


def test_digests_are_of_the_bytes_read(repository: DirectoryRepository, raw: Path) -> None:
    plan = change(raw, 4)
    digests = []
    for name, connections in (("a.tmp", 1), ("b.tmp", 7)):
        create(repository, name, SIZE)
        path = repository.digest_path(name)
        with opened(repository, name) as image, DigestMap(path) as kept:
            DiskCopy(FileSource(raw), image, plan, connections=connections, digests=kept).run()
            digests.append(kept.digest())
        content = raw.read_bytes()
        entries = list(read_digests(path))
        assert normalise([entry[:2] for entry in entries], SIZE) == plan
        for offset, length, digest in entries:
            assert digest == digest_of(content[offset : offset + length])
    assert digests[0] == digests[1]


def test_a_copy_over_https_survives_a_bad_line(
    repository: DirectoryRepository, raw: Path, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    server = RangeServer(raw, server_tls)
    server.faults.extend([None, None, hang_up, None, refuse(503), None, None, hang_up])
    context = ssl.create_default_context(cafile=str(certificate))
    source = HttpRangeSource(
        lambda: http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=context),
        "/folder/a-flat.vmdk?dcPath=DC0&dsName=store",
        dict,
        SIZE,
        retry_delays_seconds=(0, 0, 0),
    )
    create(repository, "a.tmp", SIZE)
    try:
        with opened(repository, "a.tmp") as image:
            result = DiskCopy(source, image, whole(SIZE)).run()
    finally:
        server.close()
    repository.seal("a.tmp", "a.qcow2")
    assert result.bytes_read == SIZE
    assert len(server.targets_seen) == SIZE // (4 * MIB) + 3
    assert difference(repository.root / "a.qcow2", raw) is None


def test_a_small_plan_uses_few_connections(repository: DirectoryRepository, raw: Path) -> None:
    server = RangeServer(raw)
    source = HttpRangeSource(
        lambda: http.client.HTTPConnection("127.0.0.1", server.port, timeout=10), "/a", dict, SIZE
    )
    create(repository, "a.tmp", SIZE)
    try:
        with opened(repository, "a.tmp") as image:
            DiskCopy(source, image, [Extent(512, 1024)]).run()
            DiskCopy(source, image, []).run()
    finally:
        server.close()
    assert server.connections == 1


# Failing, stopping


@contextmanager
def begun(
    repository: DirectoryRepository, source: SteeredSource, plan: list[Extent], **options: object
) -> Iterator[tuple[DiskCopy, Callable[[], CopyResult]]]:
    """A copy that runs in a thread, and the call that waits for its result."""
    create(repository, "a.tmp", SIZE)
    with (
        opened(repository, "a.tmp") as image,
        ThreadPoolExecutor(1) as pool,
        source,
    ):
        disk_copy = DiskCopy(source, image, plan, **options)  # type: ignore[arg-type]
        future = pool.submit(disk_copy.run)
        yield disk_copy, lambda: future.result(60)


@pytest.mark.parametrize("failing", [0, 4 * MIB, 12 * MIB])
def test_the_first_failure_stops_the_others_and_is_raised(
    repository: DirectoryRepository, raw: Path, failing: int
) -> None:
    source = SteeredSource(raw.read_bytes())
    mine = SourceError("mine", transient=True)
    source.failures[failing] = mine
    with begun(repository, source, whole(SIZE)) as (disk_copy, result):
        source.await_waiting(4)
        source.let_go(failing)
        wait_until(lambda: failing not in source.waiting, "the failure")
        wait_until(lambda: disk_copy._failure is not None, "the failure's arrival")
        source.let_all_go()
        with pytest.raises(SourceError) as caught:
            result()
        assert caught.value is mine
        assert source.begun == 4  # no request was begun after the failure
        assert disk_copy.low_water() == failing
        assert disk_copy.bytes_done == 3 * 4 * MIB


def test_a_source_that_cannot_be_reached_is_raised(
    repository: DirectoryRepository, raw: Path
) -> None:
    create(repository, "a.tmp", SIZE)
    with opened(repository, "a.tmp") as image:
        disk_copy = DiskCopy(FileSource(raw.with_name("missing")), image, whole(SIZE))
        with pytest.raises(SourceError, match="cannot be opened"):
            disk_copy.run()
    assert disk_copy.low_water() == 0


def test_stop_is_honoured_between_requests(repository: DirectoryRepository, raw: Path) -> None:
    source, stop = SteeredSource(raw.read_bytes()), threading.Event()
    with begun(repository, source, whole(SIZE), stop=stop) as (disk_copy, result):
        source.await_waiting(4)
        source.let_go(0)
        source.let_go(4 * MIB)
        wait_until(lambda: len(source.await_waiting(4)) == 4 and source.begun == 6, "more requests")
        stop.set()
        source.let_all_go()
        with pytest.raises(CopyStopped):
            result()
        assert source.begun == 6
        assert disk_copy.low_water() == disk_copy.bytes_done == 6 * 4 * MIB


def test_a_stop_after_the_last_request_changes_nothing(
    repository: DirectoryRepository, raw: Path
) -> None:
    source, stop = SteeredSource(raw.read_bytes()), threading.Event()
    with begun(repository, source, [Extent(0, MIB)], stop=stop) as (_, result):
        source.await_waiting(1)
        stop.set()
        source.let_all_go()
        assert result().bytes_read == MIB


def test_a_daemon_killed_in_the_middle_is_a_target_error_and_the_base_is_untouched(
    repository: DirectoryRepository, raw: Path
) -> None:
    copy_into(repository, raw, "base", whole(SIZE))
    before = sha256(repository.root / "base.qcow2")
    change(raw, 5)
    create(repository, "top.tmp", SIZE, "base.qcow2")
    source = SteeredSource(raw.read_bytes())
    image = opened(repository, "top.tmp")
    disk_copy = DiskCopy(source, image, whole(SIZE))
    with ThreadPoolExecutor(1) as pool, source:
        future = pool.submit(disk_copy.run)
        source.await_waiting(4)
        for offset in range(0, 40 * MIB, 4 * MIB):
            source.let_go(offset)
        wait_until(lambda: disk_copy.bytes_done == 40 * MIB, "the first requests")
        os.kill(image.process.pid, signal.SIGKILL)
        source.let_all_go()
        with pytest.raises(TargetError, match="ended with code -9"):
            future.result(60)
    with pytest.raises(TargetError):
        disk_copy.checkpoint()
    with pytest.raises(TargetError):
        image.close()
    assert sha256(repository.root / "base.qcow2") == before
    repository.discard("top.tmp")
    assert "top.tmp" not in names(repository.root)


def test_a_write_that_fails_once_fails_the_copy(
    repository: DirectoryRepository, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every single write and zero is looked at: whichever fails, the copy fails."""
    plan = normalise([(4 * MIB, 512), (9 * MIB, 3 * MIB), (30 * MIB, 20 * MIB)], SIZE)
    real = {name: getattr(ImageConnection, name) for name in ("pwrite", "zero")}
    calls = failing = 0

    def wrapped(name: str) -> Callable[..., None]:
        def call(connection: ImageConnection, *arguments: object) -> None:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise TargetError(f"call {failing}")
            real[name](connection, *arguments)

        return call

    for name in real:
        monkeypatch.setattr(ImageConnection, name, wrapped(name))

    def attempt() -> CopyResult:
        nonlocal calls
        calls = 0
        create(repository, "a.tmp", SIZE)
        try:
            with opened(repository, "a.tmp") as image:
                return DiskCopy(FileSource(raw), image, plan, connections=1).run()
        finally:
            repository.discard("a.tmp")

    attempt()
    total = calls
    assert total > 5
    for failing in range(1, total + 1):
        with pytest.raises(TargetError, match=f"^call {failing}$"):
            attempt()
        assert calls == failing


def test_a_full_disk_stops_the_copy_which_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    repository = DirectoryRepository.initialise(small_disk / "repository", str(uuid.uuid4()))
    raw = tmp_path / "raw"
    raw.write_bytes(random.Random(1).randbytes(64 * MIB))
    create(repository, "a.tmp", 64 * MIB)
    path, plan, offset = repository.digest_path("a.tmp"), whole(64 * MIB), 0
    with opened(repository, "a.tmp") as image, DigestMap(path) as digests:
        stop = threading.Event()
        slow = SteeredSource(raw.read_bytes())
        disk_copy = DiskCopy(slow, image, plan, digests=digests, stop=stop)
        with ThreadPoolExecutor(1) as pool, slow:
            future = pool.submit(disk_copy.run)
            for position in range(0, 16 * MIB, 4 * MIB):
                slow.let_go(position)
            wait_until(lambda: disk_copy.low_water() == 16 * MIB, "the first requests")
            offset = disk_copy.checkpoint()
            slow.let_all_go()
            with pytest.raises(RepositoryFull, match="Free space"):
                future.result(60)
    assert offset == 16 * MIB
    subprocess.run(["mount", "-o", "remount,size=128m", str(small_disk)], check=True)
    with (
        opened(repository, "a.tmp") as image,
        DigestMap(path, offset) as digests,
    ):
        DiskCopy(FileSource(raw), image, plan, start_offset=offset, digests=digests).run()
    repository.seal("a.tmp", "a.qcow2")
    assert difference(repository.root / "a.qcow2", raw) is None


# Guards


def test_a_plan_out_of_order_is_refused(repository: DirectoryRepository, raw: Path) -> None:
    create(repository, "a.tmp", SIZE)
    with opened(repository, "a.tmp") as image, pytest.raises(ExtentError):
        DiskCopy(FileSource(raw), image, [Extent(MIB, MIB), Extent(0, 512)])


def test_digests_that_do_not_fit_the_checkpoint_are_refused(
    repository: DirectoryRepository, raw: Path
) -> None:
    create(repository, "a.tmp", SIZE)
    path = repository.digest_path("a.tmp")
    with (
        opened(repository, "a.tmp") as image,
        DigestMap(path) as digests,
        pytest.raises(ImageDamaged, match="copy the disk again"),
    ):
        DiskCopy(FileSource(raw), image, whole(SIZE), start_offset=4 * MIB, digests=digests)


def test_a_slow_request_holds_the_others_back_in_the_end(
    repository: DirectoryRepository, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory for finished requests above an unfinished one is bounded."""
    monkeypatch.setattr(copy, "WINDOW", 10)
    source = SteeredSource(raw.read_bytes())
    with begun(repository, source, whole(SIZE), request_bytes=MIB) as (disk_copy, result):
        source.await_waiting(4)
        for offset in range(MIB, SIZE, MIB):
            source.let_go(offset)
        wait_until(lambda: disk_copy.bytes_done == 9 * MIB, "the window to be full")
        assert source.begun == 10
        assert disk_copy.low_water() == 0
        source.let_all_go()
        assert result().bytes_read == SIZE
        assert disk_copy.low_water() == SIZE


MEASURE = """
import os, sys, threading
from pathlib import Path
from replication.engine.copy import DiskCopy
from replication.engine.directory import DirectoryRepository
from replication.engine.extents import normalise
from replication.engine.sources.file import FileSource
from replication.engine.target import Layer

def pss(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(l for l in text.splitlines() if l.startswith("Pss:")).split()[1]) << 10

folder, uuid = Path(sys.argv[1]), sys.argv[2]
size, step = 2 << 40, (2 << 40) // 1600
raw = folder / "huge"
extents = []
with raw.open("wb") as file:
    file.truncate(size)
    for n in range(1600):
        offset = n * step // 512 * 512
        file.seek(offset)
        file.write(os.urandom(65536))
        extents.append((offset, 65536))
repository = DirectoryRepository(folder / "repository", uuid)
chain = [Layer("a.tmp", size)]
repository.create(chain)
top, ended = [], threading.Event()
with repository.open(chain) as image, repository.open_digests("a.tmp") as digests:
    def watch():
        while not ended.wait(0.05):
            top.append(pss(os.getpid()) + pss(image.process.pid))
    thread = threading.Thread(target=watch)
    thread.start()
    DiskCopy(FileSource(raw), image, normalise(extents, size), digests=digests).run()
    ended.set()
    thread.join()
    top.append(pss(os.getpid()) + pss(image.process.pid))
repository.seal("a.tmp", "a.qcow2")
print(max(top))
"""


def test_a_thin_disk_of_2_tib_takes_little_memory(
    repository: DirectoryRepository, tmp_path: Path
) -> None:
    process = run_python(MEASURE, str(tmp_path), repository.uuid, stdout=subprocess.PIPE)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert int(text) < 200 * MIB
    assert difference(repository.root / "a.qcow2", tmp_path / "huge") is None
