"""What the engine's tests share: disks with content, a Range server, a source that is steered."""

from __future__ import annotations

import hashlib
import json
import os
import random
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from replication.engine.compare import compare_image_with_raw
from replication.engine.directory import DirectoryRepository
from replication.engine.errors import EngineError
from replication.engine.extents import Extent, normalise
from replication.engine.header import ImageFile, read_image_file
from replication.engine.image import ImageReader, ImageWriter
from replication.engine.processes import identity_of, is_alive
from replication.engine.sources.base import Read
from replication.engine.sources.file import FileSource
from replication.engine.target import Connection, Layer, Write

MIB = 1 << 20
ROOT = Path(__file__).parents[2]


def make_raw(path: Path, size_bytes: int, seed: int, data_bytes: int) -> Path:
    """A sparse raw disk with random content in random places, and some written zeroes."""
    rng = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(size_bytes)
        done = 0
        while done < data_bytes:
            length = min(rng.randrange(512, 2 * MIB, 512), size_bytes)
            file.seek(rng.randrange(0, size_bytes - length + 1, 512))
            file.write(bytes(length) if rng.random() < 0.2 else rng.randbytes(length))
            done += length
    return path


def whole(size_bytes: int) -> list[Extent]:
    return normalise([(0, size_bytes)], size_bytes)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def files_of(path: Path) -> list[ImageFile]:
    """An image's files as the headers say, whoever wrote them."""
    file = read_image_file(path)
    if file.header.backing is None:
        return [file]
    home = path.parent.parent if path.parent.suffix == ".tmp" else path.parent
    return [file, *files_of(home / file.header.backing)]


def chain_of(repository: DirectoryRepository, locator: str) -> list[Layer]:
    """An image's chain as the headers say, which here stand for its rows."""
    path = repository.path(locator)
    below = files_of(path / "image" if path.is_dir() else path)[1:]
    return [
        Layer(locator, files_of(path / "image" if path.is_dir() else path)[0].header.size_bytes),
        *(
            Layer(os.path.relpath(file.path, repository.root), file.header.size_bytes)
            for file in below
        ),
    ]


def create(
    repository: DirectoryRepository, locator: str, size_bytes: int, parent: str | None = None
) -> None:
    """An empty image; one with a final name is sealed at once."""
    temporary = locator if locator.endswith(".tmp") else f"{locator}.tmp"
    below = chain_of(repository, parent) if parent is not None else []
    repository.create([Layer(temporary, size_bytes), *below])
    if temporary != locator:
        repository.seal(temporary, locator)


def opened(repository: DirectoryRepository, locator: str) -> ImageWriter:
    """An image that is open for writing."""
    return repository.open(chain_of(repository, locator))


def difference(path: Path, raw: Path) -> int | None:
    """Where an image with all that it stands upon differs from a raw file."""
    with ImageReader(files_of(path)) as image:
        return compare_image_with_raw(image, raw)


def same_by_qemu(path: Path, raw: Path) -> bool:
    """Whether qemu-img finds an image equal to a raw file; a longer tail must be zero."""
    command = ["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", path, raw]
    code = subprocess.run(command, check=False).returncode
    assert code in (0, 1)
    return code == 0


