"""A disk that outlives its connections: when one breaks, it gets a new ticket and a new one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from contexts.vsphere.errors import VSphereError
from contexts.vsphere.nfc.disk import NfcDisk, Read
from contexts.vsphere.nfc.errors import NfcBroken

RETRY_DELAYS_SECONDS = (0.2, 1.0, 3.0)


class RenewingDisk:
    """Reads by several threads over one connection, which `connect` makes when it is needed.

    What was answered in whole before a connection broke is kept: only the rest is asked for again.
    """

    def __init__(
        self,
        connect: Callable[[], NfcDisk],
        retry_delays_seconds: Sequence[float] = RETRY_DELAYS_SECONDS,
    ) -> None:
        self._connect = connect
        self._delays = tuple(retry_delays_seconds)
        self._lock = threading.Lock()
        self._disk: NfcDisk | None = None
        self._users = 0
        self._aborted = threading.Event()

    def acquire(self) -> None:
        """One more thread reads; the last `release` closes the connection."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            disk = self._disk if self._users <= 0 else None
            if disk is not None:
                self._disk = None
        if disk is not None:
            disk.close()

    def abort(self) -> None:
        """End the connection: every read fails soon, whatever the host does, and none makes a new
        one. Waits for nothing: the lock may be held by a thread that is connecting."""
        self._aborted.set()
        disk = self._disk
        if disk is not None:
            disk.abort()

    def read_into(self, offset: int, view: memoryview) -> None:
        """`read_many` of one range."""
        self.read_many([(offset, view)])

    def read_many(self, reads: Sequence[Read]) -> None:
        """Fill each view with the bytes from its offset on. Raises the last NfcError after some
        tries in a row that brought nothing, a lasting one at once."""
        left, delays = list(reads), iter(self._delays)
        while True:
            before = len(left)
            left, problem = self._attempt(left)
            if problem is None:  # then nothing is left
                return
            if len(left) < before:
                delays = iter(self._delays)
            delay = next(delays, None)
            if delay is None or not getattr(problem, "transient", False):
                raise problem
            self._aborted.wait(delay)

    def _attempt(self, reads: list[Read]) -> tuple[list[Read], VSphereError | None]:
        """What is still to be read, and the failure, if any."""
        try:
            disk = self._live()
            left = disk.read_many(reads)
            return left, disk.failure if left else None
        except VSphereError as problem:
            return reads, problem

    def _live(self) -> NfcDisk:
        with self._lock:
            if self._disk is None or self._disk.failure is not None:
                if self._disk is not None:
                    self._disk.close()
                self._require_wanted()
                self._disk = self._connect()
            self._require_wanted()  # it may have been aborted while this thread connected
            return self._disk

    def _require_wanted(self) -> None:
        if self._aborted.is_set():
            raise NfcBroken("Reading the disk over NFC was stopped.", transient=False)
