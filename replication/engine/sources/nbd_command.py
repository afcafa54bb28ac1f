"""A program that serves a disk over NBD on a unix socket, as a source.

The program is not trusted with anything but the bytes: it gets a folder that only we can enter,
every wait for it has a bound, and it ends, with what it started, when the last reader is closed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import nbd

from replication.engine import folders
from replication.engine.errors import EngineError, SourceError
from replication.engine.keeper import LEFT
from replication.engine.processes import Child, spawn_kept
from replication.engine.sources.base import Reader

START_SECONDS = 60.0
"""From the program's start until it has said how large the disk is."""
READ_SECONDS = 60.0
"""For one request, of a few MiB."""
STOP_SECONDS = 15.0
RETRY_DELAYS_SECONDS = (0.2, 1.0, 3.0)

SOCKET, PASSWORD = "nbd", "password"
"""Files of the program's folder."""
_POLL_MILLISECONDS = 200
_WORDS_LIMIT = 500


class NbdCommandSource:
    """A disk of ``size_bytes`` that a program serves. ``doing`` names VM, disk and program.

    ``arguments`` makes the program's argument list, given the folder in which it must make its
    socket (`SOCKET`) and finds the password (`PASSWORD`, mode 0600, removed once it serves).
    ``connections``: NBD connections at most, shared by the readers.
    """

    def __init__(
        self,
        arguments: Callable[[Path], Sequence[str]],
        size_bytes: int,
        doing: str,
        *,
        password: str = "",
        connections: int = 4,
    ) -> None:
        self._arguments, self._password = arguments, password
        self.size_bytes, self.doing = size_bytes, doing
        self.aborted = threading.Event()
        self._changing = threading.Lock()
        self._users = 0
        self._server: _Server | None = None
        self._free: queue.SimpleQueue[_Handle | None] = queue.SimpleQueue()
        for _ in range(connections):
            self._free.put(None)

    def connect(self) -> NbdCommandReader:
        """A reader for the calling thread. The program is started by the first read."""
        with self._changing:
            self._users += 1
        return NbdCommandReader(self)

    def abort(self) -> None:
        """Every read fails within `_POLL_MILLISECONDS`, whatever the program does."""
        self.aborted.set()

    def take(self) -> _Handle:
        """A connection, a new one where none is at rest. Raises SourceError."""
        deadline = time.monotonic() + START_SECONDS + READ_SECONDS
        while True:
            self.require_wanted()
            if time.monotonic() > deadline:
                raise self.error("no connection came free in time")
            with contextlib.suppress(queue.Empty):
                handle = self._free.get(timeout=_POLL_MILLISECONDS / 1000)
                break
        if handle is not None:
            return handle
        try:
            with self._changing:
                if self._server is None:
                    self._server = _Server(self, self._arguments, self._password)
                return self._server.connect()
        except BaseException:
            self._free.put(None)
            raise

    def put_back(self, handle: _Handle | None) -> None:
        """None for one that broke."""
        self._free.put(handle)

    def leave(self) -> None:
        """A reader is closed; with the last one the program ends."""
        with self._changing:
            self._users -= 1
            server, self._server = (self._server, None) if not self._users else (None, self._server)
            if server is None:
                return
            # Connections to it are of no use to the next one.
            for _ in range(self._free.qsize()):
                self._free.get()
                self._free.put(None)
        server.stop()

    def require_wanted(self) -> None:
        if self.aborted.is_set():
            raise self.error("it was stopped", transient=False)

    def error(self, what: str, *, transient: bool = True) -> SourceError:
        return SourceError(f"{self.doing}: {what}.", transient=transient)


class NbdCommandReader(Reader):
    """One thread's way to the disk."""

    def __init__(self, source: NbdCommandSource) -> None:
        self._source = source
        self._closed = False

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view``. What the program could not read is asked for again a few times."""
        for delay in (*RETRY_DELAYS_SECONDS, None):
            handle = self._source.take()
            try:
                handle.read_into(offset, view)
            except SourceError:
                keep = handle if handle.is_usable else None
                self._source.put_back(keep)
                if delay is None or keep is None:
                    raise
                self._source.aborted.wait(delay)
            except BaseException:
                self._source.put_back(None)
                raise
            else:
                self._source.put_back(handle)
                return

    def close(self) -> None:
        """The last reader's ends the program."""
        if not self._closed:
            self._closed = True
            self._source.leave()


