"""A checkpoint is a promise: from its offset on, a later run makes the image whole."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.engine.copy import CopyResult, DiskCopy
from replication.engine.digests import DigestMap
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import CopyStopped
from replication.engine.extents import Extent, bytes_below, normalise, total_bytes
from replication.engine.processes import is_alive
from replication.engine.sources.file import FileSource
from replication.engine.target import Write
from tests.engine.support import (
    MIB,
    SteeredSource,
    copy_into,
    create,
    difference,
    make_raw,
    opened,
    run_python,
    sha256,
    wait_until,
)

SECTORS = 96
REQUEST = 8 * 512


class ForgetfulImage:
    """An image in memory that at a crash keeps only some of what was not flushed."""

    def __init__(self, content: bytes) -> None:
        self.durable = bytearray(content)
        self._lock = threading.Lock()
        self._unflushed: list[tuple[int, bytes]] = []

    def connect(self) -> ForgetfulImage:
        return self

    def close(self) -> None:
        pass

    def pread(self, length: int, offset: int) -> bytearray:
        with self._lock:
            now = bytearray(self.durable)
            for at, data in self._unflushed:
                now[at : at + len(data)] = data
        return now[offset : offset + length]

    def write_many(self, writes: Sequence[Write]) -> None:
        with self._lock:
            for offset, length, data in writes:
                self._unflushed.append((offset, bytes(length if data is None else data)))

    def flush(self) -> None:
        with self._lock:
            for at, data in self._unflushed:
                self.durable[at : at + len(data)] = data
            self._unflushed.clear()

    def crash(self, rng: random.Random) -> None:
        with self._lock:
            self._unflushed = [one for one in self._unflushed if rng.random() < 0.5]
        self.flush()


def steps(
    disk_copy: DiskCopy, source: SteeredSource, plan: list[Extent], rng: random.Random, count: int
) -> int:
    """Let ``count`` requests finish in a random order, with checkpoints between; the last one."""
    kept = 0
    for _ in range(count):
        left = total_bytes(plan) - disk_copy.bytes_done
        if not left:
            break
        before = disk_copy.bytes_done
        with source.changed:
            # Either all four connections wait for a read, or all that is left is being read.
            assert source.changed.wait_for(
                lambda: len(source.waiting) >= 4 or disk_copy._next is None, 30
            )
            waiting = sorted(source.waiting)
        source.let_go(rng.choice(waiting))
        wait_until(lambda before=before: disk_copy.bytes_done > before, "a request")
        if rng.random() < 0.4:
            kept = disk_copy.checkpoint()
            assert kept <= plan[-1].end
            assert bytes_below(plan, kept) <= disk_copy.bytes_done
    return kept


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    count=st.integers(0, 30),
    compare=st.booleans(),
    together=st.sampled_from([1, 3]),
    extents=st.lists(
        st.tuples(st.integers(0, SECTORS - 1), st.integers(1, 20)), min_size=1, max_size=8
    ),
)
def test_any_order_any_crash_and_a_resume_make_the_image_whole(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    count: int,
    compare: bool,
    together: int,
    extents: list[tuple[int, int]],
) -> None:
    rng = random.Random(seed)
    capacity = SECTORS * 512
    plan = normalise([(a * 512, min(length, SECTORS - a) * 512) for a, length in extents], capacity)
    content = bytearray(rng.randbytes(capacity))
    for _ in range(5):
        at = rng.randrange(0, SECTORS) * 512
        content[at : at + 4096] = bytes(len(content[at : at + 4096]))
    old = rng.randbytes(capacity)
    folder = tmp_path_factory.mktemp("checkpoint")
    image, source = ForgetfulImage(old), SteeredSource(bytes(content))
    options = {"request_bytes": REQUEST, "compare": compare, "requests_together": together}

    stop = threading.Event()
    with DigestMap(folder / "map") as digests, ThreadPoolExecutor(1) as pool, source:
        disk_copy = DiskCopy(source, image, plan, digests=digests, stop=stop, **options)
        future: Future[CopyResult] = pool.submit(disk_copy.run)
        kept = steps(disk_copy, source, plan, rng, count)
        stop.set()
        source.let_all_go()
        with suppress(CopyStopped):
            future.result(60)
    image.crash(rng)
    for extent in plan:
        end = min(extent.end, kept)
        assert image.durable[extent.offset : end] == content[extent.offset : end]
    with (folder / "map").open("ab") as file:
        file.write(rng.randbytes(rng.randrange(32)))

    source.let_all_go()
    with DigestMap(folder / "map", kept) as digests:
        disk_copy = DiskCopy(source, image, plan, start_offset=kept, digests=digests, **options)
        result = disk_copy.run()
        assert disk_copy.checkpoint() == disk_copy.low_water() == max(kept, plan[-1].end)
        resumed = digests.digest()
    assert result.bytes_read == total_bytes(plan) - bytes_below(plan, kept)
    assert disk_copy.bytes_done == total_bytes(plan)
    expected = bytearray(old)
    for extent in plan:
        expected[extent.offset : extent.end] = content[extent.offset : extent.end]
    assert image.durable == expected
    with DigestMap(folder / "whole") as digests:
        DiskCopy(source, ForgetfulImage(old), plan, digests=digests, **options).run()
        assert digests.digest() == resumed


def test_what_finishes_during_the_flush_is_not_promised(tmp_path: Path) -> None:
    """The offset is noted before the flush, or a request could slip in between."""
    content = random.Random(1).randbytes(4 * REQUEST)
    source = SteeredSource(content)

    class SlowFlush(ForgetfulImage):
        def flush(self) -> None:
            super().flush()
            source.let_all_go()
            future.result(60)

    image = SlowFlush(bytes(len(content)))
    disk_copy = DiskCopy(source, image, [Extent(0, len(content))], request_bytes=REQUEST)
    with ThreadPoolExecutor(1) as pool, source:
        future = pool.submit(disk_copy.run)
        source.await_waiting(4)
        source.let_go(0)
        wait_until(lambda: disk_copy.low_water() == REQUEST, "the first request")
        assert disk_copy.checkpoint() == REQUEST
    assert disk_copy.low_water() == len(content)
    assert image.durable[REQUEST:] == bytes(3 * REQUEST)


# With a real process that is killed, a real daemon and a real image

SIZE = 192 * MIB

COPY = """
import sys, threading
from pathlib import Path
from replication.engine.copy import DiskCopy
from replication.engine.directory import DirectoryRepository
from replication.engine.extents import normalise
from replication.engine.target import Layer
from replication.engine.sources.file import FileSource

