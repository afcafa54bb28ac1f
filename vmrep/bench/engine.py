"""How fast a disk is copied into a recovery point, against the tools that people would use instead.

    script/bench engine [--mebibytes N] [--rounds N] [--report FILE]

Everybody reads the same disk, half of it data, from an nbdkit of its own over a unix socket, and
writes a new qcow2 image on the same file system; by turns, so that the machine's other load meets
all. What is timed begins with the image's creation and ends when it is on the disk for good: after
a flush, with the file and its folder synced. vmrep's also has its digests, and was checked, as
nbdcopy's is.

`vmrep`, `incremental`   the engine over NBD: a full copy; 2,000 extents of 64 KiB at random places
`nbdcopy`                into the same kind of daemon
`qemu-img`               convert -n -W -m 8
`https`, `curl`          the same ranges from nginx: the engine into an image; curl to /dev/null
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from replication.engine import qemu
from replication.engine.copy import CopyResult, DiskCopy
from replication.engine.directory import DirectoryRepository
from replication.engine.durable import fsync_file, fsync_folder
from replication.engine.extents import Extent, normalise, requests, total_bytes
from replication.engine.sources.base import Source
from replication.engine.sources.http_range import HttpRangeSource
from replication.engine.sources.nbd_command import SOCKET, NbdCommandSource
from replication.engine.target import Layer
from vmrep.bench.memory import most_pss
from vmrep.bench.processes import cpu_seconds, machine
from vmrep.bench.served import nbdkit, nginx, run, unverified, wait_until

MIB = 1 << 20
RUN_BYTES = 8 * MIB
"""The disk's data lies in runs of this length, with as much nothing after each."""
EXTENTS, EXTENT_BYTES = 2_000, 64 << 10
WIDE_BYTES = 2 << 40
"""The size of the disk for which the use of memory is measured."""
LEAST_OF_PEERS, LEAST_OF_CURL, LEAST_OF_FULL = 1.0, 0.9, 0.9
LEAST_WITH_MAPS = 0.9
"""Of the same copy without maps of chunks."""
MOST_MEMORY_MIB = 300.0


class Taken(NamedTuple):
    """What one run took. CPU is that of all processes: tool, daemon and the server of the disk."""

    seconds: float
    cpu_seconds: float


class Figure(NamedTuple):
    """Medians over the rounds."""

    mib_per_second: float
    cpu_seconds_per_gib: float


class Base(NamedTuple):
    """A finished image."""

    layer: Layer
    map_digest: str


