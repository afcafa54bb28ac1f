"""How fast a disk is read over NFC into a recovery point, against nbdcopy from nbdkit over TLS.

    python -m vmrep.bench.reading [--mebibytes N] [--rounds N] [--report FILE]

Both read the same random data into the same kind of target, a new qcow2 image behind a
qemu-storage-daemon, by turns. Then many small extents are read at random places, several at once
and one at a time; for these the host is a millisecond away, since on one machine it would be none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import django

from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.inventory import read_vms
from contexts.vsphere.nfc import channel
from contexts.vsphere.nfc.connection import Connection
from contexts.vsphere.records import VmRecord
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from replication.engine.copy import DiskCopy
from replication.engine.directory import DirectoryRepository
from replication.engine.extents import Extent, normalise, total_bytes
from replication.engine.target import Layer, WritableImage
from vmrep.bench.bare_nfc import MIB, lab_of
from vmrep.bench.served import wait_until
from vmrep.lab.control.client import LabControl
from vmrep.local.ports import THIS_MACHINE, free_port

EXTENTS, EXTENT_BYTES = 2_000, 64 << 10
DISTANCE_SECONDS = 0.001


class Figures(NamedTuple):
    """In MiB/s, medians; `amplification` is bytes received over bytes wanted."""

    nfc: float
    nbdcopy: float
    sequential_away: float
    random_away: float
    one_by_one_away: float
    amplification: float


class Counted(Connection):
    """Counts what comes; while `distance_seconds` is set, what is sent arrives that much later."""

    received = 0
    distance_seconds = 0.0

    def receive_into(self, view: memoryview, deadline: float) -> None:
        size = len(view)
        super().receive_into(view, deadline)
        Counted.received += size

    def send_all(self, data: bytes | memoryview, deadline: float) -> None:
        if not Counted.distance_seconds:
            super().send_all(data, deadline)
            return
        if not hasattr(self, "_line"):
            self._line: queue.SimpleQueue[tuple[float, bytes, float]] = queue.SimpleQueue()
            threading.Thread(target=self._deliver, daemon=True).start()
        self._line.put((time.monotonic() + Counted.distance_seconds, bytes(data), deadline))

    def _deliver(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the receiver is told as well
            while True:
                due, data, deadline = self._line.get()
                time.sleep(max(0.0, due - time.monotonic()))
                super().send_all(data, deadline)


class Bench:
    """One lab with one disk, and a repository."""

    def __init__(self, ready: dict[str, object], folder: Path) -> None:
        host, port = str(ready["host"]), int(str(ready["port"]))
        trust = Trust("pin", presented_certificate(host, port).fingerprint_sha256)
        login = (str(ready["username"]), str(ready["password"]))
        self.session = Session(Endpoint(host, port, *login, trust))
        self.session.connect()
        self.vm: VmRecord = next(vm for page in read_vms(self.session) for vm in page.records)
        self.disk = self.vm.disks[0]
        self.raw = LabControl(str(ready["control_url"])).live_content("bulk", self.disk.device_key)
        self.target = DirectoryRepository.initialise(folder / "repository", str(uuid.uuid4()))
        self._images = 0

    @contextlib.contextmanager
    def image(self) -> Iterator[WritableImage]:
        """A new, empty image, open; closed at the end, which belongs to what is timed."""
        self._images += 1
        locator = f"bench/{self._images}.1.qcow2.1.tmp"
        chain = [Layer(locator, self.disk.capacity_bytes)]
        self.target.create(chain)
        try:
            writer = self.target.open(chain)
            try:
                yield writer
            finally:
                writer.close()
        finally:
            self.target.discard(locator)

    def over_nfc(self, plan: list[Extent], *, one_by_one: bool = False) -> float:
        """Seconds."""
        from replication.sync.nfc import REQUESTS_TOGETHER, THREADS, NfcSource

        threads, together = (1, 1) if one_by_one else (THREADS, REQUESTS_TOGETHER)
        source = NfcSource(self.session, self.vm, self.disk, lambda host, name: None)
        with self.image() as writer:
            began = time.monotonic()
            DiskCopy(source, writer, plan, connections=threads, requests_together=together).run()
            writer.close()
            return time.monotonic() - began

    def over_nbd(self, uri: str) -> float:
        """Seconds that nbdcopy takes, with its flush, and the daemon to end."""
        with self.image() as writer:
            socket = writer.socket  # type: ignore[attr-defined]  # of the one kind there is
            began = time.monotonic()
            subprocess.run(
                ["nbdcopy", "--flush", "--", uri, f"nbd+unix:///?socket={socket}"], check=True
            )
            writer.close()
            return time.monotonic() - began


@contextlib.contextmanager
def nbdkit(raw: Path, folder: Path) -> Iterator[str]:
    """nbdkit serving a raw file over TLS on loopback; its URI."""
    keys, port = folder / "keys.psk", free_port()
    subprocess.run(
        ["psktool", "-u", "bench", "-p", str(keys)], check=True, stdout=subprocess.DEVNULL
    )
    argv = ["nbdkit", "--foreground", "--readonly", "--ipaddr", "127.0.0.1", "--port", str(port)]
    argv += ["--tls", "require", f"--tls-psk={keys}", "file", f"file={raw}"]
    with subprocess.Popen(argv) as process:
        try:
            uri = f"nbds://bench@127.0.0.1:{port}/?tls-psk-file={keys}"
            wait_until(lambda: _answers(uri))
            yield uri
        finally:
            process.terminate()


def _answers(uri: str) -> bool:
    asked = subprocess.run(["nbdinfo", "--size", uri], capture_output=True, check=False)
    return not asked.returncode


def measure(bench: Bench, uri: str, rounds: int) -> Figures:
    size = bench.disk.capacity_bytes
    whole = [Extent(0, size)]
    count = size // EXTENT_BYTES
    places = random.Random(1).sample(range(count), min(EXTENTS, count))  # noqa: S311
    scattered = normalise([Extent(at * EXTENT_BYTES, EXTENT_BYTES) for at in places], size)
    taken: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        taken.setdefault(name, []).append(seconds)

    for _ in range(rounds):
        Counted.distance_seconds = 0.0
        note("nfc", bench.over_nfc(whole))
        note("nbdcopy", bench.over_nbd(uri))
        Counted.distance_seconds = DISTANCE_SECONDS
        note("sequential", bench.over_nfc(whole))
        before = Counted.received
        note("random", bench.over_nfc(scattered))
        received = Counted.received - before
        note("one by one", bench.over_nfc(scattered, one_by_one=True))
    wanted = total_bytes(scattered)

    def rate(name: str, read: int) -> float:
        return read / MIB / statistics.median(taken[name])

    return Figures(
        rate("nfc", size),
        rate("nbdcopy", size),
        rate("sequential", size),
        rate("random", wanted),
        rate("one by one", wanted),
        received / wanted,
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="vmrep.bench.reading")
    parser.add_argument("--mebibytes", type=int, default=1024, help="on the disk")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--report", type=Path)
    wanted = parser.parse_args(arguments)
    if missing := [name for name in ("nbdkit", "nbdcopy", "psktool") if not shutil.which(name)]:
        parser.error(f"{', '.join(missing)} is needed: script/bootstrap --test installs it")
    # A copy's source notes how fast hosts answer, in rows; nothing here stores them.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    os.environ["VMREP_ALLOW_ADDRESSES"] = THIS_MACHINE  # the lab
    django.setup()
    channel.Connection = Counted  # type: ignore[misc]  # what the bench adds to it
    with tempfile.TemporaryDirectory(prefix="vmrep-bench-") as name:
        folder = Path(name)
        with lab_of(wanted.mebibytes) as ready:
            bench = Bench(ready, folder)
            with nbdkit(bench.raw, folder) as uri:
                figures = measure(bench, uri, wanted.rounds)
            bench.session.close()
    report = json.dumps(figures._asdict())
    if wanted.report:
        wanted.report.write_text(report)
    sys.stdout.write(report + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