def info(path: Path) -> dict[str, Any]:
    """What qemu-img says of an image alone."""
    command = ["qemu-img", "info", "--output=json", "-f", "qcow2", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def copy_into(
    repository: DirectoryRepository,
    raw: Path,
    name: str,
    plan: list[Extent],
    parent: str | None = None,
) -> None:
    """One whole recovery point image: created, copied, sealed as ``<name>.qcow2``."""
    from replication.engine.copy import DiskCopy

    create(repository, f"{name}.tmp", raw.stat().st_size, parent)
    with repository.open(chain_of(repository, f"{name}.tmp")) as image:
        DiskCopy(FileSource(raw), image, plan).run()
    repository.seal(f"{name}.tmp", f"{name}.qcow2")


def run_python(script: str, *arguments: str, stdout: int | None = None) -> subprocess.Popen[str]:
    """A Python process of its own, that can be killed."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=stdout,
        text=True,
    )


def has_process(pid: int) -> bool:
    """Whether a process with this pid runs. A zombie has ended."""
    try:
        return is_alive(*identity_of(pid))
    except EngineError:
        return False


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for something that must come to pass."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


def pwrite(connection: Connection, data: bytes | bytearray | memoryview, offset: int) -> None:
    connection.write_many([Write(offset, len(data), memoryview(data))])


def zero(connection: Connection, length: int, offset: int) -> None:
    connection.write_many([Write(offset, length, None)])


class SteeredSource:
    """Raw bytes whose reads wait until the test lets them go, one by one, or by a block's end."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.changed = threading.Condition()
        self.waiting: set[int] = set()
        self.begun = 0
        self.failures: dict[int, Exception] = {}
        self._let_go: set[int] = set()
        self._all = False

    def __enter__(self) -> SteeredSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_all_go()

    def connect(self) -> SteeredSource:
        return self

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.let_all_go()

    def read_into(self, offset: int, view: memoryview) -> None:
        with self.changed:
            self.waiting.add(offset)
            self.begun += 1
            self.changed.notify_all()
            while not (self._all or offset in self._let_go):
                assert self.changed.wait(60), "nobody let this read go"
            self.waiting.discard(offset)
            if offset in self.failures:
                raise self.failures[offset]
        view[:] = self.content[offset : offset + len(view)]

    def read_many(self, reads: Sequence[Read]) -> None:
        """They come together, when the test lets the first one go."""
        self.read_into(*reads[0])
        for offset, view in reads[1:]:
            view[:] = self.content[offset : offset + len(view)]

    def let_go(self, offset: int) -> None:
        with self.changed:
            self._let_go.add(offset)
            self.changed.notify_all()

    def let_all_go(self) -> None:
        with self.changed:
            self._all = True
            self.changed.notify_all()

    def await_waiting(self, count: int) -> list[int]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.waiting) >= count, 30)
            return sorted(self.waiting)


Fault = Callable[["Handler", int, int], None]


class RangeServer:
    """A real HTTP(S) server of one file that understands Range, and misbehaves on demand.

    ``faults`` are taken one per request; None there, or none left, means a right answer.
    """

    def __init__(self, path: Path, tls: ssl.SSLContext | None = None) -> None:
        self.path = path
        self.faults: deque[Fault | None] = deque()
        self.always: Fault | None = None
        self.headers_seen: list[dict[str, str]] = []
        self.targets_seen: list[str] = []
        self.connections = 0
        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self._http.owner = self
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class QuietServer(ThreadingHTTPServer):
    """Clients that hang up are part of the tests, not worth a traceback."""

    daemon_threads = True
    owner: RangeServer

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.owner.connections += 1

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.headers_seen.append(dict(self.headers))
        owner.targets_seen.append(self.path)
        start, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        fault = owner.faults.popleft() if owner.faults else owner.always
        (fault or answer)(self, start, last)


def answer(
    handler: Handler,
    start: int,
    last: int,
    *,
    status: int = 206,
    total: int | str | None = None,
    shift: int = 0,
    body_bytes: int | None = None,
    extra: dict[str, str] | None = None,
) -> None:
    """Serve a range, rightly or with one of the faults that the arguments bring in."""
    path = handler.server.owner.path
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        body = file.read(last - start + 1)
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header(
        "Content-Range", f"bytes {start + shift}-{last + shift}/{size if total is None else total}"
    )
    for name, value in (extra or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[:body_bytes])
    if body_bytes is not None:
        handler.close_connection = True


def refuse(status: int, **headers: str) -> Fault:
    """An answer of that status, with a body that must not be taken for a disk's bytes."""

    def fault(handler: Handler, start: int, last: int) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "5")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(b"error")

    return fault


def hang_up(handler: Handler, start: int, last: int) -> None:
    """End the connection without an answer."""
    handler.close_connection = True


def wrong(**arguments: object) -> Fault:
    """An answer with a fault; see ``answer``."""
    return lambda handler, start, last: answer(handler, start, last, **arguments)


def patch(image: Path, offset: int, content: bytes) -> None:
    """Write over a part of a file."""
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def name_the_backing_file(image: Path, name: bytes) -> None:
    """Let a qcow2 header name any backing file, also what qemu-img would refuse."""
    place = 4096
    patch(image, place, name)
    patch(image, 8, struct.pack(">QI", place, len(name)))


class Drip:
    """An answer of which a byte comes now and then, so that no timeout of a socket ever ends it."""

    def __init__(self, **headers: str) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self._headers = headers

    def __call__(self, handler: Handler, start: int, last: int) -> None:
        handler.close_connection = True
        answer(handler, start, last, body_bytes=1, extra=self._headers)
        self.begun.set()
        while not self.over.wait(0.05):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return