class Bench:
    """A disk in a raw file, and a folder for the images."""

    def __init__(self, folder: Path, data_bytes: int) -> None:
        self.folder = folder
        self.raw = folder / "served" / "disk.raw"
        self.size = 2 * data_bytes
        self.plan = [
            Extent(at, min(RUN_BYTES, self.size - at)) for at in range(0, self.size, 2 * RUN_BYTES)
        ]
        _make_disk(self.raw, self.size, self.plan)
        repository = folder / "repository"
        self.target = DirectoryRepository.initialise(repository, str(uuid.uuid4()))
        self._images = 0

    def vmrep(self, *, mapped: bool = True) -> None:
        self.copy(self._over_nbd(), self.plan, None, mapped=mapped)

    def nbdcopy(self) -> None:
        """Into the same kind of daemon, which ends as vmrep's does."""
        with self._served() as socket:
            locator = self._locator()
            chain = [Layer(f"{locator}.1.tmp", self.size)]
            self.target.create(chain)
            with self.target.open(chain) as writer:
                to = f"nbd+unix:///?socket={writer.socket}"
                run("nbdcopy", "--flush", "--", f"nbd+unix:///?socket={socket}", to)
            self.target.seal(chain[0].locator, locator)
        self.target.discard(locator)

    def qemu_img(self) -> None:
        image = self.folder / "convert.qcow2"
        with self._served() as socket:
            qemu.create(image, self.size)
            source = f"nbd+unix:///?socket={socket}"
            how = ("-n", "-W", "-m", "8", "-t", "writeback", "-f", "raw", "-O", "qcow2")
            run("qemu-img", "convert", *how, source, str(image))
            fsync_file(image)
            fsync_folder(image.parent)
        image.unlink()

    def copy(
        self,
        source: Source,
        plan: Sequence[Extent],
        base: Base | None,
        *,
        keep: bool = False,
        mapped: bool = True,
    ) -> Base:
        """What a job does to a disk, from the empty image to the sealed one. `mapped`: with the map
        of its chunks, as every job."""
        locator, map_digest = self._locator(), ""
        temporary = Layer(f"{locator}.1.tmp", self.size)
        chain = [temporary, *([base.layer] if base else [])]
        self.target.create(chain)
        with contextlib.ExitStack() as opened:
            digests = opened.enter_context(
                contextlib.closing(self.target.open_digests(temporary.locator))
            )
            chunks = below = None
            if mapped:
                chunks = self.target.open_chunks(temporary.locator, self.size)
                opened.enter_context(contextlib.closing(chunks))
            if mapped and base:
                below = self.target.chunk_map([base.layer], [base.map_digest])
                opened.enter_context(contextlib.closing(below))
            with self.target.open(chain) as writer:
                copy = DiskCopy(source, writer, plan, digests=digests, chunks=chunks, below=below)
                _require_all(copy.run(), plan)
                copy.checkpoint()
            if chunks:
                map_digest = chunks.digest()
        self.target.seal(temporary.locator, locator)
        if not keep:
            self.target.discard(locator)
        return Base(Layer(locator, self.size), map_digest)

    def scattered(self) -> list[Extent]:
        """2,000 extents at random places of the disk's data: as change tracking names them."""
        of_run = RUN_BYTES // EXTENT_BYTES
        places = random.Random(1).sample(range(len(self.plan) * of_run), self._how_many(of_run))  # noqa: S311
        extents = [
            Extent(self.plan[at // of_run].offset + at % of_run * EXTENT_BYTES, EXTENT_BYTES)
            for at in places
        ]
        return normalise(extents, self.size)

    def _how_many(self, of_run: int) -> int:
        return min(EXTENTS, len(self.plan) * of_run // 4)

    def incremental(self, base: Base, *, mapped: bool = True) -> None:
        self.copy(self._over_nbd(), self.scattered(), base, mapped=mapped)

    def base(self) -> Base:
        """A full copy that stays, for overlays."""
        return self.copy(self._over_nbd(), self.plan, None, keep=True)

    def https(self, port: int) -> None:
        """As from a datastore: HTTPS, ranges, several connections."""
        context = unverified()
        source = HttpRangeSource(
            lambda: http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context),
            "/disk.raw",
            dict,
            self.size,
        )
        self.copy(source, self.plan, None)

    def curl(self, port: int) -> None:
        """The same ranges, one after the other over one connection; what comes is thrown away."""
        config = self.folder / "curl.conf"
        parts = [
            f'url = "https://127.0.0.1:{port}/disk.raw"\n'
            f"range = {part.offset}-{part.end - 1}\noutput = /dev/null\n"
            for part in requests(self.plan)
        ]
        config.write_text("insecure\nsilent\nfail\n" + "next\ninsecure\nsilent\nfail\n".join(parts))
        run("curl", "--config", str(config))

    def _over_nbd(self) -> NbdCommandSource:
        return NbdCommandSource(
            lambda folder: nbdkit(folder / SOCKET, self.raw), self.size, "the benchmark's disk"
        )

    @contextlib.contextmanager
    def _served(self) -> Iterator[Path]:
        socket = self.folder / "nbd"
        with subprocess.Popen(nbdkit(socket, self.raw)) as process:
            try:
                wait_until(lambda: socket.is_socket())
                yield socket
            finally:
                process.terminate()
                process.wait()
                socket.unlink(missing_ok=True)

    def _locator(self) -> str:
        self._images += 1
        return f"bench/{self._images}.1.qcow2"


def measure(
    contestants: dict[str, tuple[int, Callable[[], None]]], rounds: int
) -> dict[str, Figure]:
    """Each in turn, as often as there are rounds. The number is the bytes that it copies."""
    taken: dict[str, list[Taken]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, (_, act) in contestants.items():
            os.sync()  # what the one before left is not this one's work
            cpu, began = cpu_seconds(os.getpid()), time.monotonic()
            act()
            seconds = time.monotonic() - began
            taken[name].append(Taken(seconds, cpu_seconds(os.getpid()) - cpu))
    return {
        name: Figure(
            size / MIB / statistics.median(run.seconds for run in taken[name]),
            statistics.median(run.cpu_seconds for run in taken[name]) * 1024 * MIB / size,
        )
        for name, (size, _) in contestants.items()
    }


def memory_mib(folder: Path) -> float:
    """The most memory (PSS) that this process and its children need while they copy extents from
    all over a disk of 2 TiB, which is all zeroes but for its plan's size."""
    raw = folder / "wide.raw"
    with raw.open("wb") as file:
        file.truncate(WIDE_BYTES)
    step = WIDE_BYTES // 8_000
    plan = [Extent(number * step // MIB * MIB, MIB) for number in range(8_000)]
    target = DirectoryRepository.initialise(folder / "wide", str(uuid.uuid4()))
    chain = [Layer("bench/wide.1.qcow2.1.tmp", WIDE_BYTES)]
    source = NbdCommandSource(lambda at: nbdkit(at / SOCKET, raw), WIDE_BYTES, "a wide disk")
    target.create(chain)
    digests = target.open_digests(chain[0].locator)
    chunks = target.open_chunks(chain[0].locator, WIDE_BYTES)
    with most_pss() as most, target.open(chain) as writer:
        DiskCopy(source, writer, plan, digests=digests, chunks=chunks).run()
    digests.close()
    chunks.close()
    raw.unlink()
    return most[0]


def _make_disk(raw: Path, size: int, plan: Sequence[Extent]) -> None:
    raw.parent.mkdir(parents=True)
    with raw.open("wb") as file:
        file.truncate(size)
        for extent in plan:
            file.seek(extent.offset)
            file.write(random.Random(extent.offset).randbytes(extent.length))  # noqa: S311
        os.fsync(file.fileno())


def _require_all(result: CopyResult, plan: Sequence[Extent]) -> None:
    if result.bytes_written != total_bytes(plan):
        raise AssertionError(f"{result} is not all of {total_bytes(plan)} random bytes")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/bench engine")
    parser.add_argument("--mebibytes", type=int, default=1024, help="of data on the disk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", type=Path)
    wanted = parser.parse_args(arguments)
    programs = ("nbdkit", "nbdcopy", "qemu-img", "nginx", "curl", "openssl")
    if missing := [name for name in programs if not shutil.which(name)]:
        parser.error(f"{', '.join(missing)} is needed: script/bench installs it")
    with tempfile.TemporaryDirectory(prefix="vmrep-bench-") as name:
        folder = Path(name)
        bench = Bench(folder, wanted.mebibytes * MIB)
        base = bench.base()
        whole, part = total_bytes(bench.plan), total_bytes(bench.scattered())
        with nginx(bench.raw.parent, folder) as port:
            figures = measure(
                {
                    "vmrep": (whole, bench.vmrep),
                    "nbdcopy": (whole, bench.nbdcopy),
                    "qemu-img": (whole, bench.qemu_img),
                    "https": (whole, lambda: bench.https(port)),
                    "curl": (whole, lambda: bench.curl(port)),
                    "incremental": (part, lambda: bench.incremental(base)),
                    "vmrep without maps": (whole, lambda: bench.vmrep(mapped=False)),
                    "incremental without maps": (
                        *(part, lambda: bench.incremental(base, mapped=False)),
                    ),
                },
                wanted.rounds,
            )
        memory = memory_mib(folder)
    return _report(figures, memory, wanted.report)


def _report(figures: dict[str, Figure], memory: float, file: Path | None) -> int:
    """A table, and JSON as the last line. 1 when a goal is missed."""
    rates = {name: figure.mib_per_second for name, figure in figures.items()}
    ratios = [
        ("full, of nbdcopy", rates["vmrep"] / rates["nbdcopy"], LEAST_OF_PEERS),
        ("full, of qemu-img convert", rates["vmrep"] / rates["qemu-img"], LEAST_OF_PEERS),
        ("https, of curl", rates["https"] / rates["curl"], LEAST_OF_CURL),
        ("incremental, of full", rates["incremental"] / rates["vmrep"], LEAST_OF_FULL),
        (
            "full, of full without maps",
            rates["vmrep"] / rates["vmrep without maps"],
            LEAST_WITH_MAPS,
        ),
        (
            "incremental, without maps",
            rates["incremental"] / rates["incremental without maps"],
            LEAST_WITH_MAPS,
        ),
    ]
    lines = [f"{'':28}{'MiB/s':>9}{'CPU seconds per GiB':>22}"]
    lines += [
        f"{name:28}{figure.mib_per_second:9.0f}{figure.cpu_seconds_per_gib:22.2f}"
        for name, figure in figures.items()
    ]
    lines += [f"{name:28}{ratio:9.2f}   goal {goal}" for name, ratio, goal in ratios]
    lines += [f"{'memory at 2 TiB':28}{memory:9.0f} MiB   goal {MOST_MEMORY_MIB:.0f}"]
    ok = all(ratio >= goal for _, ratio, goal in ratios) and memory < MOST_MEMORY_MIB
    report = json.dumps(
        {
            "figures": {name: figure._asdict() for name, figure in figures.items()},
            "ratios": {name: round(ratio, 4) for name, ratio, _ in ratios},
            "memory_mib": round(memory, 1),
            "ok": ok,
            "machine": machine(),
        }
    )
    if file:
        file.write_text(report)
    sys.stdout.write("\n".join([*lines, report]) + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
