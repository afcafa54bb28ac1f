"""Reading and writing one qcow2 image, through its own qemu-storage-daemon and libnbd.

The daemon is given every file of the image's chain and their order: it follows no header.
Once it has started, its open files are compared with those whose headers were read before, so that
a change in between cannot make it open anything else either.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import nbd

from replication.engine import folders
from replication.engine.errors import REMEDIES, ImageAltered, TargetError, errno_in, target_error
from replication.engine.header import ImageFile
from replication.engine.processes import Child, ProcessIdentity, spawn
from replication.engine.qemu import nodes, past_the_cache
from replication.engine.target import Stretch, Write

START_SECONDS = 60
STOP_SECONDS = 600
"""A clean stop writes out what the daemon still holds, which can take long on a slow disk."""

_CONTEXT = "base:allocation"
_BELOW = "below"
_STATE_ZERO = 2
_STATUS_BYTES = 1 << 30


class ImageConnection:
    """One NBD connection, for one thread. A call returns when it is done, or raises TargetError.

    An acknowledged write has reached the daemon, but not yet the disk: only ``ImageWriter.flush``
    makes it permanent.
    """

    def __init__(self, image: _ServedImage, export: str = "") -> None:
        self._image = image
        self._handle = nbd.NBD()
        with self._image.errors("connecting to"):
            self._handle.add_meta_context(_CONTEXT)
            self._handle.set_export_name(export)
            self._handle.connect_unix(image.socket)

    def pread(self, length: int, offset: int) -> bytearray:
        """Read exactly ``length`` bytes."""
        with self._image.errors("reading"):
            return self._handle.pread(length, offset)

    def write_many(self, writes: Sequence[Write]) -> None:
        """Make all these writes at once: one after the other, each would wait for the daemon."""
        with self._image.errors("writing"):
            for cookie in [self._begin(write) for write in writes]:
                while not self._handle.aio_command_completed(cookie):
                    self._handle.poll(-1)

    def _begin(self, write: Write) -> int:
        if write.data is not None:
            return self._handle.aio_pwrite(write.data, write.offset)
        # Never a TRIM, and NO_HOLE keeps the daemon from making it one: on an overlay, a discarded
        # cluster may show the backing file's old content. On qcow2 this takes no data clusters.
        return self._handle.aio_zero(write.length, write.offset, flags=nbd.CMD_FLAG_NO_HOLE)

    def stretches(self, offset: int, length: int) -> Iterator[Stretch]:
        """Which parts of a range the image knows to be zero, in order and without a gap."""
        end = offset + length
        while offset < end:
            for count, flags in self._status(min(end - offset, _STATUS_BYTES), offset):
                count = min(count, end - offset)
                yield Stretch(offset, count, bool(flags & _STATE_ZERO))
                offset += count

    def _status(self, length: int, offset: int) -> Iterator[tuple[int, int]]:
        """Length and flags from one status request: at least one pair, perhaps not all."""
        entries: list[int] = []

        def take(mapping: str, start: int, found: list[int], error: object) -> None:
            if mapping == _CONTEXT:
                entries.extend(found)

        with self._image.errors("mapping"):
            self._handle.block_status(length, offset, take)
        return zip(entries[::2], entries[1::2], strict=True)

    def flush(self) -> None:
        """Flush; see ``ImageWriter.flush``."""
        with self._image.errors("flushing"):
            self._handle.flush()

    @property
    def size_bytes(self) -> int:
        """The image's virtual size."""
        with self._image.errors("reading the size of"):
            return self._handle.get_size()

    @property
    def one_flush_covers_all(self) -> bool:
        """Whether a flush on one connection covers what all connections have written."""
        with self._image.errors("reading the features of"):
            return self._handle.can_multi_conn()

    def close(self) -> None:
        """Disconnect. Never raises: all calls were answered, so nothing can be lost here."""
        with contextlib.suppress(nbd.Error):
            self._handle.shutdown()