root, uuid, raw, start = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
size = raw.stat().st_size
repository = DirectoryRepository(root, uuid)
with (
    repository.open([Layer("top.tmp", size), Layer("base.qcow2", size)]) as image,
    repository.open_digests("top.tmp", start) as digests,
):
    print(*image.process, flush=True)
    plan = normalise([(0, size)], size)
    copy = DiskCopy(
        FileSource(raw), image, plan, start_offset=start, request_bytes=1 << 18, digests=digests
    )
    ended = threading.Event()
    def checkpoints():
        while not ended.wait(0.002):
            print(copy.checkpoint(), flush=True)
    thread = threading.Thread(target=checkpoints)
    thread.start()
    copy.run()
    ended.set()
    thread.join()
    copy.checkpoint()
    print("whole", digests.digest(), flush=True)
"""


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))]
)
def test_a_killed_worker_is_gone_on_with_from_its_last_checkpoint(
    repository: DirectoryRepository, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    old = make_raw(tmp_path / "old", SIZE, 100 + seed, 60 * MIB)
    raw = make_raw(tmp_path / "raw", SIZE, seed, 120 * MIB)
    copy_into(repository, old, "base", [Extent(0, SIZE)])
    before = sha256(repository.root / "base.qcow2")
    create(repository, "top.tmp", SIZE, "base.qcow2")
    offset, kills, digest = 0, 0, None
    while digest is None:
        arguments = (str(repository.root), repository.uuid, str(raw), str(offset))
        worker = run_python(COPY, *arguments, stdout=subprocess.PIPE)
        assert worker.stdout is not None
        pid, start_time, boot = worker.stdout.readline().split()
        patience = rng.randrange(1, 12) if kills < 4 else 1 << 60
        for line in worker.stdout:
            if line.startswith("whole"):
                digest = line.split()[1]
            else:
                assert int(line) >= offset
                offset, patience = int(line), patience - 1
            if not patience:
                worker.kill()
                kills += 1
                break
        code = worker.wait()
        worker.stdout.close()
        assert code == (0 if digest else -9)
        wait_until(lambda: not is_alive(int(pid), int(start_time), boot), "the daemon's end")  # noqa: B023
    assert kills
    repository.seal("top.tmp", "top.qcow2")
    assert difference(repository.root / "top.qcow2", raw) is None
    assert difference(repository.root / "base.qcow2", old) is None
    assert sha256(repository.root / "base.qcow2") == before

    create(repository, "again.tmp", SIZE, "base.qcow2")
    with (
        opened(repository, "again.tmp") as image,
        DigestMap(tmp_path / "map") as digests,
    ):
        plan = [Extent(0, SIZE)]
        DiskCopy(FileSource(raw), image, plan, request_bytes=1 << 18, digests=digests).run()
        assert digests.digest() == digest
