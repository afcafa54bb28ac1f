"""A copy is equal to the disk, whatever changed, over every source."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from replication.engine.copy import CopyResult, DiskCopy
from replication.engine.digests import DigestMap, digest_of, read_digests
from replication.engine.directory import DirectoryRepository
from replication.engine.extents import REQUEST_BYTES, Extent, normalise, requests, total_bytes
from replication.engine.sources.base import Read
from replication.engine.sources.file import FileReader, FileSource
from replication.engine.sources.http_range import HttpRangeSource
from tests.engine.copying import SIZE, change
from tests.engine.support import (
    MIB,
    RangeServer,
    copy_into,
    create,
    difference,
    hang_up,
    opened,
    refuse,
    run_python,
    same_by_qemu,
    sha256,
    whole,
)


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


def test_small_extents_are_read_together_within_the_bounds_of_one_request(
    repository: DirectoryRepository, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = normalise([*((n * MIB, 65536) for n in range(40)), (41 * MIB, 9 * MIB)], SIZE)
    loads: list[list[int]] = []
    read_many = FileReader.read_many

    def counted(reader: FileReader, reads: Sequence[Read]) -> None:
        loads.append([len(read.view) for read in reads])
        read_many(reader, reads)

    monkeypatch.setattr(FileReader, "read_many", counted)
    create(repository, "a.tmp", SIZE)
    path = repository.digest_path("a.tmp")
    with opened(repository, "a.tmp") as image, DigestMap(path) as digests:
        copy = DiskCopy(FileSource(raw), image, plan, requests_together=16, digests=digests)
        assert copy.run().bytes_read == total_bytes(plan)
        assert copy.checkpoint() == plan[-1].end
    assert [entry[:2] for entry in read_digests(path)] == list(requests(plan))
    content = raw.read_bytes()
    with opened(repository, "a.tmp") as image, closing(image.connect()) as connection:
        for offset, length in plan:
            assert connection.pread(length, offset) == content[offset : offset + length]
    assert sorted(len(load) for load in loads) == [1, 1, 1, 1, 9, 16, 16]
    assert max(sum(load) for load in loads) == REQUEST_BYTES


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
    assert len(server.targets_seen) == SIZE // REQUEST_BYTES + 3
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


@pytest.mark.slow
def test_a_thin_disk_of_2_tib_takes_little_memory(
    repository: DirectoryRepository, tmp_path: Path
) -> None:
    process = run_python(MEASURE, str(tmp_path), repository.uuid, stdout=subprocess.PIPE)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert int(text) < 200 * MIB
    assert difference(repository.root / "a.qcow2", tmp_path / "huge") is None