class _Server:
    """The running program and its folder."""

    def __init__(
        self,
        source: NbdCommandSource,
        arguments: Callable[[Path], Sequence[str]],
        password: str,
    ) -> None:
        self._source = source
        folders.remove_abandoned()  # a killed worker's command may still be reading this disk
        self._folder = folders.make()
        self._child: Child | None = None
        self._deadline = time.monotonic() + START_SECONDS
        try:
            if password:
                descriptor = os.open(
                    self._folder / PASSWORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
                )
                with os.fdopen(descriptor, "w") as file:
                    file.write(password)
            self._child = spawn_kept(self._folder, list(arguments(self._folder)))
            self._await_socket()
        except BaseException as problem:
            self.stop()
            if isinstance(problem, EngineError) and not isinstance(problem, SourceError):
                raise source.error(str(problem).rstrip("."), transient=False) from problem
            raise

    def connect(self) -> _Handle:
        handle = _Handle(self._source, self, self._folder / SOCKET, self._deadline)
        (self._folder / PASSWORD).unlink(missing_ok=True)
        return handle

    def stop(self) -> None:
        """End the program, with everything that it started."""
        if self._child is not None:
            with contextlib.suppress(TimeoutError):
                self._child.stop(STOP_SECONDS)
            self._child.kill()
            self._child.close()
            folders.end_all(self._folder)  # should the keeper have been killed
        shutil.rmtree(self._folder, ignore_errors=True)

    def _await_socket(self) -> None:
        while not (self._folder / SOCKET).is_socket():
            self.require_running()
            self._source.require_wanted()
            if time.monotonic() > self._deadline:
                raise self._source.error(
                    f"the command made no socket in {START_SECONDS:g} seconds{self.words()}"
                )
            time.sleep(0.01)

    def require_running(self, soon: bool = False) -> None:
        """Raises SourceError when the program has ended; `soon`: a connection to it just broke, or
        it serves something else, which comes a little before its end."""
        if self._child and soon:
            with contextlib.suppress(TimeoutError):
                self._child.wait(_POLL_MILLISECONDS / 1000)
        code = self._child.poll() if self._child else None
        if code is None:
            return
        if (self._folder / LEFT).exists():
            raise self._source.error(
                "the command went into the background. It must stay in the foreground, so that it"
                " ends with its worker (nbdkit: --foreground)",
                transient=False,
            )
        hint = " (there is no such program)" if code == 127 else ""
        raise self._source.error(f"the command ended with code {code}{hint}{self.words()}")

    def words(self) -> str:
        words = self._child.error_text()[-_WORDS_LIMIT:] if self._child else ""
        return f" and said: {words}" if words else ""


class _Handle:
    """One NBD connection, used by one thread at a time."""

    def __init__(
        self, source: NbdCommandSource, server: _Server, socket: Path, deadline: float
    ) -> None:
        self._source, self._server = source, server
        # The first one has as long as the program has to start.
        deadline = max(deadline, time.monotonic() + READ_SECONDS)
        try:
            self._nbd = self._connected(str(socket), deadline)
            self._await(self._nbd.aio_is_ready, deadline, "did not finish its greeting")
            size = self._nbd.get_size()
        except nbd.Error as problem:
            self._server.require_running(soon=True)
            raise source.error(
                f"the command serves no disk over NBD ({problem.string}){server.words()}"
            ) from problem
        # A program that goes into the background serves something before it has ended.
        self._server.require_running(soon=size != source.size_bytes)
        if size != source.size_bytes:
            raise source.error(
                f"the command serves {size} bytes, but the disk has {source.size_bytes}: it is"
                " another disk, or not this one alone",
                transient=False,
            )

    def _connected(self, socket: str, deadline: float) -> nbd.NBD:
        """The program may have made its socket, but not listen yet."""
        while True:
            handle = nbd.NBD()
            try:
                handle.aio_connect_unix(socket)
            except nbd.Error as problem:
                if problem.errnum != errno.ECONNREFUSED or time.monotonic() > deadline:
                    raise
            else:
                return handle
            self._server.require_running()
            self._source.require_wanted()
            time.sleep(0.01)

    @property
    def is_usable(self) -> bool:
        return bool(self._nbd.aio_is_ready()) and not self._nbd.aio_in_flight()

    def read_into(self, offset: int, view: memoryview) -> None:
        deadline = time.monotonic() + READ_SECONDS
        self._server.require_running()
        doing = f"did not answer a read of {len(view)} bytes at {offset}"
        try:
            cookie = self._nbd.aio_pread(view, offset)
            self._await(lambda: self._nbd.aio_command_completed(cookie), deadline, doing)
        except nbd.Error as problem:
            self._server.require_running(soon=True)
            raise self._source.error(
                f"the command could not read {len(view)} bytes at {offset} ({problem.string})"
                f"{self._server.words()}"
            ) from problem

    def _await(self, done: Callable[[], bool], deadline: float, doing: str) -> None:
        """Let libnbd work until it is done. Raises nbd.Error, SourceError."""
        while not done():
            if self._nbd.aio_is_dead() or self._nbd.aio_is_closed():
                self._server.require_running(soon=True)
                raise self._source.error("the command closed the connection")
            self._source.require_wanted()
            if time.monotonic() > deadline:
                self._server.require_running()
                raise self._source.error(f"the command {doing} in time{self._server.words()}")
            self._nbd.poll(_POLL_MILLISECONDS)
