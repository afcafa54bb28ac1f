"""Copies that fail, are stopped or refused: what was checkpointed holds, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
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
from replication.engine.digests import DigestMap
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import (
    CopyStopped,
    ExtentError,
    ImageDamaged,
    RepositoryFull,
    SourceError,
    TargetError,
)
from replication.engine.extents import REQUEST_BYTES, Extent, normalise
from replication.engine.image import ImageConnection
from replication.engine.sources.file import FileSource
from replication.engine.target import Write
from tests.engine.copying import SIZE, change
from tests.engine.support import (
    MIB,
    SteeredSource,
    copy_into,
    create,
    difference,
    names,
    opened,
    sha256,
    wait_until,
    whole,
)


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
        disk_copy = DiskCopy(source, image, plan, **options)
        future = pool.submit(disk_copy.run)
        yield disk_copy, lambda: future.result(60)


@pytest.mark.parametrize("failing", [0, REQUEST_BYTES, 3 * REQUEST_BYTES])
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
        assert disk_copy.bytes_done == 3 * REQUEST_BYTES


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
        source.let_go(REQUEST_BYTES)
        wait_until(lambda: len(source.await_waiting(4)) == 4 and source.begun == 6, "more requests")
        stop.set()
        source.let_all_go()
        with pytest.raises(CopyStopped):
            result()
        assert source.begun == 6
        assert disk_copy.low_water() == disk_copy.bytes_done == 6 * REQUEST_BYTES


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
        for offset in range(0, 40 * MIB, REQUEST_BYTES):
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
    begin = ImageConnection._begin
    calls = failing = 0

    def begin_or_fail(connection: ImageConnection, write: Write) -> int:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise TargetError(f"call {failing}")
        return begin(connection, write)

    monkeypatch.setattr(ImageConnection, "_begin", begin_or_fail)

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


def test_a_full_disk_stops_the_copy_which_continues_when_there_is_room(
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
            for position in range(0, 16 * MIB, REQUEST_BYTES):
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