class _ServedImage:
    """An image exported by a daemon on a unix socket in a folder that only we can enter."""

    def __init__(
        self, chain: Sequence[ImageFile], *, writable: bool, all_past_the_cache: bool = False
    ) -> None:
        self.path = chain[0].path
        self._all_past_the_cache = all_past_the_cache
        self._chain = [file.path for file in chain]
        self._closed = False
        self._ending = threading.Lock()
        try:
            self._folder = folders.make()
            self.socket = str(self._folder / "nbd")
            self._serve(writable, {file.identity for file in chain})
        finally:
            for file in chain:
                file.close()

    def _serve(self, writable: bool, expected: set[tuple[int, int]]) -> None:
        try:
            self._daemon = self._start(writable)
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        try:
            self._await_start()
            self._require_only(expected)
            self._control = ImageConnection(self)
        except BaseException:
            self.kill()
            raise

    @property
    def process(self) -> ProcessIdentity:
        """The daemon's identity, to be recorded: a resume must first check that it is gone."""
        return self._daemon.identity

    @property
    def size_bytes(self) -> int:
        """The image's virtual size."""
        return self._control.size_bytes

    def connect(self) -> ImageConnection:
        """A new connection for the calling thread. Raises TargetError."""
        return ImageConnection(self)

    def kill(self) -> None:
        """Stop the daemon at once; what was not flushed may be lost.

        Idempotent, and may be called while another thread waits in any other call.
        """
        with self._ending:
            if self._closed:
                return
            self._closed = True
            self._daemon.kill()
            self._daemon.close()
            shutil.rmtree(self._folder, ignore_errors=True)  # not a reason for a copy to fail

    def close(self) -> None:
        """Stop the daemon cleanly, which writes everything out. Idempotent.

        TargetError when it did not end successfully: then the image must not be considered whole.
        """
        if self._closed:
            return
        self._control.close()
        try:
            # It loses about one signal in a thousand: one that arrives as a connection closes.
            code = self._daemon.stop(STOP_SECONDS)
            if code:
                raise TargetError(f"The daemon of {self.path} failed on exit: {self._state()}.")
        except TimeoutError as error:
            raise TargetError(
                f"The daemon of {self.path} did not stop within {STOP_SECONDS} s: is the "
                "repository's storage hanging?"
            ) from error
        finally:
            self.kill()

    @contextlib.contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn libnbd's errors into ours."""
        try:
            yield
        except nbd.Error as error:
            state = self._state()
            # Of a daemon that has ended, its connection's error says nothing about the storage.
            number = error.errnum if self._daemon.poll() is None else None
            words = f"{error.string} ({state})"
            raise target_error(f"{doing} {self.path}", number, words, self.path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except TargetError as closing:
            if error is None:
                raise
            error.add_note(f"Closing the image failed as well: {closing}")

    def _start(self, writable: bool) -> Child:
        # JSON, because commas in file names mean something in the other syntax. The discard option
        # stays off: nothing that a client sends may unmap anything.
        blockdevs: list[str] = []
        for number in reversed(range(len(self._chain))):
            is_written = writable and number == 0
            is_direct = is_written or self._all_past_the_cache
            file = past_the_cache(self._chain[number]) if is_direct else {}
            node = nodes(self._chain[number], read_only=not is_written, **file)
            below = _node(number + 1) if number + 1 < len(self._chain) else None
            node |= {"node-name": _node(number), "backing": below}
            blockdevs += ["--blockdev", json.dumps(node)]
        on = "on" if writable else "off"
        exports = ["--export", f"nbd,id=export,node-name={_node(0)},name=,writable={on}"]
        if writable and len(self._chain) > 1:
            exports += ["--export", f"nbd,id=below,node-name={_node(1)},name={_BELOW},writable=off"]
        return spawn(
            [
                "qemu-storage-daemon",
                *blockdevs,
                "--nbd-server",
                f"addr.type=unix,addr.path={self.socket},max-connections=0",
                *exports,
                "--pidfile",
                str(self._pidfile),
            ]
        )

    def _require_only(self, expected: set[tuple[int, int]]) -> None:
        """Raise ImageAltered when the daemon has other files open than those that were checked:
        between the check and the opening a file was replaced, or a header led elsewhere.
        TargetError when the daemon has ended meanwhile."""
        found: set[tuple[int, int]] = set()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = _open_files(self._pid())
            found.discard(_identity(self._pidfile.stat()))
        if found != expected:
            state = self._state()
            if self._daemon.poll() is not None:
                raise TargetError(f"{self.path} cannot be opened: {state}.")
            raise ImageAltered(
                f"{self.path}: an image of its chain was changed while it was opened. Somebody else"
                " writes to this repository: make sure that only vmrep's account can."
            )

    @property
    def _pidfile(self) -> Path:
        return self._folder / "pid"

    def _pid(self) -> int:
        """The ID of the process that has the files open; 0 until it has reported it."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self._pidfile.read_text())
        return 0

    def _await_start(self) -> None:
        """Wait for the pid file, which the daemon writes when everything is exported."""
        deadline = time.monotonic() + START_SECONDS
        while not self._pid():
            code = self._daemon.poll()
            if code is not None:
                hint = " The package qemu-system-common is needed." if code == 127 else ""
                remedy = REMEDIES.get(errno_in(self._daemon.error_text()) or 0, "")
                raise TargetError(f"{self.path} cannot be opened: {self._state()}.{hint} {remedy}")
            if time.monotonic() > deadline:
                raise TargetError(
                    f"The daemon of {self.path} did not start within {START_SECONDS} s."
                )
            time.sleep(0.005)

    def _state(self) -> str:
        """How the daemon is doing, in words for an error message."""
        with contextlib.suppress(
            TimeoutError
        ):  # a connection breaks just before its daemon is gone
            self._daemon.wait(0.2)
        code = self._daemon.poll()
        how = "the daemon is running" if code is None else f"the daemon ended with code {code}"
        words = self._daemon.error_text()
        return f"{how} and said: {words}" if words else how


def _node(number: int) -> str:
    return f"image{number}"


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _open_files(pid: int) -> set[tuple[int, int]]:
    """Device and inode of the files and devices that a process has open, except the three
    standard ones."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            facts = descriptor.stat()
            is_file = stat.S_ISREG(facts.st_mode) or stat.S_ISBLK(facts.st_mode)
            if is_file and int(descriptor.name) > 2:
                found.add(_identity(facts))
    return found


class ImageWriter(_ServedImage):
    """A writable image: the daemon starts at once and stops at ``close`` or at the block's end.

    ``chain``: the image itself and all images that it is based on, root last; none may be open.
    """

    def __init__(self, chain: Sequence[ImageFile]) -> None:
        super().__init__(chain, writable=True)
        self._flushing = threading.Lock()
        try:
            if not self._control.one_flush_covers_all:
                raise TargetError(
                    "This qemu-storage-daemon does not promise that one flush covers all "
                    "connections: a newer one is needed."
                )
        except BaseException:
            self.kill()
            raise

    def connect_below(self) -> ImageConnection:
        """A connection to the image that this one is based on. TargetError for a root."""
        if len(self._chain) < 2:
            raise TargetError(f"{self.path} is based on no other image.")
        return ImageConnection(self, _BELOW)

    def flush(self) -> None:
        """Make every write that was acknowledged before this call, on any connection, permanent."""
        with self._flushing:
            self._control.flush()

    def close(self) -> None:
        """Flush and stop the daemon. TargetError when either fails: then the image is not whole."""
        if self._closed:
            return
        try:
            # The daemon would also flush at its end, but would tell nobody if that failed.
            self.flush()
        except BaseException:
            self.kill()
            raise
        super().close()


class ImageReader(_ServedImage):
    """An image, with all images that it is based on, opened for reading. ``past_the_cache``: what
    is read comes from the storage, where that is possible, and displaces nothing in memory."""

    def __init__(self, chain: Sequence[ImageFile], *, past_the_cache: bool = False) -> None:
        super().__init__(chain, writable=False, all_past_the_cache=past_the_cache)
